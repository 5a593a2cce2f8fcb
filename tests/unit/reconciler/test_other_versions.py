"""What another version wrote is left alone and said; what this one does not know is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keyturn.api.conditions import condition
from keyturn.api.kinds import PlanStatus, RotationStatus
from keyturn.core.model import ObjectKey, Problem
from keyturn.ports import Misconfigured
from keyturn.ports.records import STATUS_UNREADABLE
from support.memory_cluster import spec
from support.world import World


def in_phase(phase: str) -> World:
    world = World()
    world.ask_for_rotation()
    world.probes_silent = phase == "Preflight"  # else one look passes it
    for _ in range(400):
        world.run(1)
        if world.phase == phase:
            world.probes_silent = False
            return world
    raise AssertionError(world.phases)


@pytest.mark.parametrize("phase", ["Preflight", "Create", "Stage", "Roll", "Soak", "Disable", "Watch", "Delete"])
def test_a_phase_this_version_does_not_know_is_left_alone_with_the_way_out_said_once(phase: str) -> None:
    world = in_phase(phase)
    known = world.cluster.the_rotations["orders-1"]
    newer = RotationStatus.model_validate({**known.status.model_dump(by_alias=True), "phase": "Escort", "guards": [7]})
    world.cluster.the_rotations["orders-1"] = replace(known, status=newer)
    world.restart_operator()
    writes = len(world.board.writes)
    world.run(30)
    stored = world.cluster.the_rotations["orders-1"].status
    stalled = condition(stored.conditions, "Stalled")
    assert stalled is not None
    assert (stalled.status, stalled.reason) == ("True", "UnknownPhase")
    assert "Run that version, or a newer one, again" in stalled.message
    assert world.board.writes[writes:] == ["save-rotation"]
    assert stored.model_dump(by_alias=True)["guards"] == [7], "what only the newer version knows is kept"
    assert stored.model_copy(update={"conditions": newer.conditions}) == newer, "nothing but the conditions is touched"


@pytest.mark.parametrize("deleting", [False, True])
def test_a_plan_whose_status_cannot_be_read_is_not_even_let_go(*, deleting: bool) -> None:
    world = in_phase("Soak")
    assert world.cluster.the_plan is not None
    plan = world.cluster.the_plan
    broken = Problem(STATUS_UNREADABLE, "A newer Keyturn wrote this plan's status: status.x. Run that version again.")
    when = world.clock.now() if deleting else None
    world.cluster.the_plan = replace(plan, status=PlanStatus(), invalid=broken, deleting=deleting, deleted_at=when)
    escrow, secret = world.cluster.the_escrow, world.cluster.secret_data["url"]
    world.run(30)
    assert world.cluster.the_plan is not None
    assert world.cluster.the_escrow == escrow
    assert world.cluster.secret_data["url"] == secret
    assert any(event.reason == STATUS_UNREADABLE and event.warning for event in world.cluster.said)


def test_a_rotation_that_cannot_be_read_stops_its_plan_which_says_so() -> None:
    world = in_phase("Soak")
    words = "Rotation shop/orders-1 cannot be understood by this version of Keyturn: spec.mode. Run the version that"

    async def unreadable(_key: object) -> None:
        raise Misconfigured("RotationUnreadable", words)

    readable, world.cluster.rotation = world.cluster.rotation, unreadable  # type: ignore[method-assign, assignment]
    writes = len(world.board.writes)
    world.run(30)
    stalled = condition(world.plan_status.conditions, "Stalled")
    assert stalled is not None
    assert (stalled.status, stalled.reason, stalled.message) == ("True", "RotationUnreadable", words)
    assert world.board.writes[writes:] == ["save-plan"]
    world.cluster.rotation = readable  # type: ignore[method-assign]
    world.run(400)
    assert world.phase == "Complete"


def test_a_finished_rotation_that_cannot_be_read_holds_up_nothing_but_the_schedule() -> None:
    world = World()
    world.ask_for_rotation()
    world.run(400)
    assert world.phase == "Complete"
    going_on = world.cluster.rotations

    async def rotations(plan: ObjectKey, *, finished: bool = True) -> object:
        if finished:
            raise Misconfigured("RotationUnreadable", "Rotation shop/orders-1 cannot be understood by this version")
        return await going_on(plan, finished=False)

    world.cluster.rotations = rotations  # type: ignore[method-assign, assignment]
    world.cluster.edit_plan(spec(schedule={"cron": "* * * * *"}))
    world.run(60, until=lambda w: condition(w.plan_status.conditions, "Ready").reason == "RotationUnreadable")  # type: ignore[union-attr]
    assert condition(world.plan_status.conditions, "Ready").reason == "RotationUnreadable"  # type: ignore[union-attr]
    assert list(world.cluster.the_rotations) == ["orders-1"]
    world.ask_for_rotation("orders-2")
    world.run(400, until=lambda w: w.cluster.the_rotations["orders-2"].status.phase == "Complete")
    assert world.cluster.the_rotations["orders-2"].status.phase == "Complete"


def test_a_plan_whose_spec_cannot_be_read_says_so_and_can_still_be_deleted() -> None:
    world = World()
    world.run(3)
    assert world.cluster.the_plan is not None
    broken = Problem("SpecUnreadable", "The plan cannot be understood by this version of Keyturn: spec.x.")
    world.cluster.the_plan = replace(world.cluster.the_plan, invalid=broken)
    world.run(3)
    stalled = condition(world.plan_status.conditions, "Stalled")
    assert stalled is not None
    assert stalled.reason == "SpecUnreadable"
    world.cluster.the_plan = replace(world.cluster.the_plan, deleting=True, deleted_at=world.clock.now())
    world.run(3)
    assert world.cluster.the_plan is None


@pytest.mark.parametrize("model", [PlanStatus, RotationStatus])
def test_fields_of_a_newer_version_survive_a_write_of_this_one(model: type[PlanStatus | RotationStatus]) -> None:
    newer = {"generation": 4, "somethingNew": {"deep": [1]}, "conditions": []}
    changed = model.model_validate(newer).model_copy(update={"generation": 5})
    assert changed.model_dump(mode="json", by_alias=True, exclude_none=True)["somethingNew"] == {"deep": [1]}
