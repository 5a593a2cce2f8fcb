"""A shop of its own for one operator: a namespace, a backend, hollow pods, and a proxy on each of the two ways.

It only stands there and can be looked at; ``faulty_run`` has one rotation after the other in it.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import yaml

from support.api_proxy import ApiProxy
from support.furniture import CONSUMER, PLAN, furniture
from support.hollow_node import HollowNode
from support.kube_api import MERGE, Json, KubeApi
from support.operator_process import OperatorProcess
from support.verdict import OURS, Ledger
from support.ware import Failed, Ware

_BASES = {"secrets": "/api/v1", "deployments": "/apis/apps/v1"}
_SAMPLE = 0.1  # seconds between two looks at who can log in


class Shop:
    """Opened once, used for many runs. ``network``: the second number of its pods' addresses."""

    def __init__(self, api: KubeApi, ware: type[Ware], name: str, network: int) -> None:
        self.api = api
        self.ledger = Ledger(api, name, f"{name}-op")
        self.home = Path(tempfile.mkdtemp(prefix="keyturn-faults-"))
        self.proxy = ApiProxy(api, self._kill)
        self.ware = ware(self._kill, network)
        self.backend = self.ware.proxy
        self.node = HollowNode(api, name, network, self.ware, self.home)
        self._kubeconfig = self.home / "kubeconfig"
        ports = ("--health-port", "0", "--metrics-port", "0")
        arguments = ("--kubeconfig", str(self._kubeconfig), "--operator-namespace", self.ledger.keeper,
                     "--namespace", name, *ports)  # fmt: skip
        self.operator = OperatorProcess(self.ware.program, arguments, self.home / "operator.log", self._release_lease)
        self.enabled_counts: set[int] = set()  # how many principals could log in, whenever we looked
        self._sampler: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Everything is there, the plan is adopted, the pods serve."""
        await asyncio.to_thread(self.ware.start, f"{self.ledger.namespace}/{PLAN}")
        await self.proxy.start()
        await self.backend.start()
        self._kubeconfig.write_text(_kubeconfig(self.proxy.port))
        for namespace in (self.ledger.namespace, self.ledger.keeper):
            await self.api.must("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        await self.node.start()
        for plural, body in furniture(self.ledger.namespace, self.node.name, self.ware.field, self.ware.stock()):
            await self.make(plural, body)
        self._sampler = asyncio.create_task(self._sample())
        self.operator.start()
        await until("the plan is adopted", self._adopted, 60)
        await until("the pods serve", self.serving, 60)

    async def close(self) -> None:
        """Nothing stays."""
        with suppress(Exception):
            await self.api.send("DELETE", self.ledger.ours("rotationplans", PLAN))
            await until("the plan is let go", self._let_go, 15)
        await self.operator.stop()
        if self._sampler is not None:
            self._sampler.cancel()
            await asyncio.gather(self._sampler, return_exceptions=True)
        await self.node.stop()
        await self.proxy.stop()
        await self.backend.stop()
        await self._unguard()
        for namespace in (self.ledger.namespace, self.ledger.keeper):
            await self.api.send("DELETE", f"/api/v1/namespaces/{namespace}")
        await asyncio.to_thread(self.ware.stop)
        shutil.rmtree(self.home, ignore_errors=True)

    async def make(self, plural: str, body: Json) -> None:
        """Create an object in the shop's namespace."""
        await self.api.must("POST", f"{_BASES.get(plural, OURS)}/namespaces/{self.ledger.namespace}/{plural}", body)

    # ------------------------------------------------------------------------------------------------ looks

    async def serving(self) -> bool:
        """The Deployment has settled, and no pod of an older template is left."""
        path = f"/apis/apps/v1/namespaces/{self.ledger.namespace}/deployments/{CONSUMER}"
        found = await self.api.must("GET", path)
        status, wanted = found.get("status") or {}, found["spec"]["replicas"]
        counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
        seen = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
        return seen and counts == [wanted] * 3 and len(self.node.pods) == wanted

    async def enabled(self) -> list[str]:
        """Principals of the plan that can log in now. Raises Failed."""
        async with self.ware.looking() as enabled:
            return await enabled()

    async def _sample(self) -> None:
        while True:
            with suppress(Failed):
                async with self.ware.looking() as enabled:
                    while True:
                        self.enabled_counts.add(len(await enabled()))
                        await asyncio.sleep(_SAMPLE)

    async def _adopted(self) -> bool:
        return bool((await self.ledger.plan()).get("status", {}).get("adoptedAt"))

    async def _let_go(self) -> bool:
        return await self.api.read(self.ledger.ours("rotationplans", PLAN)) is None

    # ----------------------------------------------------------------------------------------------- inside

    def _kill(self) -> None:
        self.operator.kill()

    async def _release_lease(self) -> None:
        """As a leader that ends in peace does it: how long a killed one is waited for is tried elsewhere."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.ledger.keeper}/leases/keyturn-operator"
        await self.api.send("PATCH", path, {"spec": {"holderIdentity": ""}}, kind=MERGE)

    async def _unguard(self) -> None:
        """Take off the finalizers of an operator that is gone."""
        for plural in ("rotationplans", "rotations"):
            for one in await self.api.items(self.ledger.ours(plural)):
                path = self.ledger.ours(plural, one["metadata"]["name"])
                await self.api.send("PATCH", path, {"metadata": {"finalizers": None}}, kind=MERGE)


async def until(what: str, holds: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Ask until it holds. Raises TimeoutError with what was waited for."""
    try:
        async with asyncio.timeout(seconds):
            while not await holds():  # noqa: ASYNC110 - the API server and the backend are asked, no task of ours
                await asyncio.sleep(0.3)
    except TimeoutError:
        raise TimeoutError(f"not within {seconds:.0f} s: {what}") from None


def _kubeconfig(port: int) -> str:
    return yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
        "clusters": [{"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
        "users": [{"name": "nobody", "user": {}}],
    })  # fmt: skip
