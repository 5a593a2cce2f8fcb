"""Pods and Deployments watched at a real API server: a change wakes the plan, a cut is survived, an end is an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from keyturn.core.model import ConsumerRef, ObjectKey
from keyturn.kube.client import KubeClient
from keyturn.kube.cluster import KubeCluster
from keyturn.kube.following import Following
from support.deployments import SECRET, Shop, deployment, settled
from support.kubectl import Kubectl
from support.wire import Wire, wire_to_api

pytestmark = pytest.mark.integration


class Listener:
    """What wakes the plan, and when."""

    def __init__(self, client: KubeClient, wire: Wire, plan: ObjectKey) -> None:
        self.woken: list[float] = []
        self.news = asyncio.Event()
        self.plan = plan
        self.wire = wire
        self.following = Following(client, self._wake)

    def _wake(self, plan: ObjectKey) -> None:
        assert plan == self.plan
        self.woken.append(asyncio.get_running_loop().time())
        self.news.set()

    def hears(self) -> bool:
        return self.following.follow(self.plan, SECRET, [ConsumerRef("Deployment", self.plan.namespace, "orders-api")])

    async def until(self, happened: Callable[[], bool], seconds: float = 30) -> None:
        async with asyncio.timeout(seconds):
            while not happened():  # noqa: ASYNC110 - watches open and close without telling
                await asyncio.sleep(0.02)


@pytest.fixture
def plan(namespace: str) -> ObjectKey:
    return ObjectKey(namespace, "orders")


@pytest.fixture
async def listener(kubectl: Kubectl, plan: ObjectKey, tmp_path: Path) -> AsyncIterator[Listener]:
    async with wire_to_api(kubectl, tmp_path) as (wire, kubeconfig), await KubeClient.connect(kubeconfig) as client:
        listener = Listener(client, wire, plan)
        running = asyncio.ensure_future(listener.following.run())
        yield listener
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def shop(kubectl: Kubectl) -> Kubectl:
    kubectl("create", "secret", "generic", SECRET, "--from-literal=URL=postgresql://orders_a:old-value-0123456789@db")
    return kubectl


@pytest.fixture
def seen(world: KubeCluster, plan: ObjectKey) -> Shop:
    return Shop(world, plan)


async def test_the_end_of_a_roll_its_last_old_pod_gone_wakes_the_plan(
    shop: Kubectl, seen: Shop, listener: Listener, plan: ObjectKey
):
    shop.apply(deployment("orders-api", replicas=2, linger=2))
    await settled(seen)
    listener.hears()
    await listener.until(listener.hears)
    old = {pod.uid for pod in await seen.pods()}
    loop, last_there = asyncio.get_running_loop(), 0.0
    listener.woken.clear()

    await seen.world.restart(await seen.only(), plan, 7)
    async with asyncio.timeout(60):
        asked = loop.time()
        while any(pod.uid in old for pod in await seen.pods()):
            last_there = asked  # it was, when it was asked for: a wake-up before then told of something else
            await asyncio.sleep(0.02)
            asked = loop.time()

    await listener.until(lambda: listener.woken[-1] > last_there)
    assert len(listener.woken) <= 12, "a roll of two pods is no storm"


async def test_a_deployment_that_changes_wakes_the_plan_and_another_one_does_not(
    shop: Kubectl, seen: Shop, listener: Listener
):
    shop.apply(deployment("orders-api", replicas=0))
    shop.apply(deployment("orders-report", replicas=0, uses=False))
    await settled(seen)
    listener.hears()
    await listener.until(listener.hears)
    for name in ("orders-api", "orders-report"):  # the first glance at each
        shop("annotate", "deployment", name, "touched=once")
    await asyncio.sleep(1)
    listener.woken.clear()

    shop("scale", "deployment", "orders-report", "--replicas=1")
    shop("rollout", "status", "deployment/orders-report", "--timeout=30s")
    assert listener.woken == []

    shop("scale", "deployment", "orders-api", "--replicas=1")
    await listener.until(lambda: bool(listener.woken))


async def test_an_api_cut_is_survived_and_what_happened_meanwhile_is_looked_at(shop: Kubectl, listener: Listener):
    listener.hears()
    await listener.until(listener.hears)

    listener.wire.cut()
    await listener.until(lambda: not listener.hears())
    shop.apply(deployment("orders-api", replicas=0))
    assert not listener.hears(), "the plan is polled as if there were no watch"
    listener.woken.clear()
    listener.wire.mend()

    await listener.until(listener.hears, seconds=15)
    await listener.until(lambda: bool(listener.woken), seconds=2)  # a burst is passed on within 150 ms


@pytest.mark.fm(46)
async def test_a_frozen_watch_is_given_up_and_opened_anew(listener: Listener):
    listener.following._silence = 4  # instead of 70, which lets the bookmark of each minute pass
    listener.hears()
    await listener.until(listener.hears)

    listener.wire.freeze()
    await listener.until(lambda: not listener.hears(), seconds=5)
    await asyncio.sleep(1)
    assert not listener.hears(), "a watch that is merely opened anew would hear by now"
    listener.woken.clear()
    listener.wire.mend()

    await listener.until(listener.hears, seconds=15)
    await listener.until(lambda: bool(listener.woken), seconds=2)


async def test_nothing_is_watched_before_a_plan_is_followed_nor_after(listener: Listener):
    await asyncio.sleep(0.5)
    assert listener.wire.connections == 0

    listener.hears()
    await listener.until(listener.hears)
    assert listener.wire.connections >= 2

    listener.following.unfollow(listener.plan)
    await listener.until(lambda: listener.following.namespaces == set() and listener.wire.connections == 0)
