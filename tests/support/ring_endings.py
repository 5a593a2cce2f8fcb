"""How every world of a ring may end, and where its rotation writes on the way."""

from __future__ import annotations

from support.ring_world import GATE, KEY, SIGNER, RingWorld

ENOUGH = 900  # ticks for a whole rotation


def rests(world: RingWorld) -> None:
    """Every pod holds what its Secret holds, and nothing is written any more."""
    world.run(3, until=lambda _world: False)
    fleet, before = world.cluster.fleet, len(world.board.writes)
    for pod in fleet.pods():
        assert fleet.rings[pod.name] == world.cluster.ring[KEY] or pod.consumer == SIGNER
        assert pod.held is not None
        assert pod.held.value == world.cluster.secret_data["url"] or pod.consumer == GATE
    world.restart_operator()
    world.run(3, until=lambda _world: False)
    assert world.board.writes[before:] == []


def went_back(world: RingWorld) -> None:
    """Byte for byte, and to rest."""
    world.run(ENOUGH)
    assert world.phase == "RolledBack", (world.phase, world.rotation_status.blockers, world.phases)
    assert world.cluster.ring == world.ring_before
    assert world.cluster.secret_data == world.secret_before
    rests(world)


def points(world: RingWorld, *kinds: str) -> list[str]:
    """Every point of these kinds that a whole rotation of this world comes by."""
    world.ask_for_rotation()
    world.run(ENOUGH)
    return [name for name in world.board.points if name.partition("#")[0] in kinds]
