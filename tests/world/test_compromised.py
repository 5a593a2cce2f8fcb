"""Rotations of a credential that somebody else may know, in the simulated world."""

from __future__ import annotations

import pytest

from keyturn.api.kinds import RotationSpec
from keyturn.core.compromised import AVAILABILITY, CONTAINMENT
from keyturn.core.model import ConsumerRef
from keyturn.core.sealed import Sealed
from support.world import World
from world.test_people import wish
from world.test_rotation_world import ENOUGH, quiet, rotated

API = ConsumerRef("Deployment", "shop", "api")
INTRUDER = "10.9.9.9"


def asked(world: World, mode: str) -> World:
    world.cluster.add_rotation(
        "shop", "orders-1", RotationSpec.model_validate({"planRef": {"name": "orders"}, "mode": mode})
    )
    return world


def entered(world: World) -> list[str]:
    return [entry.phase for entry in world.cluster.the_rotations["orders-1"].status.history]


def test_availability_keeps_the_order_and_nobody_is_locked_out() -> None:
    world = asked(World(), "Availability")
    world.run(ENOUGH)
    rotated(world)
    assert entered(world) == [str(step.phase) for step in AVAILABILITY] + ["Complete"]
    quiet(world)


def test_containment_refuses_old_before_anything_else_and_ends_with_new() -> None:
    world = asked(World(), "Containment")
    world.run(ENOUGH)
    rotated(world)
    assert entered(world) == [str(step.phase) for step in CONTAINMENT] + ["Complete"]
    writes = world.board.writes
    assert writes.index("contain") < writes.index("write-secret") < writes.index("restart")
    assert "enable" not in writes
    quiet(world)


@pytest.mark.parametrize("mode", ["Availability", "Containment"])
def test_an_intruder_with_an_open_session_neither_blocks_it_nor_keeps_it(mode: str) -> None:
    world = asked(World(), mode)
    world.backend.login("orders_a", Sealed("the-old-value-of-orders"), INTRUDER)
    world.run(ENOUGH)
    rotated(world)
    assert not any(session.client_address == INTRUDER for session in world.backend.sessions.values())


def test_an_intruder_who_changed_the_password_cannot_keep_it_from_being_cut_off() -> None:
    world = World()
    world.ask_for_rotation("orders-0")
    world.run(2)  # adopted: the escrow holds what the Secret holds
    world.abort("orders-0")
    world.run(ENOUGH)
    world.backend.roles["orders_a"].value = Sealed("what-the-intruder-has-chosen")
    asked(world, "Containment")
    world.run(ENOUGH)
    rotated(world)


@pytest.mark.fm(15)
def test_a_secret_that_is_gone_does_not_keep_the_old_credential_from_being_cut_off() -> None:
    world = asked(World(), "Containment")
    world.run(ENOUGH, until=lambda w: w.phase == "Create")
    world.cluster.delete_secret()
    world.run(ENOUGH, until=lambda w: w.phase == "Stage")
    assert not world.backend.roles["orders_a"].enabled
    assert set(world.cluster.the_escrow.values if world.cluster.the_escrow else ()) == {"orders_a", "orders_b"}


def test_new_pods_that_crash_stop_it_with_old_still_refused_and_a_retry_completes_it() -> None:
    world = asked(World(), "Containment")
    world.cluster.workloads[API].crash_with = "orders_b"
    world.run(ENOUGH)
    record = world.cluster.the_rotations["orders-1"]
    assert record.status.paused is not None
    assert not world.backend.roles["orders_a"].enabled
    world.cluster.workloads[API].crash_with = ""
    for pod in world.cluster.workloads[API].pods:
        pod.crashed = 0
    wish(world, retry=1)
    world.run(ENOUGH)
    rotated(world)


@pytest.mark.parametrize("mode", ["Availability", "Containment"])
@pytest.mark.parametrize("at", range(0, 36, 2))
def test_a_restart_of_the_operator_at_any_moment_changes_nothing(mode: str, at: int) -> None:
    world = asked(World(), mode)
    world.run(at)
    world.restart_operator()
    world.run(ENOUGH)
    rotated(world)
    assert "enable" not in world.board.writes


@pytest.mark.fm(37)
@pytest.mark.parametrize("mode", ["Availability", "Containment"])
@pytest.mark.parametrize("phase", ["Roll", "Watch"])
def test_a_new_credential_that_a_restored_backend_has_forgotten_is_made_again(mode: str, phase: str) -> None:
    """Nothing goes back here, so nobody but this rotation could make it again; its value is in escrow."""
    world = asked(World(), mode)
    world.run(ENOUGH, until=lambda w: w.phase == phase)
    del world.backend.roles["orders_b"]
    world.run(ENOUGH)
    rotated(world)
