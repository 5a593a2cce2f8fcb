"""Four eyes in the simulated world: OLD is not touched before enough people agreed to exactly what is carried out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keyturn.core.model import Phase
from support.consent import ANN, BOB, CAROL, MARK, AskingWorld
from support.memory_cluster import spec
from support.world import World

ENOUGH = 200


@pytest.fixture
def world() -> AskingWorld:
    """A rotation that Ann asked for, waiting for approval."""
    world = AskingWorld()
    world.ask(ANN)
    world.run(ENOUGH)
    assert world.phase == Phase.APPROVE
    return world


def test_without_approval_nothing_goes_on_and_with_it_the_rotation_completes(world: AskingWorld) -> None:
    assert "kubectl keyturn approve orders-1" in world.blockers()
    assert world.backend.roles["orders_a"].enabled
    world.say_yes(BOB)
    world.run(ENOUGH)
    assert world.phase == Phase.COMPLETE
    done = world.cluster.the_rotations["orders-1"].status.approval
    assert done is not None
    assert done.approvers == [BOB]


def test_people_are_told_at_once_that_they_are_waited_for() -> None:
    world = AskingWorld()
    world.ask(ANN)
    for _ in range(ENOUGH):
        if world.phase == Phase.APPROVE:
            break
        world.run(1)
    world.run(1)
    assert "kubectl keyturn approve orders-1" in world.blockers()


@pytest.mark.fm(59)
@pytest.mark.parametrize(
    ("who", "why"),
    [
        (ANN, "asked for the rotation"),
        (CAROL, "edited the provider"),
        ("system:serviceaccount:ci:deployer", "only people approve"),
    ],
)
def test_who_had_a_hand_in_it_and_who_is_no_person_does_not_count(world: AskingWorld, who: str, why: str) -> None:
    world.say_yes(who)
    world.run(20)
    assert world.phase == Phase.APPROVE
    assert why in world.blockers()


@pytest.mark.fm(59)
def test_an_approval_of_something_else_does_not_count(world: AskingWorld) -> None:
    world.say_yes(BOB, "0" * 64)
    world.run(20)
    assert world.phase == Phase.APPROVE
    assert "has changed since" in world.blockers()


@pytest.mark.fm(39)
def test_an_approval_taken_back_before_use_counts_no_more(world: AskingWorld) -> None:
    """It is withdrawn after Approve was left and before OLD is disabled: the next look asks again."""
    world.say_yes(BOB)
    world.board.after_write = lambda kind, _: world.take_back() if kind == "save-rotation" else None
    world.run(20)
    assert world.phase in (Phase.APPROVE, Phase.DISABLE)
    assert world.backend.roles["orders_a"].enabled


@pytest.mark.fm(39)
def test_an_approval_taken_back_in_watch_stops_the_deletion(world: AskingWorld) -> None:
    world.say_yes(BOB)
    while world.phase != Phase.WATCH:
        world.run(1)
    world.take_back()
    world.run(ENOUGH)
    assert world.phase == Phase.WATCH
    assert not world.backend.roles["orders_a"].retired
    world.say_yes(BOB)
    world.run(ENOUGH)
    assert world.phase == Phase.COMPLETE


@pytest.mark.fm(39)
def test_a_change_of_the_provider_voids_what_was_said(world: AskingWorld) -> None:
    before = world.digest
    world.cluster.provider_allows = {"owners": ["orders"], "slots": ["orders_*", "more_*"]}
    world.say_yes(BOB, before)
    world.run(20)
    assert world.phase == Phase.APPROVE
    assert world.digest != before
    world.say_yes(BOB)
    world.run(ENOUGH)
    assert world.phase == Phase.COMPLETE


def test_an_edit_of_the_plan_in_mid_rotation_bars_its_editor_although_the_run_keeps_its_own_copy(
    world: AskingWorld,
) -> None:
    before = world.digest
    assert world.cluster.the_plan is not None
    marks = {f"{MARK}me": ANN, f"{MARK}bob": BOB}
    world.cluster.the_plan = replace(
        world.cluster.the_plan, spec=spec(retire={"watch": "1s"}), generation=2, annotations=marks
    )
    world.say_yes(BOB)
    world.run(20)
    assert world.digest == before
    assert world.phase == Phase.APPROVE
    assert "edited the plan" in world.blockers()


def test_a_rotation_of_the_schedule_needs_two_people() -> None:
    world = AskingWorld()
    world.ask_for_rotation()
    world.run(ENOUGH)
    world.say_yes(BOB)
    world.run(20)
    assert world.phase == Phase.APPROVE
    assert "1 more person" in world.blockers()
    world.say_yes("dave@example.com")
    world.run(ENOUGH)
    assert world.phase == Phase.COMPLETE


def test_the_providers_minimum_counts_when_the_plan_asks_for_less() -> None:
    world = AskingWorld()
    world.cluster.provider_minimum = 2
    world.ask(ANN)
    world.run(ENOUGH)
    world.say_yes(BOB)
    world.run(20)
    assert world.phase == Phase.APPROVE


@pytest.mark.fm(59)
def test_without_the_policies_no_approval_counts_and_nothing_begins() -> None:
    world = AskingWorld()
    world.cluster.without_policies = "ValidatingAdmissionPolicy keyturn-approvals is not installed"
    world.ask(ANN)
    world.run(20)
    assert world.phase == Phase.PREFLIGHT
    assert "PolicyMissing" in world.blockers()


def test_policies_that_vanish_while_people_are_asked_bar_every_approval(world: AskingWorld) -> None:
    world.cluster.without_policies = "ValidatingAdmissionPolicy keyturn-approvals is not installed"
    world.say_yes(BOB)
    world.run(20)
    assert world.phase == Phase.APPROVE
    assert "PolicyMissing" in world.blockers()


def test_a_plan_that_does_not_say_who_edited_it_is_told_so_before_anything_is_changed() -> None:
    world = AskingWorld()
    assert world.cluster.the_plan is not None
    world.cluster.the_plan = replace(world.cluster.the_plan, annotations={})
    world.ask(ANN)
    world.run(20)
    assert world.phase == Phase.PREFLIGHT
    assert "the plan does not say who edited it" in world.blockers()


def test_after_a_complete_rotation_former_editors_may_approve_again(world: AskingWorld) -> None:
    world.say_yes(BOB)
    world.run(ENOUGH)
    assert world.cluster.the_plan is not None
    assert ANN not in world.cluster.the_plan.annotations.values()
    assert world.cluster.the_plan.annotations  # the record goes on


def test_who_edited_in_mid_rotation_stays_on_record_after_it(world: AskingWorld) -> None:
    assert world.cluster.the_plan is not None
    marks = {f"{MARK}me": ANN, f"{MARK}dave": "dave@example.com"}
    world.cluster.the_plan = replace(world.cluster.the_plan, generation=2, annotations=marks)
    world.say_yes(BOB)
    world.run(ENOUGH)
    assert world.phase == Phase.COMPLETE
    assert world.cluster.the_plan.annotations == marks


def test_where_nobody_is_asked_nothing_of_it_is_read_or_written() -> None:
    world = World()
    world.cluster.without_policies = "would bar everything"
    world.ask_for_rotation()
    world.run(400)
    assert world.phase == Phase.COMPLETE
    assert world.cluster.the_rotations["orders-1"].status.approval is None
