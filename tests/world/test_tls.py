"""Whole rotations of certificates: trusted first, then presented, proved by handshakes; OLD's authority goes last."""

from __future__ import annotations

from datetime import timedelta

import pytest

from keyturn.core.model import Mode
from keyturn.core.sealed import Sealed
from keyturn.providers.ring import certificates
from keyturn.providers.tls import making, material
from support.faults.people import delete_rotation
from support.ring_endings import ENOUGH, points, rests, went_back
from support.ring_world import KEY
from support.switchboard import Strike
from support.tls_rig import FIRST, root_of, wish
from support.tls_world import TLS_SPEC, TlsWorld, ids_in
from support.world import START

NEW = "orders-1"
AGE = timedelta(days=20)


def bundle(world: TlsWorld) -> tuple[str, ...]:
    return certificates.blocks(world.cluster.ring[KEY].reveal_text()) or ()


def completed(world: TlsWorld) -> None:
    world.run(ENOUGH)
    assert world.phase == "Complete", (world.phase, world.rotation_status.blockers, world.phases)
    assert world.plan_status.current_id == NEW
    value = world.cluster.secret_data["url"]
    assert material.chain_of(value) is not None
    assert [block.strip() for block in bundle(world)] == [root_of(value).strip()]
    assert world.cluster.secret_data["id"].reveal_text() == NEW
    rests(world)


def told(world: TlsWorld) -> str:
    return " ".join(f"{one.reason}: {one.message}" for one in world.rotation_status.blockers)


def test_a_rotation_completes_and_everybody_could_connect_all_the_way() -> None:
    world = TlsWorld()
    world.ask_for_rotation()
    completed(world)
    order = [kind for kind in world.board.writes if kind in ("write-ring", "write-secret", "restart-acceptor")]
    assert order.index("write-ring") < order.index("restart-acceptor") < order.index("write-secret")
    assert root_of(world.first_value) not in world.cluster.ring[KEY].reveal_text()


@pytest.mark.parametrize("phase", ["Create", "Stage", "Roll", "Soak", "Disable", "Watch"])
def test_one_that_is_aborted_leaves_bundle_and_secret_byte_for_byte_as_they_were(phase: str) -> None:
    world = TlsWorld()
    world.ask_for_rotation()
    world.abort_in = phase
    went_back(world)


@pytest.mark.fm(58)
@pytest.mark.parametrize("phase", ["Roll", "Soak", "Disable", "Watch"])
def test_a_rotation_that_is_lost_in_the_middle_goes_back(phase: str) -> None:
    world = TlsWorld()
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda w: w.phase == phase)
    delete_rotation(world)
    went_back(world)


def test_a_pod_that_goes_on_presenting_the_old_certificate_is_named_and_holds_up_the_old_authoritys_end() -> None:
    """Its process has read the new file, and serves what it read first: only a handshake shows that."""
    world = TlsWorld()
    world.presents_first()
    world.hung.add("signer")
    world.ask_for_rotation()
    world.run(60, until=lambda w: w.phase == "Disable")
    assert world.phase == "Soak"
    assert ids_in(world) == {FIRST, NEW}
    assert "OldCredentialInUse" in told(world)
    assert "Deployment/signer presents 2026-01 on port 8443" in told(world)
    world.hung.clear()
    completed(world)


def test_a_server_that_nobody_can_shake_hands_with_is_named_and_never_taken_for_a_new_one() -> None:
    world = TlsWorld()
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda w: w.phase == "Stage")
    world.unheard.add("web")
    world.run(60, until=lambda w: w.phase == "Disable")
    assert world.phase == "Soak"
    assert "UsageUnknown" in told(world)
    assert "Deployment/web, port 8443: nothing listens there" in told(world)
    world.unheard.clear()
    completed(world)


def test_one_that_presents_the_old_certificate_again_in_watch_opens_the_old_authority_again() -> None:
    world = TlsWorld()
    world.presents_first()
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda w: w.phase == "Watch")
    world.hung.add("signer")
    world.broken_on_purpose = True
    world.run(40, until=lambda w: FIRST in ids_in(w))
    assert ids_in(world) == {FIRST, NEW}
    assert world.rotation_status.reopened


def test_nobody_presents_the_new_certificate_while_one_verifier_is_silent() -> None:
    world = TlsWorld()
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda w: w.phase == "Create")
    world.silent_pods.add("web")
    world.run(15, until=lambda _world: False)
    assert world.phase == "Create"
    assert "write-secret" not in world.board.writes
    assert "Deployment/web" in told(world)
    world.silent_pods.clear()
    completed(world)


def test_clients_are_proved_by_their_processes_only_where_the_plan_accepts_that() -> None:
    half = TLS_SPEC["tls"] | {"clients": ["signer"], "usages": ["ClientAuth", "ServerAuth"]}  # type: ignore[operator]
    world = TlsWorld(spec_changes={"tls": half})
    world.ask_for_rotation()
    world.run(30, until=lambda _world: False)
    assert "BlindSoak" in {one.reason for one in world.plan_status.conditions}
    verify = {"require": ["Process"], "soak": "20s", "proofDeadline": "1m", "acceptBlindSoak": True}
    world = TlsWorld(spec_changes={"tls": half, "verify": verify}, unheard={"signer"})
    world.ask_for_rotation()
    completed(world)


