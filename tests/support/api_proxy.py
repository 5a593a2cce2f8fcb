"""Between the operator and a real API server: numbers the operator's writes, and strikes the ones it is told to.

Plain HTTP towards the operator on a loopback port, the kubeconfig's TLS towards the server. The lease's writes and
Events have no number: an election is tried elsewhere, and nothing depends on an Event.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from support.kube_api import Json, KubeApi

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_UNNUMBERED = ("/apis/coordination.k8s.io/", "/apis/events.k8s.io/")
_OUTAGE = 2.0  # seconds for which a cut server cannot be reached
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


class Fault(StrEnum):
    """What happens to one write."""

    KILL_BEFORE = "kill-before"  # the operator dies, the server never hears of it
    KILL_AFTER = "kill-after"  # it is done, and the operator dies before it knows
    LOSE_ANSWER = "lose-answer"  # it is done, the connection breaks, the operator lives
    CONFLICT = "409"  # somebody else wrote first
    BUSY = "429"  # with Retry-After
    BROKEN_BEFORE = "500-not-done"
    BROKEN_AFTER = "500-done"
    CUT = "cut"  # every connection breaks, and for two seconds nobody is reached


CRASHES = (Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.LOSE_ANSWER)


@dataclass(frozen=True)
class Write:
    """One write of the operator: its number in this run, what it was, and the body."""

    number: int
    label: str
    body: Json


class ApiProxy:
    """One operator's way to the API server. ``kill`` ends that operator at once."""

    def __init__(self, api: KubeApi, kill: Callable[[], None]) -> None:
        self._api = api
        self._kill = kill
        self._runner: web.AppRunner | None = None
        self._open: dict[int, web.Request] = {}
        self._watches: dict[int, web.StreamResponse] = {}
        self._cut = False
        self._frozen: set[int] = set()
        self.port = 0
        self.writes: list[Write] = []
        self.strikes: dict[int, Fault] = {}
        self.struck: list[tuple[Fault, Write]] = []
        self.done: list[str] = []  # labels of the writes that reached the server
        self.latency = 0.0  # seconds before every call is passed on
        self.after: Callable[[Write], Awaitable[None]] = _nothing  # sees each write once it is done

    async def start(self) -> None:
        """Listen on a free loopback port."""
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End every connection."""
        if self._runner is not None:
            await self._runner.cleanup()

    def new_run(self, strikes: dict[int, Fault] | None = None) -> None:
        """Count from one again, and strike these."""
        self.writes, self.struck, self.done = [], [], []
        self.strikes = dict(strikes or {})
        self.latency = 0.0
        self.after = _nothing

    def freeze(self) -> None:
        """The watches that are open stay open, and no byte comes any more. Those that are opened later flow."""
        self._frozen |= set(self._watches)

    async def expire(self) -> None:
        """Every open watch is told that its version is too old."""
        gone = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410}
        line = json.dumps({"type": "ERROR", "object": gone | {"message": "too old resource version"}}).encode()
        for stream in list(self._watches.values()):
            await stream.write(line + b"\n")

    def cut(self, seconds: float) -> None:
        """Every connection breaks, and for so long nobody is reached."""
        self._cut = True
        asyncio.get_running_loop().call_later(seconds, self._mend)
        for request in list(self._open.values()):
            _hang_up(request)

    # ------------------------------------------------------------------------------------------------ inside

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self._open[id(request)] = request
        try:
            if self._cut:
                return _hang_up(request)
            body = await request.read()
            if self.latency:
                await asyncio.sleep(self.latency)
            if request.method not in _WRITES or request.path.startswith(_UNNUMBERED):
                return await self._pass(request, body)
            return await self._write(request, body)
        except aiohttp.ClientError:
            return _hang_up(request)
        finally:
            self._open.pop(id(request), None)

    async def _write(self, request: web.Request, body: bytes) -> web.StreamResponse:
        write = Write(len(self.writes) + 1, *_read(request, body))
        self.writes.append(write)
        fault = self.strikes.get(write.number)
        if fault is None:
            return await self._do(write, request, body)
        self.struck.append((fault, write))
        return await self._strike(fault, write, request, body)

    async def _do(self, write: Write, request: web.Request, body: bytes) -> web.StreamResponse:
        answer = await self._pass(request, body)
        if answer.status < 300:
            self.done.append(write.label)
        await self.after(write)
        return answer

    async def _strike(self, fault: Fault, write: Write, request: web.Request, body: bytes) -> web.StreamResponse:
        if fault is Fault.KILL_BEFORE:
            self._kill()
            return _hang_up(request)
        if fault in (Fault.KILL_AFTER, Fault.LOSE_ANSWER, Fault.BROKEN_AFTER):
            await self._do(write, request, body)
            if fault is Fault.KILL_AFTER:
                self._kill()
        match fault:
            case Fault.CONFLICT:
                return _said(409, "Conflict")
            case Fault.BUSY:
                return _said(429, "TooManyRequests", {"Retry-After": "1"})
            case Fault.BROKEN_BEFORE | Fault.BROKEN_AFTER:
                return _said(500, "InternalError")
            case Fault.CUT:
                self.cut(_OUTAGE)
        return _hang_up(request)

    def _mend(self) -> None:
        self._cut = False

    async def _pass(self, request: web.Request, body: bytes) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in ("Accept", "Content-Type") if name in request.headers}
        headers["Accept-Encoding"] = "identity"
        url = URL(self._api.url + request.raw_path, encoded=True)
        limit = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with self._api.session.request(
            request.method, url, data=body or None, headers=headers, timeout=limit
        ) as upstream:
            kind = {"Content-Type": upstream.headers.get("Content-Type", "application/json")}
            if upstream.status == 200 and request.query.get("watch") in {"1", "true"}:
                return await self._stream(request, upstream, kind)
            return web.Response(status=upstream.status, body=await upstream.read(), headers=kind)

    async def _stream(
        self, request: web.Request, upstream: aiohttp.ClientResponse, kind: dict[str, str]
    ) -> web.StreamResponse:
        stream = web.StreamResponse(headers=kind)
        stream.enable_chunked_encoding()
        await stream.prepare(request)
        self._watches[id(stream)] = stream
        try:
            async for line in upstream.content:
                if id(stream) not in self._frozen:
                    await stream.write(line)
            await stream.write_eof()
        except (aiohttp.ClientError, ConnectionError):
            _hang_up(request)
        finally:
            self._watches.pop(id(stream), None)
            self._frozen.discard(id(stream))
        return stream


def _read(request: web.Request, body: bytes) -> tuple[str, Json]:
    """What a write is about, without names that change from run to run; and its body."""
    document: Any = json.loads(body) if body else {}
    found: Json = document if isinstance(document, dict) else {}
    after = request.path.partition("/namespaces/")[2].split("/")[1:]
    if after[:1] == ["rotations"]:
        after = [after[0], *after[2:]]
    status = found.get("status") or {}
    moment = status.get("phase") or (f"active={status['activeRotation']}" if status.get("activeRotation") else "")
    annotations = (found.get("metadata") or {}).get("annotations") if request.method == "PATCH" else None
    touch = "touch" if after[:1] == ["pods"] and annotations else ""
    if after[:1] == ["pods"]:
        after = after[:1]
    label = " ".join(word for word in (request.method, _UID.sub("UID", "/".join(after)), moment, touch) if word)
    return re.sub(r"active=\S+", "active", label), found


def _said(status: int, reason: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": status}
    return web.json_response(body | {"message": "a fault of the test"}, status=status, headers=headers)


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _nothing(_: Write) -> None:
    return
