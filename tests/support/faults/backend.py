"""The backend: away, slow, restarted, refusing, restored from a backup, blind, and other people in it."""

from __future__ import annotations

from datetime import timedelta

from keyturn.core.sealed import Sealed
from keyturn.ports import Denied
from support.fault import Act, Fault, lasting
from support.faults.operator import slow, weather
from support.memory_backend import SOMEBODY, Role
from support.switchboard import Call, Side
from support.world import World

STRANGER = "10.9.9.9"


def setting(name: str, value: object, otherwise: object) -> tuple[Act, Act]:
    """An attribute of the backend while the fault lasts."""

    def begin(world: World) -> None:
        setattr(world.backend, name, value)

    def end(world: World) -> None:
        setattr(world.backend, name, otherwise)

    return begin, end


def _restart(world: World) -> None:
    world.backend.restart()
    world.backend.down = True


def _up(world: World) -> None:
    world.backend.down = False


def _refuses_passwords(call: Call) -> None:
    if call.name == "ensure":
        raise Denied("PasswordRefused", "the backend's policy refuses the value")


def _lacks(world: World) -> None:
    world.provider.lacking.add("orders_b")


def _lacks_nothing(world: World) -> None:
    world.provider.lacking.clear()


def _lags(world: World) -> None:
    if world.phase in ("", "Preflight", "Create"):
        world.provider.lagging.add("orders_b")


def _caught_up(world: World) -> None:
    world.provider.lagging.clear()


def _delays(world: World) -> None:
    world.backend.delay = timedelta(seconds=8)  # within half of the plan's watch time


def _no_delay(world: World) -> None:
    world.backend.delay = timedelta()


def _restore(world: World) -> None:
    """The old role as it was, none of the new. Not after the end: then it is drift. Who issues keys forgets none."""
    if world.phase in ("Complete", "RolledBack") or world.issues:
        return
    world.backend.restart()
    old = world.backend.roles["orders_a"]
    epoch = 0
    now = world.backend.restored_at = world.clock.true
    fresh = Role(Sealed("the-old-value-of-orders"), plan=old.plan, epoch=epoch, changed_by=SOMEBODY, changed_at=now)
    world.backend.roles["orders_a"] = fresh
    world.backend.roles.pop("orders_b", None)


def _close_old(world: World) -> None:
    """Somebody disables the old role by hand, although pods may still need it. After the end that is drift."""
    if world.phase in ("Complete", "RolledBack"):
        return
    world.backend.switch("orders_a", enabled=False, who=SOMEBODY)


def _open_old(world: World) -> None:
    """Somebody enables the old role by hand although it was closed, and not yet gone."""
    role = world.backend.roles.get("orders_a")
    if role is not None and not role.retired and world.phase in ("Disable", "Watch", "Delete"):
        world.backend.switch("orders_a", enabled=True, who=SOMEBODY)


def _change_old(world: World) -> None:
    """Its holder sets another password, where passwords can be set."""
    role = world.backend.roles.get("orders_a")
    if (
        role is not None
        and not world.issues
        and role.enabled
        and not role.retired
        and world.phase in ("Create", "Stage", "Roll", "Verify", "Soak")
    ):
        role.value, role.changed_by = Sealed("a value that its holder made up"), SOMEBODY


def _stranger(world: World) -> None:
    if not world.backend.down:
        world.backend.login("orders_a", Sealed("the-old-value-of-orders"), STRANGER)


def _stranger_leaves(world: World) -> None:
    for port, session in list(world.backend.sessions.items()):
        if session.client_address == STRANGER:
            world.backend.hang_up(port)


def _batch(world: World) -> None:
    """A job nobody listed opens a session every minute, for a moment."""

    def now_and_then(world: World) -> None:
        if "hourly batch" in world.active and not world.backend.down and world.ticks % 5 == 0:
            port = world.backend.login("orders_a", Sealed("the-old-value-of-orders"), STRANGER)
            if port is not None:
                world.backend.hang_up(port)

    world.happenings.append(now_and_then)


def _mallory(world: World) -> None:
    world.backend.roles["mallory"] = Role(Sealed("hers"), declared=False)


def _no_mallory(world: World) -> None:
    world.backend.roles.pop("mallory", None)


def _cut(world: World) -> None:
    world.cluster.fleet.cut_off = True
    world.backend.restart()


def _mended(world: World) -> None:
    world.cluster.fleet.cut_off = False


def _endpoint_down(call: Call) -> None:
    """Logins of consumers' kind fail by connection, the rotator's own works."""
    if call.name == "test":
        from keyturn.ports import Unavailable

        raise Unavailable("EndpointDown", "the endpoint cannot be reached")


FAULTS = (
    Fault("backend down", "backend", *setting("down", True, False), lasting(10), fm=(53,), alike=True),  # noqa: FBT003
    Fault("backend down for long", "backend", *setting("down", True, False), lasting(400), fm=(53,)),  # noqa: FBT003
    Fault("backend restarts", "backend", _restart, _up, lasting(2), fm=(53,)),
    Fault("backend slow", "backend", *slow("backend slow", Side.BACKEND, 3), lasting(60), fm=(51,), alike=True),
    Fault("rotator refused", "backend", *setting("refuses_rotator", True, False), lasting(30), fm=(53,)),  # noqa: FBT003
    Fault("usage blind", "backend", *setting("blind", True, False), lasting(30), fm=(32,)),  # noqa: FBT003
    Fault("password refused", "backend", *weather("password refused", _refuses_passwords), lasting(30), fm=(7,)),
    Fault("new role lacks rights", "backend", _lacks, _lacks_nothing, lasting(20), fm=(10,)),
    Fault("replica lags", "backend", _lags, _caught_up, lasting(30), fm=(11,)),
    Fault("changes bite late", "backend", _delays, _no_delay, lasting(600), fm=(36,)),
    Fault("backend restored", "backend", _restore, fm=(37,)),
    Fault("old closed by hand", "backend", _close_old, fm=(37, 43)),
    Fault("old opened by hand", "backend", _open_old, fm=(37, 43)),
    Fault("old changed by its holder", "backend", _change_old, fm=(43,)),
    Fault("stranger connects", "strangers", _stranger, _stranger_leaves, lasting(20), fm=(24, 30)),
    Fault("hourly batch", "strangers", _batch, _stranger_leaves, lasting(60), fm=(31, 34)),
    Fault("stranger in inventory", "strangers", _mallory, _no_mallory, lasting(30), fm=(24,)),
    Fault("pods cut off", "backend", _cut, _mended, lasting(30), fm=(54,)),
    Fault("endpoint down", "backend", *weather("endpoint down", _endpoint_down), lasting(30), fm=(53,)),
)
