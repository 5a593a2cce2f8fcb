"""Whole rotations of a key whose acceptors count: OLD is seen to be idle, or in use, and never guessed to be either."""

from __future__ import annotations

from datetime import timedelta

import pytest

from support.counting_world import SEEN, CountingWorld
from support.ring_world import FIRST

ENOUGH = 900
SOAK = timedelta(seconds=20)


def under_way(phase: str, **more: object) -> CountingWorld:
    """Given a rotation that has come so far."""
    world = CountingWorld(**more)  # type: ignore[arg-type]
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda w: w.phase == phase)
    assert world.phase == phase, (world.phase, world.plan_status.conditions)
    return world


def goes_on_for(world: CountingWorld, time: timedelta) -> None:
    until = world.clock.now() + time
    world.run(ENOUGH, until=lambda w: w.clock.now() >= until)


def completes(world: CountingWorld) -> None:
    world.run(ENOUGH)
    assert world.phase == "Complete", (world.phase, world.rotation_status.blockers, world.phases)
    assert world.plan_status.current_id == "orders-1"


def test_what_acceptors_count_is_seen_so_no_blind_soak_need_be_accepted() -> None:
    world = under_way("Watch")
    assert world.idle == ("True", "AsExpected")
    completes(world)


@pytest.mark.fm(31)
def test_a_use_that_goes_on_keeps_the_soak_and_is_named() -> None:
    world = under_way("Soak")
    world.straggler = True
    goes_on_for(world, 10 * SOAK)
    assert world.phase == "Soak"
    assert world.idle == ("False", "OldCredentialInUse")
    assert f"{FIRST} was accepted of late by pod gate" in world.rotation_status.blockers[0].message
    world.straggler = False
    over = world.clock.now()
    world.run(ENOUGH, until=lambda w: w.phase != "Soak")
    assert world.clock.now() - over >= SOAK
    completes(world)


@pytest.mark.fm(31)
def test_a_use_right_at_the_change_of_leaders_starts_the_soak_again() -> None:
    """Given half a soak is over, when OLD is used and the next process has seen nothing, then it begins anew."""
    world = under_way("Soak")
    world.run(ENOUGH, until=lambda w: w.rotation_status.clock.observed >= 0.4 * SOAK)
    world.meters.present(FIRST)
    world.restart_operator()
    used = world.clock.now()
    world.run(ENOUGH, until=lambda w: w.phase != "Soak")
    assert world.clock.now() - used >= SOAK
    completes(world)


@pytest.mark.fm(32)
def test_an_acceptor_whose_page_is_silent_is_waited_for_by_name() -> None:
    world = under_way("Soak")
    world.meters.silent.add("gate")
    goes_on_for(world, 10 * SOAK)
    assert world.phase == "Soak"
    assert world.idle == ("False", "UsageUnknown")
    assert "of Deployment/gate: its page does not answer" in world.rotation_status.blockers[0].message
    world.meters.silent.clear()
    completes(world)


@pytest.mark.fm(34)
def test_a_use_in_watch_goes_back_once_and_the_next_time_a_person_must_look() -> None:
    """Given an acceptor that goes on accepting OLD by a copy of its own, when somebody shows it OLD in Watch."""
    world = under_way("Watch", stubborn="gate")
    world.straggler = True
    world.run(ENOUGH, until=lambda w: w.phase == "Verify")
    assert world.phase == "Verify"
    world.straggler = False
    world.run(ENOUGH, until=lambda w: w.phase == "Watch")
    world.straggler = True
    world.run(60, until=lambda w: bool(w.rotation_status.paused))
    assert world.rotation_status.paused is not None
    assert world.rotation_status.paused.reason == "OldCredentialMissed"
    assert "was let in by pod gate" in world.rotation_status.paused.message
    goes_on_for(world, 5 * SOAK)
    assert FIRST in world.cluster.ring["keys"].reveal_text(), "both stay valid"


def test_a_use_in_watch_that_was_the_only_one_completes_in_the_end() -> None:
    world = under_way("Watch", stubborn="gate")
    world.straggler = True
    world.run(ENOUGH, until=lambda w: w.phase == "Verify")
    world.straggler = False
    completes(world)
    assert world.phases.count("Watch") == 2


@pytest.mark.parametrize("phase", ["Soak", "Disable", "Watch"])
def test_an_abort_goes_all_the_way_back(phase: str) -> None:
    world = CountingWorld()
    world.ask_for_rotation()
    world.abort_in = phase
    world.run(ENOUGH)
    assert world.phase == "RolledBack", (world.phase, world.rotation_status.blockers, world.phases)
    assert (world.cluster.ring, world.cluster.secret_data) == (world.ring_before, world.secret_before)


def test_acceptors_that_do_not_count_are_told_before_anything_is_changed() -> None:
    counters = {"port": 9090, "metric": "tokens_total"}
    keyring = {**SEEN["keyring"], "counters": counters}  # type: ignore[dict-item]
    world = CountingWorld(spec_changes={**SEEN, "keyring": keyring})
    world.ask_for_rotation()
    world.run(30, until=lambda _world: False)
    assert "AcceptorsDoNotCount" in {one.reason for one in world.plan_status.conditions}
    assert not world.board.writes or "write-ring" not in world.board.writes