def test_a_servers_handshake_counts_where_clients_are_not_seen() -> None:
    half = TLS_SPEC["tls"] | {"clients": ["signer"], "usages": ["ClientAuth", "ServerAuth"]}  # type: ignore[operator]
    verify = {"require": ["Process"], "soak": "20s", "proofDeadline": "1m", "acceptBlindSoak": True}
    world = TlsWorld(spec_changes={"tls": half, "verify": verify}, unheard={"signer"})
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda w: w.phase == "Stage")
    world.unheard.add("web")
    world.run(60, until=lambda w: w.phase == "Disable")
    assert world.phase == "Soak"
    assert "OldCredentialInUse" in told(world)


def test_contained_the_old_authority_leaves_at_once_and_everybody_follows() -> None:
    world = TlsWorld(request={"planRef": {"name": "orders"}, "mode": Mode.CONTAINMENT})
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda w: "write-ring" in w.board.writes)
    assert ids_in(world) == {NEW}
    completed(world)


def test_one_that_has_ended_is_replaced_by_a_rotation_that_does_not_mean_to_go_back() -> None:
    world = TlsWorld(age=timedelta(days=29))
    world.run(4, until=lambda w: bool(w.plan_status.current_id))
    world.clock.true, world.broken_on_purpose = START + timedelta(days=2), True
    world.ask_for_rotation()
    world.run(30, until=lambda _world: False)
    assert world.phase == "Preflight"
    assert "2026-01 ended at 2026-03-22" in told(world)
    assert "mode: Availability" in told(world)
    world.abort()
    world.run(10)
    world.request = {"planRef": {"name": "orders"}, "mode": Mode.AVAILABILITY}
    world.ask_for_rotation("orders-2")
    world.run(ENOUGH, until=lambda w: w.plan_status.current_id == NEW)
    assert world.phase == "Complete", world.rotation_status.blockers
    assert len(bundle(world)) == 1


def test_of_an_authority_that_stays_the_old_certificate_is_waited_for_to_its_end() -> None:
    """Nothing refuses it before: that is said, and time is what closes it."""
    world = TlsWorld(signer=making.own_authority("shop-ca", wish(validity="300d"), START - AGE), age=AGE)
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda w: w.phase == "Disable")
    world.run(12, until=lambda w: "Awaited" in w.blocked_by)
    assert world.phase == "Disable"
    assert "trusted still, so nothing refuses it before it ends at 2026-03-31" in world.blocked_by
    assert world.cluster.ring == world.ring_before
    assert world.board.writes.count("restart-acceptor") == 0, "the bundle stayed as it is: nobody needs a restart"
    world.clock.true = START + timedelta(days=11)
    completed(world)


def test_an_authority_that_was_exchanged_turns_like_one_of_our_own() -> None:
    world = TlsWorld(signer=making.own_authority("shop-ca", wish(validity="300d"), START))
    world.run(4, until=lambda w: bool(w.plan_status.current_id))
    world.signer = making.own_authority("shop-ca", wish(validity="300d"), START)
    world.ask_for_rotation()
    completed(world)
    assert world.board.writes.count("restart-acceptor") >= 2


def test_of_an_authority_that_stays_one_goes_back_too() -> None:
    world = TlsWorld(signer=making.own_authority("shop-ca", wish(validity="300d"), START))
    world.ask_for_rotation()
    world.abort_in = "Disable"
    went_back(world)


def test_containment_of_an_authority_that_stays_changes_nothing_and_says_what_to_do() -> None:
    world = TlsWorld(
        request={"planRef": {"name": "orders"}, "mode": Mode.CONTAINMENT},
        signer=making.own_authority("shop-ca", wish(validity="300d"), START),
    )
    world.ask_for_rotation()
    world.run(30, until=lambda _world: False)
    assert world.cluster.ring == world.ring_before
    assert world.cluster.secret_data == world.secret_before


@pytest.mark.parametrize("strike", list(Strike))
def test_the_operator_may_die_at_every_write_of_the_bundle(strike: Strike) -> None:
    found = points(TlsWorld(), "write-ring", "restart-acceptor")
    assert len(found) >= 6
    for point in found:
        world = TlsWorld()
        world.board.strikes[point] = strike
        world.ask_for_rotation()
        completed(world)
        assert world.board.struck


def test_a_second_rotation_makes_a_certificate_of_another_authority() -> None:
    world = TlsWorld()
    world.ask_for_rotation()
    completed(world)
    first = world.cluster.ring[KEY]
    world.ask_for_rotation("orders-2")
    world.run(ENOUGH)
    assert world.cluster.ring[KEY] != first
    assert len(bundle(world)) == 1
    assert world.plan_status.current_id == "orders-2"
    assert Sealed(bundle(world)[0]) != Sealed(certificates.entry_text(world.first_value))
