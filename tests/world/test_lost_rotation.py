"""The active Rotation is deleted in the middle, or deleted and applied again: its memory is lost, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keyturn.api.kinds import RotationSpec
from support.faults.people import delete_rotation, replace_rotation
from support.moments import ENOUGH, completes, goes_back, in_phase
from support.world import World

WAITED_IN = ["Stage", "Roll", "Soak", "Disable", "Watch", "Delete"]  # the others are passed in one look
Loss = Callable[[World], None]
LOSSES = pytest.mark.parametrize("lose", [delete_rotation, replace_rotation], ids=["deleted", "replaced"])


def asked(mode: str) -> World:
    world = World()
    spec = RotationSpec.model_validate({"planRef": {"name": "orders"}, "mode": mode})
    world.cluster.add_rotation("shop", "orders-1", spec)
    return world


def activated() -> World:
    world = World()
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda w: w.plan_status.active_rotation != "")
    assert world.phase == ""
    return world


def said(world: World, reason: str) -> list[str]:
    return [news.message for news in world.cluster.said if news.reason == reason]


@pytest.mark.fm(58)
@LOSSES
@pytest.mark.parametrize("phase", WAITED_IN)
def test_a_rotation_lost_in_the_middle_goes_back_and_no_credential_is_forgotten(phase: str, lose: Loss) -> None:
    world = in_phase(phase)
    lose(world)
    goes_back(world)
    assert world.rotation_status.turned_back is not None
    assert world.rotation_status.turned_back.reason == "RotationLost"


@pytest.mark.fm(58)
def test_whoever_deletes_it_again_and_again_only_takes_longer() -> None:
    world = in_phase("Soak")
    for _ in range(5):
        delete_rotation(world)
        world.run(4, until=lambda _world: False)
    goes_back(world)
    assert "abort or pause" in said(world, "RotationLost")[0]


@pytest.mark.fm(58)
@LOSSES
def test_one_lost_once_old_is_retired_comes_to_its_end(lose: Loss) -> None:
    world = in_phase("Delete")
    world.run(20, until=lambda w: w.backend.roles["orders_a"].retired)
    lose(world)
    completes(world)


@pytest.mark.fm(58)
def test_one_deleted_before_anything_was_changed_is_gone_and_the_next_one_runs() -> None:
    world = activated()
    delete_rotation(world)
    world.run(5, until=lambda _world: False)
    assert world.plan_status.active_rotation == ""
    world.ask_for_rotation("orders-2")
    world.run(ENOUGH, until=lambda w: w.cluster.the_rotations["orders-2"].status.phase == "Complete")
    assert world.cluster.the_rotations["orders-2"].status.phase == "Complete"


@pytest.mark.fm(58)
def test_one_applied_again_before_anything_was_changed_runs() -> None:
    world = activated()
    replace_rotation(world)
    completes(world)


@pytest.mark.fm(58)
@LOSSES
@pytest.mark.parametrize("phase", ["Stage", "Roll", "Watch"])
@pytest.mark.parametrize("mode", ["Availability", "Containment"])
def test_one_whose_old_credential_others_may_know_goes_on_and_enables_nothing(
    mode: str, phase: str, lose: Loss
) -> None:
    world = asked(mode)
    world.run(ENOUGH, until=lambda w: w.phase == phase)
    lose(world)
    completes(world)
    assert "enable" not in world.board.writes


@pytest.mark.fm(58)
def test_one_applied_again_in_another_mode_cannot_enable_what_was_cut_off() -> None:
    world = asked("Containment")
    world.run(ENOUGH, until=lambda w: w.phase == "Roll")
    delete_rotation(world)
    graceful = RotationSpec.model_validate({"planRef": {"name": "orders"}})
    world.cluster.add_rotation("shop", "orders-1", graceful)
    completes(world)
    assert "enable" not in world.board.writes


@pytest.mark.fm(58)
def test_a_plan_deleted_with_its_rotation_goes_back_before_it_lets_go() -> None:
    world = in_phase("Roll")
    delete_rotation(world)
    world.cluster.delete_plan(world.clock.now())
    world.run(ENOUGH, until=lambda w: w.cluster.the_plan is None)
    assert world.cluster.the_plan is None
    assert world.backend.roles["orders_a"].enabled
    assert world.backend.roles["orders_b"].retired
    assert world.cluster.secret_data == world.secret_before
