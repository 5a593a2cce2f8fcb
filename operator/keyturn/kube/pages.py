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
WATCH_SECONDS: Final = 120  # then the server ends a watch, and it is asked for again: bounded staleness
WATCH_SILENCE: Final = 240.0  # that, what a frozen one is waited for, and pauses between attempts

Page = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Heartbeat:
    """Measures how late the loop is, and whether every watch still asks. Says what is wrong, "" if nothing is.

    A frozen loop answers nobody; a starved one answers that it is starved. A watch that lives asks again every few
    minutes, also when the API server is away: one that does not is dead, and a restart is the way out.
    """

    def __init__(self) -> None:
        self._lag = 0.0
        self._asked: dict[str, float] = {}

    @property
    def trouble(self) -> str:
        """In a few words, for the log of the kubelet."""
        if self._lag >= _LAG_SECONDS:
            return "the event loop is starved"
        now = asyncio.get_running_loop().time()
        dead = sorted(path for path, at in self._asked.items() if now - at >= WATCH_SILENCE)
        return f"nobody watches {', '.join(dead)} any more" if dead else ""

    def expect(self, path: str) -> None:
        """This collection is to be watched from now on; again, when its watch begins anew."""
        self._asked[path] = asyncio.get_running_loop().time()

    def asked(self, path: str) -> None:
        """The API server is being asked for this collection; others than those expected do not matter."""
        if path in self._asked:
            self._asked[path] = asyncio.get_running_loop().time()

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
        return _said(heartbeat.trouble)

    async def readyz(_: web.Request) -> web.Response:
        return _said("" if ready.is_set() else "not watching yet")

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


def _said(trouble: str) -> web.Response:
    return web.Response(text=f"{trouble or 'ok'}\n", status=503 if trouble else 200)
