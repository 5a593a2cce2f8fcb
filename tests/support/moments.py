"""Small words for scenarios in the simulated world: go to a moment, and look whether it stays there."""

from __future__ import annotations

from collections.abc import Callable

from keyturn.core.sealed import Sealed
from support.endings import came_to_rest
from support.world import World

ENOUGH = 400  # looks; a rotation without faults takes about sixty


def in_phase(phase: str, world: World | None = None) -> World:
    """A rotation that has just come to this phase: entering it has done nothing yet."""
    world = world or World()
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda w: w.phase == phase)
    assert world.phase == phase, world.phases
    return world


def stays(world: World, *phases: str, looks: int = 30) -> None:
    """So many looks later it has not left these phases."""
    since = len(world.phases)
    world.run(looks, until=lambda _world: False)
    assert world.phase in phases, world.phases
    assert set(world.phases[since:]) <= set(phases), world.phases


def completes(world: World) -> None:
    """It goes on by itself and ends as a rotation without faults does."""
    world.run(ENOUGH)
    came_to_rest(world, {"Complete"})


def goes_back(world: World) -> None:
    """It goes back by itself, and all is as it was."""
    world.run(ENOUGH)
    came_to_rest(world, {"RolledBack"})


def while_looking(world: World, act: Callable[[], object]) -> None:
    """Once, in the middle of the operator's next look: after it has read the cluster, before it decides."""
    challenge = world.challenge

    async def interrupted(*words: object) -> object:
        world.challenge = challenge  # type: ignore[method-assign]
        found = await challenge(*words)  # type: ignore[arg-type]
        done = act()
        if hasattr(done, "__await__"):
            await done  # type: ignore[misc]
        return found

    world.challenge = interrupted  # type: ignore[method-assign, assignment]


def url(world: World, id_: str) -> Sealed:
    """What the Secret holds when this credential serves."""
    value = world.backend.roles[id_].value.reveal_text()
    return Sealed(f"postgresql://{id_}:{value}@db.shop.svc:5432/shop")


def backend_writes(world: World) -> list[str]:
    return [kind for kind in world.board.writes if kind in ("ensure", "disable", "enable", "end-sessions", "delete")]
