"""A webhook server that does what a test tells it to: answers as scripted, signs or does not, dawdles, hangs up."""

from __future__ import annotations

import asyncio
import json
import ssl
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from keyturn.core.sealed import Sealed
from keyturn.providers.webhook.signing import answer_signature
from support.tls import Authority
from support.webhook_plan import OWNER, SLOT_A, Setting

KEY = "key-of-a-test-0123456789abcdef0123456789abcdef"
NAME = "rotator.shop.svc"
ABLE = {"reversibleDisable": True, "fences": True, "listsSessions": True, "seesRefusedAttempts": True,
        "tellsDisabledFromWrong": True, "disableDelaySeconds": 0, "usageLagSeconds": 0}  # fmt: skip
Whole = Callable[[web.Request, "Crooked"], Awaitable[web.StreamResponse]]


def principal(name: str, state: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "state": state, **more}


def inventory(*more: dict[str, Any]) -> dict[str, Any]:
    """A plan at rest: ``orders_a`` serves."""
    return {"principals": [principal(OWNER, "Disabled"), principal(SLOT_A, "Active"), *more]}


HONEST: Mapping[str, Any] = {
    "capabilities": ABLE,
    "identify": {"system": "shop-1"},
    "inventory": inventory(),
    "preflight": {},
    "test": {"outcome": "Works"},
    "same-system": {"verdict": "Same"},
    "usage": {"complete": True, "sessions": []},
    "refused-attempts": {"attempts": []},
    "end-sessions": {"ended": 0},
    **{verb: {"done": True} for verb in ("ensure", "disable", "enable", "contain", "delete")},
}


@dataclass
class Crooked:
    """What it says to each verb: a body, or (status, body), or a function that answers altogether."""

    url: str = ""
    authority: Authority = field(default_factory=Authority)
    says: dict[str, Any] = field(default_factory=lambda: dict(HONEST))
    whole: dict[str, Whole] = field(default_factory=dict[str, Whole])
    key: str = KEY
    heard: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def setting(self) -> Setting:
        admin = {"key": KEY, "host": NAME, "hosts": "localhost", "ca.crt": self.authority.ca_pem.decode()}
        return Setting(self.url, admin)

    def answer_with(self, whole: Whole) -> None:
        """Every verb altogether."""
        self.whole = dict.fromkeys(HONEST, whole)

    def verbs(self) -> list[str]:
        """What was asked, in order."""
        return [verb for verb, _, _ in self.heard]

    def asked(self, verb: str) -> list[dict[str, Any]]:
        return [json.loads(body) for heard, _, body in self.heard if heard == verb]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        verb, body = request.path.rpartition("/")[2], await request.read()
        self.heard.append((verb, dict(request.headers), body))
        if verb in self.whole:
            return await self.whole[verb](request, self)
        said = self.says.get(verb, (404, {"code": "BadRequest"}))
        status, told = said if isinstance(said, tuple) else (200, said)
        return self.signed(request, status, told if isinstance(told, bytes) else json.dumps(told).encode())

    def signed(self, request: web.Request, status: int, body: bytes, **headers: str) -> web.Response:
        signature = answer_signature(Sealed(self.key), request.headers["Keyturn-Nonce"], status, body)
        return web.Response(status=status, body=body, headers={"Keyturn-Signature": signature} | headers)


async def hang_up(request: web.Request, _server: Crooked) -> web.StreamResponse:
    """The answer is lost."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def pour(request: web.Request, piece: bytes, pause: float) -> web.StreamResponse:
    """An answer without an end, as long as somebody listens."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    while request.transport is not None and not request.transport.is_closing():
        await answer.write(piece)
        await asyncio.sleep(pause)
    return answer


async def dawdle(_request: web.Request, _server: Crooked) -> web.StreamResponse:
    """Until whoever asked has given up."""
    await asyncio.Event().wait()
    return web.Response()


@asynccontextmanager
async def crooked(*names: str, authority: Authority | None = None) -> AsyncGenerator[Crooked]:
    """Serves at a free port of loopback, under these names (that of the service, and localhost)."""
    server = Crooked()
    certificate, key = (authority or server.authority).issue(*(names or (NAME, "localhost")))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as home:
        for name, content in (("cert.pem", certificate), ("key.pem", key)):
            (Path(home) / name).write_bytes(content)
        tls.load_cert_chain(f"{home}/cert.pem", f"{home}/key.pem")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    server.url = f"https://localhost:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
