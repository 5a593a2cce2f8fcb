"""People in the simulated world: freezes, pauses, accepted losses, and a failure that a person must look at."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from keyturn.core.model import ConsumerRef, Phase
from support.world import PLAN, World
from world.test_rotation_world import ENOUGH, as_before, quiet, rotated

ASKED = ""  # and not begun: Preflight is passed in one look
STOPS = (ASKED, *map(Phase, ("Create", "Stage", "Roll", "Soak", "Disable", "Watch", "Delete")))
API = ConsumerRef("Deployment", "shop", "api")


@pytest.mark.parametrize("phase", STOPS, ids=lambda phase: phase or "asked")
def test_a_freeze_in_any_phase_stops_every_write_to_the_world_and_lifted_it_goes_on(phase: str) -> None:
    world = World()
    world.ask_for_rotation()
    until(world, phase)
    world.cluster.frozen_by = "namespace shop is frozen (incident 7)"
    world.run(1)
    before = outside(world)
    world.run(40)
    assert outside(world) == before
    world.cluster.frozen_by = ""
    world.run(ENOUGH)
    rotated(world)


async def test_a_rotation_that_a_freeze_kept_from_beginning_begins_within_seconds_after_it() -> None:
    world = World()
    world.cluster.frozen_by = "namespace shop is frozen (incident 7)"  # namespaces are not watched
    world.ask_for_rotation()
    rests = [await world.operator.reconcile(PLAN) for _ in range(8)]
    assert world.phase == ASKED
    assert rests[-1] is not None
    assert rests[-1] <= timedelta(seconds=10)


@pytest.mark.parametrize("phase", STOPS[:-1], ids=lambda phase: phase or "asked")
def test_a_pause_in_any_phase_leaves_both_open_and_resumed_it_completes(phase: str) -> None:
    world = World()
    world.ask_for_rotation()
    until(world, phase)
    wish(world, pause=True)
    world.run(40)
    assert world.phase not in ("Complete", "Delete")
    assert world.backend.roles["orders_a"].enabled
    wish(world, pause=False)
    world.run(ENOUGH)
    rotated(world)


def test_after_a_failure_the_schedule_waits_until_a_person_asks() -> None:
    world = World()
    spec = world.cluster.the_plan.spec if world.cluster.the_plan else None
    assert spec is not None
    world.cluster.workloads[API].crash_with = "orders_b"
    world.ask_for_rotation()
    world.run(ENOUGH)
    as_before(world)
    assert world.plan_status.last_rotation_reason == "RolloutDeadlineExceeded"
    frozen = next(c for c in world.plan_status.conditions if c.type == "Frozen")
    assert (frozen.status, frozen.reason) == ("True", "LastRotationFailed")
    quiet(world)
    world.cluster.workloads[API].crash_with = ""
    world.cluster.created = world.clock.now()
    world.ask_for_rotation("orders-2")
    world.run(6)
    assert world.plan_status.active_rotation == "orders-2"
    frozen = next(c for c in world.plan_status.conditions if c.type == "Frozen")
    assert frozen.status == "False", "somebody asked, so nothing is held up any more"
    world.run(ENOUGH)
    assert world.cluster.the_rotations["orders-2"].status.phase == "Complete"


def until(world: World, phase: str) -> None:
    for _ in range(ENOUGH):
        if world.phase == phase:
            return
        world.run(1)
    raise AssertionError(f"never came to {phase}: {world.phases}")


def wish(world: World, **spec: object) -> None:
    record = world.cluster.the_rotations["orders-1"]
    world.cluster.the_rotations["orders-1"] = replace(record, spec=record.spec.model_copy(update=spec))


def outside(world: World) -> list[str]:
    """Writes to anything but our own status."""
    return [name for name in world.board.writes if name not in ("save-plan", "save-rotation", "announce")]
