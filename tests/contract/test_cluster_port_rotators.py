"""The Cluster port's contract about rotators: who logs in with a Secret, which plans there are, whose pods log in."""

from __future__ import annotations

import pytest

from keyturn.core.model import ObjectKey
from support.cluster_rig import ClusterRig

pytestmark = pytest.mark.contract


async def test_the_providers_that_log_in_with_a_secret_are_told_and_no_others(any_cluster: ClusterRig):
    await any_cluster.make_provider("first", "rotator")
    await any_cluster.make_provider("second", "rotator")
    await any_cluster.make_provider("third", "another")
    namespace = any_cluster.key.namespace

    found = await any_cluster.cluster.providers(ObjectKey(namespace, "rotator"))

    assert sorted(one.key.name for one in found) == ["first", "second"]
    assert {one.admin_key for one in found} == {ObjectKey(namespace, "rotator")}
    assert await any_cluster.cluster.providers(ObjectKey(namespace, "orders-db")) == []


async def test_a_provider_that_is_listed_is_the_one_that_a_plan_finds_by_its_name(any_cluster: ClusterRig):
    await any_cluster.make_provider("db", "rotator")
    plan = await any_cluster.cluster.plan(any_cluster.key)
    assert plan is not None

    named = await any_cluster.cluster.provider(plan)
    assert named.admin_key is not None
    listed = await any_cluster.cluster.providers(named.admin_key)

    assert (named.kind, named.key, named.uid) in {(one.kind, one.key, one.uid) for one in listed}


async def test_a_namespaces_plans_are_among_all_there_are(any_cluster: ClusterRig):
    here = {plan.key for plan in await any_cluster.cluster.plans(any_cluster.key.namespace)}
    everywhere = {plan.key for plan in await any_cluster.cluster.plans()}
    assert here == {any_cluster.key}
    assert here <= everywhere


async def test_where_no_operator_runs_there_are_no_pods_of_it(any_cluster: ClusterRig):
    assert list(await any_cluster.cluster.operators()) == []
