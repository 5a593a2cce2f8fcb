"""What this process shows to the kubelet and to Prometheus: health, readiness and metrics. It decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

_LAG_SECONDS: Final = 5.0  # a loop this far behind renews no lease and hears no watch
_BEAT_SECONDS: Final = 1.0

Page = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Heartbeat:
    """Measures how late the loop is. A frozen loop answers nobody; a starved one answers that it is starved."""

    def __init__(self) -> None:
        self._lag = 0.0

    @property
    def alive(self) -> bool:
        """Is the loop keeping up?"""
        return self._lag < _LAG_SECONDS

    async def beat(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _BEAT_SECONDS
            await asyncio.sleep(_BEAT_SECONDS)
            self._lag = loop.time() - due


@asynccontextmanager
async def served(
    heartbeat: Heartbeat, ready: asyncio.Event, registry: CollectorRegistry, *, ports: tuple[int, int]
) -> AsyncGenerator[None]:
    """Serve health on the first port and metrics on the second while inside."""

    async def healthz(_: web.Request) -> web.Response:
        return _said(heartbeat.alive, "the event loop is starved")

    async def readyz(_: web.Request) -> web.Response:
        return _said(ready.is_set(), "not watching yet")

    runners = [_runner({"/healthz": healthz, "/readyz": readyz}), _runner({"/metrics": make_aiohttp_handler(registry)})]
    try:
        for runner, port in zip(runners, ports, strict=True):
            await runner.setup()
            await web.TCPSite(runner, None, port).start()
        yield
    finally:
        for runner in runners:
            await runner.cleanup()


def _runner(pages: dict[str, Page]) -> web.AppRunner:
    app = web.Application()
    for path, page in pages.items():
        app.router.add_get(path, page)
    return web.AppRunner(app, access_log=None)


def _said(well: bool, trouble: str) -> web.Response:  # noqa: FBT001 - the answer itself
    return web.Response(text="ok\n" if well else f"{trouble}\n", status=200 if well else 503)
