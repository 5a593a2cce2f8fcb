"""Other writers of our objects, and people: GitOps, edits, deletions, aborts, freezes."""

from __future__ import annotations

from datetime import timedelta

from keyturn.core.sealed import Sealed
from support.fault import Fault, lasting
from support.world import OLD_URL, World


def _drift(world: World) -> bool:
    """Once all is over, what others write is drift and no fault of this rotation."""
    return world.phase in ("Complete", "RolledBack")


def _revert(world: World) -> None:
    """Another writer puts the old value back."""
    if not _drift(world):
        world.cluster.edit_secret({"url": OLD_URL}, "argocd")


def _insist(world: World) -> None:
    if not _drift(world):
        world.gitops_holds = OLD_URL


def _relent(world: World) -> None:
    world.gitops_holds = None


def _edit(world: World) -> None:
    if not _drift(world):
        value = Sealed("postgresql://orders_x:some-other-value@db.shop.svc:5432/shop")
        world.cluster.edit_secret({"url": value}, "alice")


def _empty(world: World) -> None:
    if not _drift(world):
        world.cluster.edit_secret({"url": Sealed("")}, "alice")


def _delete_secret(world: World) -> None:
    if not _drift(world):
        world.cluster.delete_secret()


def _touch_secret(world: World) -> None:
    world.cluster.touch_secret()


def _touch_all(world: World) -> None:
    world.cluster.touch_plan()
    for name in list(world.cluster.the_rotations):
        world.cluster.edit_rotation(name)


def _abort(world: World) -> None:
    world.abort()


def _freeze(world: World) -> None:
    world.cluster.frozen_by = "namespace shop is frozen"


def _thaw(world: World) -> None:
    world.cluster.frozen_by = ""


def _pause(world: World) -> None:
    world.cluster.edit_rotation("orders-1", pause=True)


def _resume(world: World) -> None:
    world.cluster.edit_rotation("orders-1", pause=False)


def _edit_plan(world: World) -> None:
    """Another soak time. A rotation that has begun keeps the plan it began with."""
    plan = world.cluster.the_plan
    if plan is not None:
        verify = plan.spec.verify.model_copy(update={"soak": timedelta(seconds=30)})
        world.cluster.edit_plan(plan.spec.model_copy(update={"verify": verify}))


def _delete_plan(world: World) -> None:
    world.cluster.delete_plan(world.clock.now())


def delete_rotation(world: World) -> None:
    """As ``kubectl delete`` does it, or Git that prunes."""
    world.cluster.the_rotations.pop("orders-1", None)


def replace_rotation(world: World) -> None:
    """Deleted and applied again, as Git may do it."""
    former = world.cluster.the_rotations.pop("orders-1", None)
    if former is not None:
        world.cluster.add_rotation("shop", "orders-1", former.spec)


def _second_rotation(world: World) -> None:
    if world.phase not in ("Complete", "RolledBack"):
        world.ask_for_rotation("orders-2")
        world.cluster.edit_rotation("orders-2", abort=True)


def _admin_gone(world: World) -> None:
    world.cluster.admin_exists = False


def _admin_back(world: World) -> None:
    world.cluster.admin_exists = True


FAULTS = (
    Fault("secret reverted", "writers", _revert, fm=(13,)),
    Fault("gitops insists", "writers", _insist, _relent, lasting(60), fm=(13,)),
    Fault("secret edited", "writers", _edit, fm=(12,)),
    Fault("secret emptied", "writers", _empty, fm=(12, 15)),
    Fault("secret deleted", "writers", _delete_secret, fm=(15,)),
    Fault("secret touched", "writers", _touch_secret, fm=(12,), alike=True),
    Fault("our objects touched", "writers", _touch_all, fm=(12, 50), alike=True),
    Fault("abort", "people", _abort, fm=(41,)),
    Fault("freeze", "people", _freeze, _thaw, lasting(60)),
    Fault("pause", "people", _pause, _resume, lasting(60)),
    Fault("plan edited", "people", _edit_plan, fm=(57,)),
    Fault("plan deleted", "people", _delete_plan, may_end=("Complete", "RolledBack", "Released"), fm=(58,)),
    Fault("admin Secret gone", "people", _admin_gone, _admin_back, lasting(30), fm=(53,), alike=True),
)
APART = (
    Fault("rotation deleted", "people", delete_rotation, fm=(58,)),
    Fault("second rotation asked", "people", _second_rotation, fm=(57,)),
)
