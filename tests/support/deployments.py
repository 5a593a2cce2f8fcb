"""Deployments that consume a Secret, on a real cluster: made, seen as Keyturn sees them, waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from keyturn.core.model import ConsumerRef, ObjectKey
from keyturn.kube.cluster import KubeCluster
from keyturn.ports import PodRecord, WorkloadRecord

PAUSE = "docker.io/keyturn/pause:local"
SECRET = "orders-db"
FROM_SECRET = {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": SECRET, "key": "URL"}}}


def template(*, uses: bool = True, image: str = PAUSE, linger: int = 0, **labels: str) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "app", "image": image, "imagePullPolicy": "IfNotPresent"}
    if uses:
        container["env"] = [FROM_SECRET]
    if linger:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": linger}}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": linger + 2}
    return {"metadata": {"labels": labels}, "spec": spec}


def deployment(name: str, *, replicas: int = 2, extra: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": template(app=name, **more),
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec | (extra or {})}


class Shop:
    """The consumers and pods as Keyturn sees them."""

    def __init__(self, world: KubeCluster, plan: ObjectKey) -> None:
        self.world, self.plan = world, plan

    async def consumers(self, *names: str, discover: bool = True) -> Sequence[WorkloadRecord]:
        listed = [ConsumerRef("Deployment", self.plan.namespace, name) for name in names]
        return await self.world.consumers(self.plan.namespace, SECRET, listed, discover=discover, plan=self.plan)

    async def only(self) -> WorkloadRecord:
        (found,) = await self.consumers()
        return found

    async def pods(self) -> Sequence[PodRecord]:
        return await self.world.pods(await self.consumers(), self.plan.namespace, SECRET)


async def until(happened: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await happened():  # noqa: ASYNC110 - the cluster tells nobody when it is done
            await asyncio.sleep(0.2)


async def settled(seen: Shop) -> None:
    async def all_settled() -> bool:
        return all(one.settled and one.healthy for one in await seen.consumers())

    await until(all_settled)
