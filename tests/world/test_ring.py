"""Whole rotations of a key that pods judge: acceptors first, then presenters, then OLD leaves; and all the way back."""

from __future__ import annotations

import json

import pytest

from keyturn.core.model import Mode
from support.faults.people import delete_rotation
from support.ring_endings import ENOUGH, points, rests, went_back
from support.ring_world import FIRST, GATE, KEY, VALUE, WEB, RingWorld
from support.switchboard import Strike

NEW = "orders-1"


def ring(world: RingWorld) -> dict[str, str]:
    return json.loads(world.cluster.ring[KEY].reveal_text())


def completed(world: RingWorld) -> None:
    world.run(ENOUGH)
    assert world.phase == "Complete", (world.phase, world.rotation_status.blockers, world.phases)
    assert set(ring(world)) == {NEW}
    assert world.plan_status.current_id == NEW
    assert world.cluster.secret_data["url"].reveal_text() == f"{NEW}.{ring(world)[NEW]}"
    rests(world)


def test_a_rotation_completes_and_every_token_was_accepted_all_the_way() -> None:
    world = RingWorld()
    world.ask_for_rotation()
    completed(world)
    order = [kind for kind in world.board.writes if kind in ("write-ring", "write-secret", "restart-acceptor")]
    assert order.index("write-ring") < order.index("restart-acceptor") < order.index("write-secret")


@pytest.mark.parametrize("phase", ["Create", "Stage", "Roll", "Soak", "Disable", "Watch"])
def test_one_that_is_aborted_leaves_ring_and_secret_byte_for_byte_as_they_were(phase: str) -> None:
    world = RingWorld()
    world.ask_for_rotation()
    world.abort_in = phase
    went_back(world)


def test_an_acceptor_that_does_not_come_up_with_the_new_ring_sends_the_rotation_back() -> None:
    world = RingWorld()
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda w: w.phase == "Create")
    world.cluster.fleet.broken = "gate"
    world.run(25, until=lambda _world: False)
    told = world.rotation_status.blockers[0]
    assert told.reason == "AcceptorsBehind"
    assert "gate" in told.message
    went_back(world)
    assert "write-secret" in world.board.writes, "the presenters' Secret is tagged on the way back, and no more"
    assert world.rotation_status.turned_back is not None
    assert world.rotation_status.turned_back.reason == "NewCredentialRefused"


@pytest.mark.fm(58)
@pytest.mark.parametrize("phase", ["Roll", "Soak", "Disable", "Watch"])
def test_a_rotation_that_is_lost_in_the_middle_goes_back_and_outlives_its_tokens(phase: str) -> None:
    world = RingWorld()
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda w: w.phase == phase)
    delete_rotation(world)
    went_back(world)


def test_nobody_presents_a_key_while_one_acceptor_is_silent() -> None:
    world = RingWorld()
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda w: w.phase == "Create")
    world.silent_pods.add("web")
    world.run(15, until=lambda _world: False)
    assert world.phase == "Create"
    assert "write-secret" not in world.board.writes
    told = world.rotation_status.blockers[0].message
    assert "Deployment/web" in told
    world.silent_pods.clear()
    completed(world)


def test_a_silent_acceptor_is_named_before_anything_is_changed() -> None:
    world = RingWorld()
    world.run(30, until=lambda w: bool(w.plan_status.adopted_at))
    world.silent_pods.add("web")
    world.ask_for_rotation()
    world.run(15, until=lambda _world: False)
    assert world.phase == "Preflight"
    assert world.rotation_status.blocked_by == "AcceptorsBehind"
    assert "Deployment/web" in world.rotation_status.blockers[0].message
    assert "write-ring" not in world.board.writes
    world.silent_pods.clear()
    completed(world)


def test_a_soak_shorter_than_a_tokens_life_is_not_begun() -> None:
    world = RingWorld(spec_changes={"verify": {"require": ["Process"], "soak": "10s", "acceptBlindSoak": True}})
    world.ask_for_rotation()
    world.run(30, until=lambda _world: False)
    assert "SoakTooShort" in {one.reason for one in world.plan_status.conditions}
    assert not world.board.writes or "write-ring" not in world.board.writes


def test_a_plan_that_does_not_accept_that_nobody_sees_the_use_is_not_begun() -> None:
    world = RingWorld(spec_changes={"verify": {"require": ["Process"], "soak": "20s"}})
    world.ask_for_rotation()
    world.run(30, until=lambda _world: False)
    assert "BlindSoak" in {one.reason for one in world.plan_status.conditions}


def test_contained_the_old_key_leaves_at_once_and_everybody_follows() -> None:
    world = RingWorld(request={"planRef": {"name": "orders"}, "mode": Mode.CONTAINMENT})
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda w: "write-ring" in w.board.writes)
    assert set(ring(world)) == {NEW}
    completed(world)


def test_an_available_rotation_of_a_compromised_key_keeps_the_order() -> None:
    world = RingWorld(request={"planRef": {"name": "orders"}, "mode": Mode.AVAILABILITY})
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda w: w.phase == "Stage")
    assert set(ring(world)) == {NEW, FIRST}
    assert all(set(json.loads(world.cluster.fleet.rings[p.name].reveal_text())) == {NEW, FIRST}
               for p in world.cluster.fleet.pods() if p.consumer in (GATE, WEB))  # fmt: skip


@pytest.mark.parametrize("strike", list(Strike))
def test_the_operator_may_die_at_every_write_of_the_ring(strike: Strike) -> None:
    found = points(RingWorld(), "write-ring", "restart-acceptor")
    assert len(found) >= 6
    for point in found:
        world = RingWorld()
        world.board.strikes[point] = strike
        world.ask_for_rotation()
        completed(world)
        assert world.board.struck


def test_a_pause_in_watch_gives_the_old_key_back_to_every_acceptor() -> None:
    """Given two workloads that are restarted one after the other, when both keys shall be valid, then to both."""
    world = RingWorld()
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda w: w.phase == "Watch")
    world.cluster.edit_rotation("orders-1", pause=True)
    world.run(60, until=lambda _world: False)
    assert world.rotation_status.paused is not None
    accepting = {p.consumer: set(json.loads(world.cluster.fleet.rings[p.name].reveal_text()))
                 for p in world.cluster.fleet.pods() if p.consumer in (GATE, WEB)}  # fmt: skip
    assert accepting == {GATE: {FIRST, NEW}, WEB: {FIRST, NEW}}


def test_a_second_rotation_makes_a_key_of_another_name() -> None:
    world = RingWorld()
    world.ask_for_rotation()
    completed(world)
    world.ask_for_rotation("orders-2")
    world.run(ENOUGH)
    assert set(ring(world)) == {"orders-2"}
    assert VALUE not in ring(world).values()
