"""Acceptors that count what they accept, each with a real page of a real Prometheus client on an address of its own.

All of 127.0.0.0/8 is loopback: every pod is asked at another address of it, on one port.
"""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import cast

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, generate_latest

from keyturn.core.sealed import Sealed
from keyturn.ports import Cluster, Credential, Probes, Provider
from keyturn.providers.keyring.pages import HttpPages
from keyturn.providers.keyring.provider import opened_inside
from keyturn.providers.opening import Open
from support.iam_plan import HandClock
from support.ring_pods import KEY, AcceptingPod, RingPods
from support.ring_rig import KINDS, Escrowed, RingRig, RingSetting, ring_of

METRIC = "tokens_accepted_total"
_ADDRESSES = [f"127.0.1.{number}" for number in range(1, 41)]


@dataclass
class Meter:
    """One pod's page: a line for each key of its ring from the start, and other numbers that nobody asked for."""

    registry: CollectorRegistry
    accepted: Counter

    @classmethod
    def of(cls, pod: AcceptingPod) -> Meter:
        registry = CollectorRegistry()
        Counter("requests", "Another counter.", ["kid"], registry=registry).labels("2026-01").inc(99)
        made = cls(registry, Counter(METRIC, "Tokens found good.", ["kid", "route"], registry=registry))
        for kid in json.loads(pod.held.reveal_text()):
            made.accepted.labels(kid, "/orders")
        return made

    def accept(self, kid: str) -> None:
        self.accepted.labels(kid, "/orders").inc()

    def page(self) -> bytes:
        return generate_latest(self.registry)


@dataclass
class CountingPods(RingPods):
    """Each pod has an address of its own, and a page there. ``answers``: what a pod's page says instead."""

    clock: HandClock = field(default_factory=HandClock)
    meters: dict[str, Meter] = field(default_factory=dict[str, Meter])
    answers: dict[str, web.StreamResponse] = field(default_factory=dict[str, web.StreamResponse])
    asked: list[str] = field(default_factory=list[str])  # paths

    def __post_init__(self) -> None:
        self._addresses: Iterator[str] = itertools.cycle(_ADDRESSES)
        super().__post_init__()

    def _fresh(self, name: str) -> list[AcceptingPod]:
        pods = super()._fresh(name)
        for pod in pods:
            pod.address, pod.started = next(self._addresses), self.clock.now()
            self.meters[pod.name] = Meter.of(pod)
        return pods

    def present(self, kid: str, to: AcceptingPod | None = None) -> None:
        """Somebody shows a token to one of them."""
        pod = to or self.pods_there[0]
        if kid in json.loads(pod.held.reveal_text()):
            self.meters[pod.name].accept(kid)

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Of the pod whose address was called."""
        assert request.transport is not None
        address = request.transport.get_extra_info("sockname")[0]
        pod = next((one for one in self.pods_there if one.address == address), None)
        self.asked.append(request.path)
        if pod is None:
            return web.Response(status=404)
        return self.answers.get(pod.name) or web.Response(body=self.meters[pod.name].page())


@asynccontextmanager
async def pages_of(pods: CountingPods) -> AsyncGenerator[int]:
    """Their pages are served; on which port."""
    app = web.Application()
    app.router.add_get("/{path:.*}", pods.page)
    runner = web.AppRunner(app)
    await runner.setup()
    port = _free_port()
    for address in _ADDRESSES:
        await web.TCPSite(runner, address, port).start()
    try:
        yield port
    finally:
        await runner.cleanup()


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        return free.getsockname()[1]


class CountingRig(RingRig):
    """The same pods, and time that can be moved."""

    version = "pods in memory, and their real pages of counters"

    def __init__(self, setting: RingSetting, opened: Open) -> None:
        self.setting, self._opened = setting, opened
        self.current = setting.current
        self.pods = cast("CountingPods", setting.pods)
        self.now, self.wait = self.pods.clock.now, self.pods.clock.wait
        self.provider = self.again()

    def again(self) -> Provider:
        record, plan = self.setting.records()
        opened = self._opened(record, plan, cast("None", None))
        return cast("Provider", Escrowed(opened, self.setting.pods))

    @asynccontextmanager
    async def somebody(self, credential: Credential) -> AsyncGenerator[None]:
        self.pods.present(credential.id)
        yield


@asynccontextmanager
async def counting_rig() -> AsyncIterator[CountingRig]:
    """A keyring whose acceptors count."""
    field_, half, form = KINDS["keyring-Hmac"]
    current = Credential("2026-01", Sealed("current-key-of-a-test-0123456789"))
    pods = CountingPods({KEY: ring_of(form, current)})
    pods.keep(current)
    async with pages_of(pods) as port:
        counters = {"port": port, "metric": METRIC}
        setting = RingSetting(pods, field_, {**half, "counters": counters}, form, current)
        there = (cast("Cluster", pods), cast("Probes", pods))
        yield CountingRig(setting, opened_inside(pods.clock, *there, HttpPages(loopback=True)))
