"""Whole rotations of certificates that cert-manager signs: late, refused, the operator dying at every write."""

from __future__ import annotations

import pytest

from keyturn.core.model import Mode
from keyturn.core.sealed import Sealed
from keyturn.providers.tls import making, material
from support.cert_manager import CertManager
from support.ring_endings import ENOUGH, points
from support.ring_world import KEY
from support.switchboard import Strike
from support.tls_rig import FIRST, root_of, wish
from support.tls_world import TlsWorld, ids_in
from support.world import START

NEW = "orders-1"


def world_of(**manager: object) -> tuple[TlsWorld, CertManager]:
    signer = making.own_authority("shop-ca", wish(validity="300d"), START)
    made = CertManager(signer, lambda: START, **manager)  # type: ignore[arg-type]  # fields by name
    return TlsWorld(manager=made), made


def completed(world: TlsWorld, manager: CertManager) -> None:
    world.run(ENOUGH)
    assert world.phase == "Complete", (world.phase, world.rotation_status.blockers, world.phases)
    assert world.plan_status.current_id == NEW
    value = world.cluster.secret_data["url"]
    chain = material.chain_of(value)
    assert chain is not None
    assert chain.root == manager.signer.root
    assert world.cluster.ring[KEY] == Sealed(root_of(value))
    assert manager.requests == {}


@pytest.mark.parametrize("looks", [0, 1, 20])
def test_one_that_is_signed_sooner_or_later_completes(looks: int) -> None:
    world, manager = world_of(looks=looks)
    world.ask_for_rotation()
    completed(world, manager)
    assert len(manager.made) == 1


def test_while_it_is_not_signed_people_are_told_who_is_waited_for() -> None:
    world, _ = world_of(looks=10**6)
    world.ask_for_rotation()
    world.run(20, until=lambda _world: False)
    assert world.phase == "Create"
    told = world.rotation_status.blockers[0]
    assert told.reason == "SignatureAwaited"
    assert "ClusterIssuer shop-ca has not signed yet" in told.message
    assert world.cluster.ring == world.ring_before


@pytest.mark.parametrize("how", [{"refuses": "Denied"}, {"refuses": "Failed"}, {"looks": 10**6}, {"tells_root": False}])
def test_one_that_is_never_signed_goes_back_and_leaves_nothing(how: dict[str, object]) -> None:
    world, manager = world_of(**how)
    world.ask_for_rotation()
    world.run(ENOUGH)
    assert world.phase == "RolledBack", (world.phase, world.rotation_status.blockers)
    assert world.cluster.ring == world.ring_before
    assert world.cluster.secret_data == world.secret_before
    assert manager.requests == {}


@pytest.mark.parametrize("phase", ["Create", "Stage", "Soak", "Watch"])
def test_one_that_is_aborted_leaves_bundle_and_secret_byte_for_byte_as_they_were(phase: str) -> None:
    world, manager = world_of(looks=2)
    world.ask_for_rotation()
    world.abort_in = phase
    world.run(ENOUGH)
    assert world.phase == "RolledBack", (world.phase, world.rotation_status.blockers)
    assert world.cluster.ring == world.ring_before
    assert world.cluster.secret_data == world.secret_before
    assert manager.requests == {}


def test_contained_the_old_authority_leaves_as_soon_as_there_is_something_else() -> None:
    world, manager = world_of()
    world.request = {"planRef": {"name": "orders"}, "mode": Mode.CONTAINMENT}
    world.ask_for_rotation()
    world.run(ENOUGH, until=lambda w: "write-ring" in w.board.writes)
    assert FIRST not in ids_in(world)
    completed(world, manager)


@pytest.mark.parametrize("strike", list(Strike))
def test_the_operator_may_die_whenever_it_asks_or_keeps_what_was_signed(strike: Strike) -> None:
    found = points(world_of(looks=2)[0], "ask-to-sign", "save-escrow")
    assert len(found) >= 4
    for point in found:
        world, manager = world_of(looks=2)
        world.board.strikes[point] = strike
        world.ask_for_rotation()
        completed(world, manager)
        assert world.board.struck
