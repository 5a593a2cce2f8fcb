"""The Cluster port's contract about consumers and their pods, kept by the real API server and by the one in memory."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from keyturn.core.model import ConsumerRef, ObjectKey
from keyturn.ports import (
    Announcement,
    Conflict,
    PodRecord,
    WorkloadRecord,
)
from support.cluster_rig import SECRET, ClusterRig

pytestmark = pytest.mark.contract


async def consumers(rig: ClusterRig, *names: str, discover: bool = True) -> Sequence[WorkloadRecord]:
    listed = [ConsumerRef("Deployment", rig.key.namespace, name) for name in names]
    return await rig.cluster.consumers(rig.key.namespace, SECRET, listed, discover=discover, plan=rig.key)


async def the_consumer(rig: ClusterRig) -> WorkloadRecord:
    (found,) = await consumers(rig)
    return found


async def pods(rig: ClusterRig) -> Sequence[PodRecord]:
    return await rig.cluster.pods(await consumers(rig), rig.key.namespace, SECRET)


class DescribeConsumers:
    async def test_those_that_reference_the_secret_are_discovered_and_listed_ones_that_exist_are_told(
        self, any_cluster: ClusterRig
    ):
        await any_cluster.make_deployment("api")
        await any_cluster.make_deployment("worker")

        assert [one.ref.name for one in await consumers(any_cluster)] == ["api", "worker"]
        listed = await consumers(any_cluster, "worker", "no-such-thing", discover=False)
        assert [one.ref.name for one in listed] == ["worker"]
        assert all(one.deliveries for one in listed)

    async def test_a_restart_marks_the_template_once_and_never_goes_back(self, any_cluster: ClusterRig):
        await any_cluster.make_deployment("api")
        before = await the_consumer(any_cluster)
        assert before.generation_mark is None

        for generation in (3, 3, 2):
            await any_cluster.cluster.restart(await the_consumer(any_cluster), any_cluster.key, generation)
            assert (await the_consumer(any_cluster)).generation_mark == 3
        await any_cluster.cluster.restart(before, any_cluster.key, 4)

        assert (await the_consumer(any_cluster)).generation_mark == 4

    async def test_whose_mark_it_is_must_be_asked_for(self, any_cluster: ClusterRig):
        await any_cluster.make_deployment("api")
        await any_cluster.cluster.restart(await the_consumer(any_cluster), any_cluster.key, 3)

        (found,) = await any_cluster.cluster.consumers(any_cluster.key.namespace, SECRET, [], discover=True)

        assert found.generation_mark is None

    async def test_one_that_is_gone_is_not_restarted(self, any_cluster: ClusterRig):
        await any_cluster.make_deployment("api")
        gone = await the_consumer(any_cluster)
        await any_cluster.delete_deployment("api")

        with pytest.raises(Conflict):
            await any_cluster.cluster.restart(gone, any_cluster.key, 3)

    async def test_a_settled_one_says_so_and_a_restart_unsettles_it(self, any_cluster: ClusterRig):
        await any_cluster.write_secret({"url": "postgresql://orders_a:old-value-0123456789@db/shop"}, "kubectl")
        await any_cluster.make_deployment("api", replicas=1)
        before = await the_consumer(any_cluster)
        assert (before.settled, before.healthy, before.replicas, before.stuck) == (True, True, 1, "")

        await any_cluster.cluster.restart(before, any_cluster.key, 3)

        assert not (await the_consumer(any_cluster)).settled


class DescribePods:
    async def test_those_of_a_consumer_are_told_with_address_and_consumer(self, any_cluster: ClusterRig):
        await any_cluster.write_secret({"url": "postgresql://orders_a:old-value-0123456789@db/shop"}, "kubectl")
        await any_cluster.make_deployment("api", replicas=1)

        (pod,) = await pods(any_cluster)

        assert pod.consumer == ConsumerRef("Deployment", any_cluster.key.namespace, "api")
        assert (pod.ready, pod.terminating, pod.phase) == (True, False, "Running")
        assert pod.address
        assert pod.deliveries

    async def test_one_is_touched_as_often_as_one_likes_and_not_when_it_is_gone(self, any_cluster: ClusterRig):
        await any_cluster.write_secret({"url": "postgresql://orders_a:old-value-0123456789@db/shop"}, "kubectl")
        await any_cluster.make_deployment("api", replicas=1)
        (pod,) = await pods(any_cluster)
        for _ in range(2):
            await any_cluster.cluster.touch(pod, any_cluster.key, 3)
        await any_cluster.delete_deployment("api")
        assert await pods(any_cluster) == []

        with pytest.raises(Conflict):
            await any_cluster.cluster.touch(pod, any_cluster.key, 3)


async def test_an_event_about_something_that_is_gone_harms_nobody(any_cluster: ClusterRig):
    nowhere = ObjectKey("no-such-namespace", "orders")

    await any_cluster.cluster.announce(nowhere, "RotationPlan", "no-such-uid", Announcement("A", "b"))


async def test_following_and_unfollowing_is_always_possible(any_cluster: ClusterRig):
    any_cluster.cluster.follow(any_cluster.key, SECRET, [])
    any_cluster.cluster.unfollow(any_cluster.key)
    any_cluster.cluster.unfollow(any_cluster.key)
