"""The escrow at a real API server: what is in it comes back byte for byte, nothing unseen is overwritten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.kube.cluster import KubeCluster
from keyturn.kube.plans import plan_of
from keyturn.ports import Conflict, Denied, Escrow, Misconfigured
from support.kubectl import Kubectl

pytestmark = pytest.mark.integration

PLAN = replace(plan_of({}), key=ObjectKey("shop", "orders-db"), uid="0f3c1d1e-1111-2222-3333-444455556666")
VALUES = {"orders_a": Sealed("old-value-0123456789"), "an odd/role name \u00e4": Sealed(bytes(range(256)))}
BEFORE = {"DATABASE_URL": Sealed("postgresql://orders_a:old-value-0123456789@db/shop")}


async def saved(world: KubeCluster) -> Escrow:
    await world.save_escrow(PLAN, Escrow(VALUES, BEFORE))
    found = await world.escrow(PLAN.uid)
    assert found is not None
    return found


async def test_a_plan_without_escrow_has_none(world: KubeCluster):
    assert await world.escrow(PLAN.uid) is None


async def test_values_come_back_byte_for_byte_under_their_ids(world: KubeCluster):
    found = await saved(world)

    assert found.values == VALUES
    assert found.secret_before == BEFORE


async def test_the_escrow_lives_in_the_operators_namespace_and_belongs_to_no_other_object(
    world: KubeCluster, kubectl: Kubectl
):
    await saved(world)

    stored = kubectl.get("secret", f"keyturn-escrow-{PLAN.uid}")["metadata"]
    assert "ownerReferences" not in stored
    assert "labels" not in stored
    assert stored["annotations"] == {"keyturn.dev/plan": "shop/orders-db"}


@pytest.mark.fm(6)
async def test_making_it_a_second_time_is_refused(world: KubeCluster):
    await saved(world)

    with pytest.raises(Conflict):
        await world.save_escrow(PLAN, Escrow({"orders_b": Sealed("other-value-0123456789")}, {}))

    found = await world.escrow(PLAN.uid)
    assert found is not None
    assert found.values == VALUES


@pytest.mark.fm(44)
async def test_it_is_changed_by_whoever_has_seen_its_latest_version_only(world: KubeCluster):
    first = await saved(world)
    more = {**first.values, "orders_b": Sealed("new-value-0123456789")}
    await world.save_escrow(PLAN, replace(first, values=more))

    with pytest.raises(Conflict):
        await world.save_escrow(PLAN, replace(first, values={"orders_c": Sealed("lost-value-0123456789")}))

    found = await world.escrow(PLAN.uid)
    assert found is not None
    assert found.values == more


async def test_an_escrow_deleted_in_between_is_not_silently_made_anew(world: KubeCluster):
    first = await saved(world)
    await world.drop_escrow(PLAN.uid)

    with pytest.raises(Conflict):
        await world.save_escrow(PLAN, first)


async def test_dropping_it_twice_is_fine(world: KubeCluster):
    await saved(world)
    await world.drop_escrow(PLAN.uid)
    await world.drop_escrow(PLAN.uid)

    assert await world.escrow(PLAN.uid) is None


@pytest.mark.parametrize("value", ["", "  ", "******"])
async def test_an_empty_blank_or_redacted_looking_value_is_not_put_there(world: KubeCluster, value: str):
    with pytest.raises(Denied, match="HollowValue"):
        await world.save_escrow(PLAN, Escrow({"orders_a": Sealed(value)}, {}))

    assert await world.escrow(PLAN.uid) is None


@pytest.mark.fm(6)
async def test_a_damaged_escrow_stops_everything_and_says_its_name(world: KubeCluster, kubectl: Kubectl):
    await saved(world)
    kubectl("patch", "secret", f"keyturn-escrow-{PLAN.uid}", "-p", '{"data":{"escrow.json":"bm90IGpzb24="}}')

    with pytest.raises(Misconfigured, match=PLAN.uid):
        await world.escrow(PLAN.uid)
