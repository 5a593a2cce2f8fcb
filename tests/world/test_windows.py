"""A maintenance window that closes in mid-rotation: nothing new begins, what has begun ends, going back never waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keyturn.api.plan_kinds import Schedule
from keyturn.core.sealed import Sealed
from support.world import World

ENOUGH = 400
CLOSED = Schedule.model_validate({"window": [{"days": ["Mon"], "start": "02:00", "end": "03:00"}]})  # it is Saturday
OPEN = Schedule.model_validate({"window": [{"days": ["Sat", "Sun"], "start": "00:00", "end": "23:59"}]})


def windows(world: World, schedule: Schedule) -> None:
    """As the clock would have it: in the plan, and in the copy of it that the rotation goes by."""
    plan = world.cluster.the_plan
    assert plan is not None
    world.cluster.the_plan = replace(plan, spec=plan.spec.model_copy(update={"schedule": schedule}))
    for name, record in world.cluster.the_rotations.items():
        if record.status.plan is not None:
            copy = record.status.plan.model_copy(update={"schedule": schedule})
            status = record.status.model_copy(update={"plan": copy})
            world.cluster.the_rotations[name] = replace(record, status=status)


def started(phase: str) -> World:
    world = World()
    windows(world, OPEN)
    world.ask_for_rotation()
    for _ in range(ENOUGH):
        world.run(1)
        if world.phase == phase:
            return world
    raise AssertionError(world.phases)


def blocked_by(world: World) -> str:
    return world.cluster.the_rotations["orders-1"].status.blocked_by


@pytest.mark.parametrize(
    ("closes_in", "waits_in", "not_done"),
    [
        ("Create", "Create", "write-secret"),
        ("Stage", "Approve", "disable"),  # with Stage the roll has begun: pods that restart read the new value anyway
        ("Roll", "Approve", "disable"),
        ("Soak", "Approve", "disable"),
        ("Disable", "Watch", "delete"),
        ("Watch", "Watch", "delete"),
    ],
)
def test_nothing_new_begins_outside_the_window_and_it_goes_on_when_it_opens(
    closes_in: str, waits_in: str, not_done: str
) -> None:
    world = started(closes_in)
    windows(world, CLOSED)
    world.run(100)
    assert (world.phase, blocked_by(world)) == (waits_in, "OutsideWindow")
    assert not [write for write in world.board.writes if write.startswith(not_done)]
    windows(world, OPEN)
    world.run(ENOUGH)
    assert world.phase == "Complete"


def test_a_rotation_asked_for_outside_the_window_waits_before_it_changes_anything() -> None:
    world = World()
    windows(world, CLOSED)
    world.ask_for_rotation()
    world.run(50)
    assert (world.phase, blocked_by(world)) == ("Preflight", "OutsideWindow")
    assert "orders_b" not in world.backend.roles
    windows(world, OPEN)
    world.run(ENOUGH)
    assert world.phase == "Complete"


@pytest.mark.parametrize("phase", ["Create", "Stage", "Roll", "Soak", "Disable", "Watch"])
def test_going_back_is_never_held_up_by_a_window(phase: str) -> None:
    world = started(phase)
    windows(world, CLOSED)
    world.abort()
    world.run(ENOUGH)
    assert world.phase == "RolledBack"


def test_the_old_credential_is_enabled_again_outside_the_window_when_somebody_needs_it() -> None:
    world = started("Watch")
    windows(world, CLOSED)
    pod = next(pod for workload in world.cluster.workloads.values() for pod in workload.pods)
    world.backend.login("orders_a", Sealed("the-old-value-of-orders"), pod.address)
    for _ in range(5):
        world.run(1)
        if world.backend.roles["orders_a"].enabled:
            break
    assert world.backend.roles["orders_a"].enabled
    world.run(100)
    assert (world.phase, blocked_by(world)) == ("Approve", "OutsideWindow"), "and is disabled again in the next one"
