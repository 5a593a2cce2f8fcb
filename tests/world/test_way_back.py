"""The way back, and the rotation after it: order, what is kept on the way, and what must be exactly as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keyturn.core.sealed import Sealed
from keyturn.ports import PlanRecord, ProviderRecord
from keyturn.providers.postgres.kinds import PostgresServer
from support.moments import ENOUGH, completes, goes_back, in_phase, stays, url
from support.world import API, OLD_URL, World


def going_back(phase: str) -> World:
    """Aborted when some pods hold the new value, and just come to this phase."""
    world = in_phase("Soak")
    world.abort()
    world.run(ENOUGH, until=lambda w: w.phase == phase)
    assert world.phase == phase, world.phases
    return world


@pytest.mark.fm(41)
def test_the_secret_is_restored_byte_for_byte_although_the_provider_was_renamed_meanwhile() -> None:
    world = in_phase("Create")
    world.run(1, until=lambda _world: False)  # what the Secret held is kept now
    provider = world.cluster.provider

    async def renamed(plan: PlanRecord) -> ProviderRecord:
        record = await provider(plan)
        assert isinstance(record.spec.backend, PostgresServer)
        endpoint = record.spec.backend.endpoints[0].model_copy(update={"host": "db-new.shop.svc"})
        backend = record.spec.backend.model_copy(update={"endpoints": [endpoint]})
        return replace(record, spec=record.spec.model_copy(update={"postgres": backend}))

    world.cluster.provider = renamed  # type: ignore[method-assign]
    world.run(ENOUGH, until=lambda w: w.phase == "Soak")
    assert b"db-new" in world.cluster.secret_data["url"].reveal()
    world.abort()
    goes_back(world)
    assert world.cluster.secret_data["url"] == OLD_URL


@pytest.mark.fm(43)
@pytest.mark.parametrize("phase", ["Restore", "Unroll", "Confirm"])
def test_an_old_credential_closed_on_the_way_back_is_opened_again(phase: str) -> None:
    world = going_back("Unroll" if phase == "Confirm" else phase)
    world.promises.suspended = True  # somebody else locks the pods out for a moment
    world.backend.switch("orders_a", enabled=False, who="somebody")
    world.run(3, until=lambda w: w.backend.roles["orders_a"].enabled)
    assert world.backend.roles["orders_a"].enabled
    goes_back(world)


@pytest.mark.fm(13)
def test_a_new_value_put_back_on_the_way_back_is_repaired() -> None:
    world = going_back("Unroll")
    world.cluster.edit_secret({"url": url(world, "orders_b")}, "argocd")
    goes_back(world)


@pytest.mark.fm(24)
def test_the_new_credential_is_kept_until_every_pod_has_proved_the_old_one() -> None:
    world = going_back("Restore")
    world.cluster.add_bystander(url(world, "orders_b"))
    stays(world, "Restore", "Unroll", "Confirm", looks=60)
    assert world.backend.roles["orders_b"].enabled
    world.cluster.bystanders.clear()
    goes_back(world)


@pytest.mark.fm(42)
def test_pods_restart_on_the_way_back_only_when_their_secret_is_back() -> None:
    world = in_phase("Soak")
    world.abort()
    first = len(world.board.writes)
    goes_back(world)
    back = [w for w in world.board.writes[first:] if w in ("enable", "write-secret", "restart", "disable", "delete")]
    assert back == ["enable", "write-secret", "restart", "disable", "delete"]


@pytest.mark.fm(20, 41)
def test_a_second_rotation_goes_back_under_a_mark_of_its_own() -> None:
    world = in_phase("Soak")
    completes(world)
    served = world.cluster.secret_data["url"]
    former = world.cluster.workloads[API].template.mark
    world.ask_for_rotation("orders-2")
    world.run(ENOUGH, until=lambda w: w.cluster.the_rotations["orders-2"].status.phase == "Soak")
    world.abort("orders-2")
    world.run(ENOUGH, until=lambda w: w.cluster.the_rotations["orders-2"].status.phase == "RolledBack")
    assert world.cluster.the_rotations["orders-2"].status.phase == "RolledBack"
    assert world.cluster.secret_data["url"] == served
    assert world.cluster.workloads[API].template.mark not in (None, former)
    assert all(p.held is not None and p.held.value == served for p in world.cluster.workloads[API].pods)


@pytest.mark.fm(21)
def test_the_rotation_after_a_rollback_restarts_its_consumers_under_a_fresh_mark() -> None:
    world = going_back("Enable")
    goes_back(world)
    world.ask_for_rotation("orders-2")
    world.run(ENOUGH, until=lambda w: w.cluster.the_rotations["orders-2"].status.phase in ("Complete", "RolledBack"))
    assert world.cluster.the_rotations["orders-2"].status.phase == "Complete"


def test_a_plan_that_nobody_asked_to_rotate_never_does() -> None:
    world = World()
    world.run(60, until=lambda _world: False)
    assert world.cluster.the_rotations == {}
    assert world.plan_status.current_id == "orders_a"
    assert isinstance(world.cluster.secret_data["url"], Sealed)
