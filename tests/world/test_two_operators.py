"""A leader that is overtaken in the middle of a look: what it decides afterwards must not count."""

from __future__ import annotations

import pytest

from keyturn.ports import Conflict
from support.moments import backend_writes, completes, goes_back, in_phase, while_looking
from support.switchboard import Call
from support.world import API, PLAN, World


def overtaken(world: World, looks: int = 60) -> None:
    """While the leader looks, a person aborts and another operator, with a newer epoch, goes back to the end."""

    async def meanwhile() -> None:
        other = world.new_operator(2)
        world.abort()
        for _ in range(looks):
            await other.reconcile(PLAN)
            world.cluster.fleet.move()

    while_looking(world, meanwhile)


@pytest.mark.fm(38, 44, 50)
@pytest.mark.parametrize("phase", ["Roll", "Soak", "Watch"])
def test_a_decision_made_on_an_overtaken_look_is_neither_saved_nor_carried_out(phase: str) -> None:
    world = in_phase(phase)
    overtaken(world, looks=4)
    now = world.clock.true
    world.run(1, until=lambda _world: False)
    assert world.clock.true >= now
    assert world.phase in ("Enable", "Restore", "Unroll", "Confirm", "Discard", "RolledBack")
    assert world.backend.roles["orders_a"].enabled
    world.epoch = 2
    world.restart_operator()
    goes_back(world)


def rolled_out(world: World) -> bool:
    """The next look would leave Roll."""
    workload = world.cluster.workloads[API]
    return len(workload.pods) == len(workload.current) == workload.replicas and workload.template.mark == 1


@pytest.mark.fm(38, 44, 50)
def test_a_phase_entered_on_an_overtaken_look_does_not_overwrite_the_way_back() -> None:
    world = in_phase("Roll")
    world.run(60, until=rolled_out)
    for _ in range(4):  # one of the next looks is the one that would go on
        if world.phase == "Roll":
            overtaken(world, looks=3)
            world.run(1, until=lambda _world: False)
    assert world.phase in ("Enable", "Restore", "Unroll", "Confirm", "Discard", "RolledBack")
    world.epoch = 2
    world.restart_operator()
    goes_back(world)


@pytest.mark.fm(44)
def test_nothing_is_carried_out_that_could_not_be_remembered_first() -> None:
    world = in_phase("Watch")

    def forgets(call: Call) -> None:
        if call.name == "save-rotation":
            raise Conflict("Conflict", "somebody wrote in between")

    world.board.weather["forgets"] = forgets
    pod = world.cluster.workloads[API].pods[0]
    assert world.backend.login("orders_a", world.known_values[0], pod.address) is None
    before = backend_writes(world)
    world.run(5, until=lambda _world: False)
    assert backend_writes(world) == before
    del world.board.weather["forgets"]
    completes(world)
