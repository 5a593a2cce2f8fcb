"""What a schedule takes place in: a rotation, ways back, people who agree or hold it up, a credential others know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from keyturn.core.rotation import FINISHED
from support.agreement import ANN
from support.consent import AskingWorld
from support.people import accept_losses
from support.rotator_world import RotatorWorld
from support.world import API, World

HELD_FOR = timedelta(seconds=12)
_HELD = "people hold it"


@dataclass(frozen=True, slots=True)
class Scenario:
    """``ends``: without faults. ``goes_back``: whether it may, once anything was changed.

    ``timeless``: an operator that is late does the same; what people do here after a while comes in between otherwise.
    """

    make: Callable[[], World]
    ends: str = "Complete"
    goes_back: bool = True
    timeless: bool = True


def _rollback() -> World:
    """A person aborts at the last moment: the old role is disabled already."""
    return World(abort_in="Watch")


def _half_way() -> World:
    """A person aborts while pods roll: some hold the new value, some the old."""

    def abort_then(world: World) -> None:
        if _rolling(world):
            world.abort()
            world.happenings.remove(abort_then)

    return World(happenings=[abort_then])


def _approvals() -> World:
    """Ann asks, and somebody else must agree; who is asked does so after a while."""
    return AskingWorld(request={"planRef": {"name": "orders"}, "requestedBy": ANN})


def _compromised(mode: str) -> Callable[[], World]:
    """Somebody else may know the old credential."""
    return lambda: World(request={"planRef": {"name": "orders"}, "mode": mode})


def _lost_node() -> World:
    """While pods roll, a node is lost for good; people accept the loss of its pod."""

    def lose(world: World) -> None:
        if _rolling(world):
            pods = sorted(world.cluster.workloads[API].pods, key=lambda pod: pod.generation or 0)
            pods[0].lost = True
            world.happenings.remove(lose)

    world = World(happenings=[lose])
    world.people.answers |= dict.fromkeys(("RolloutInProgress", "PodsUnproven"), accept_losses)
    return world


def _held_up() -> World:
    """In each phase a person freezes the namespace, or pauses the rotation, for a while."""
    held: dict[str, datetime] = {}

    def hold(world: World) -> None:
        now = world.clock.true
        if _HELD in world.active:
            if now - max(held.values()) >= HELD_FOR:
                world.active.discard(_HELD)
                world.cluster.frozen_by = ""
                world.cluster.edit_rotation("orders-1", pause=False)
        elif world.phase and world.phase not in (*held, *FINISHED):
            held[world.phase] = now
            world.active.add(_HELD)
            if len(held) % 2:
                world.cluster.frozen_by = "namespace shop is frozen"
            else:
                world.cluster.edit_rotation("orders-1", pause=True)

    return World(happenings=[hold])


def _rolling(world: World) -> bool:
    return any(pod.generation for pod in world.cluster.workloads[API].pods)


def _issued(abort_in: str | None = None) -> Callable[[], World]:
    """The backend names credentials and shows their values once: an answer that is lost takes the value with it."""
    return lambda: World(issues=True, abort_in=abort_in)


def _issued_contained() -> World:
    return World(issues=True, request={"planRef": {"name": "orders"}, "mode": "Containment"})


def _rotator(abort_in: str | None = None) -> Callable[[], World]:
    """Another plan's provider logs in with what is rotated, and works on all the while."""
    return lambda: RotatorWorld(abort_in=abort_in)


SCENARIOS: dict[str, Scenario] = {
    "rotation": Scenario(World),
    "rollback": Scenario(_rollback, ends="RolledBack"),
    "half-way": Scenario(_half_way, ends="RolledBack"),
    "approvals": Scenario(_approvals),
    "lost-node": Scenario(_lost_node, timeless=False),
    "held-up": Scenario(_held_up, timeless=False),
    "availability": Scenario(_compromised("Availability"), goes_back=False),
    "containment": Scenario(_compromised("Containment"), goes_back=False),
    "issued": Scenario(_issued()),
    "issued-back": Scenario(_issued("Watch"), ends="RolledBack"),
    "issued-contained": Scenario(_issued_contained, goes_back=False),
    "rotator": Scenario(_rotator()),
    "rotator-back": Scenario(_rotator("Watch"), ends="RolledBack"),
}
