"""One signed call: checked address, verified TLS, bounded time and size, signed answer. Keeps no connection.

Knows HTTP and signatures, and nothing of what is asked. A value crosses in the body of a request and nowhere else.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass
from typing import Final, TypeVar

import aiohttp
from pydantic import ValidationError

from keyturn.core.sealed import Sealed, Unsuitable
from keyturn.ports import Clock, Denied, OutcomeUnknown, Unavailable
from keyturn.providers.telling import SERVER_DOWN, TLS_FAILED, said
from keyturn.providers.webhook import failures
from keyturn.providers.webhook.addresses import Resolve, callable_addresses
from keyturn.providers.webhook.settings import Server
from keyturn.providers.webhook.signing import NONCE, SIGNATURE, TIMESTAMP, answer_signature, request_signature, same
from keyturn.providers.webhook.wire import Said

CONNECT_SECONDS: Final = 5.0
CALL_SECONDS: Final = 10.0  # name, connection and answer together, whatever the server does
LARGEST_ANSWER: Final = 1024 * 1024  # bytes
_TELLING: Final = 12  # bytes of a value
A = TypeVar("A", bound=Said)


class _NotConnected(Exception):
    """Nothing was sent: another address may be tried, and nothing can have happened."""


class _Lost(Exception):
    """Something was sent, and no answer came: nobody knows what happened."""


@dataclass(frozen=True, slots=True)
class Answer:
    """As it came; believed only after ``Caller`` has found the signature right."""

    status: int
    signature: str
    body: bytes


class Caller:
    """Speaks to one plan's server."""

    def __init__(self, server: Server, resolve: Resolve, clock: Clock, *, seconds: float = CALL_SECONDS) -> None:
        self._server, self._resolve, self._clock, self._seconds = server, resolve, clock, seconds

    async def ask(self, verb: str, request: Said | None, answer: type[A], *sealed: Sealed) -> A:
        """A question. ``sealed``: values in the request, which no answer may hold. Raises ours."""
        try:
            return await self._once(verb, request, answer, sealed)
        except (_Lost, OutcomeUnknown):
            raise said(SERVER_DOWN) from None

    async def change(self, verb: str, request: Said, answer: type[A], *sealed: Sealed) -> A:
        """A change, asked for once more if its answer was lost: the same op does the same. Raises ours."""
        try:
            return await self._once(verb, request, answer, sealed)
        except (_Lost, OutcomeUnknown):
            pass
        try:
            return await self._once(verb, request, answer, sealed)
        except (_Lost, Unavailable):  # nothing of what was sent the first time is known
            raise said(failures.LOST) from None

    async def _once(self, verb: str, request: Said | None, answer: type[A], sealed: tuple[Sealed, ...]) -> A:
        body = _bytes(request)
        nonce = secrets.token_hex(16)
        told = await self._called("GET" if request is None else "POST", f"{self._server.path}/v1/{verb}", nonce, body)
        self._require_signed(told, nonce)
        if any(_holds(told.body, value) for value in sealed):
            raise said(failures.REPEATS_VALUE)
        if told.status != 200:
            raise failures.refused(told.status, told.body)
        try:
            return answer.model_validate_json(told.body)
        except ValidationError:
            raise said(failures.UNREADABLE) from None

    def _require_signed(self, told: Answer, nonce: str) -> None:
        """Raises what an answer says that is nobody's whom we know: at most that we should come again."""
        if 300 <= told.status < 400:
            raise said(failures.REDIRECTED)
        if not same(told.signature, answer_signature(self._server.key, nonce, told.status, told.body)):
            raise failures.by_status(told.status) or said(failures.NOT_SIGNED)

    async def _called(self, method: str, path: str, nonce: str, body: bytes) -> Answer:
        server, timestamp = self._server, str(int(self._clock.now().timestamp()))
        headers = {
            "Host": _authority(server),
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            TIMESTAMP: timestamp,
            NONCE: nonce,
            SIGNATURE: request_signature(server.key, timestamp, nonce, method, path, body),
        }
        try:
            async with asyncio.timeout(self._seconds):
                found = await callable_addresses(server.host, server.port, self._resolve, loopback=server.loopback)
                for address in found:
                    try:
                        return await self._at(address, method, path, headers, body)
                    except _NotConnected:
                        continue
        except TimeoutError:
            raise _Lost from None
        raise said(SERVER_DOWN)

    async def _at(self, address: str, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """At this very address: it is in the URL, so nobody looks the name up again. TLS is for the name."""
        server = self._server
        url = f"https://{_bracketed(address)}:{server.port}{path}"
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=server.tls, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=limits,
        )
        try:
            async with (
                session,
                session.request(
                    method, url, data=body, headers=headers, allow_redirects=False, server_hostname=server.host
                ) as response,
            ):
                return Answer(response.status, response.headers.get(SIGNATURE, ""), await _bounded(response))
        except aiohttp.ClientSSLError:
            raise said(TLS_FAILED) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise _NotConnected from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise _Lost from None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """Raises Denied for what is larger than any honest answer, without reading it to its end."""
    found = bytearray()
    async for piece in response.content.iter_any():
        found += piece
        if len(found) > LARGEST_ANSWER:
            raise said(failures.UNREADABLE)
    return bytes(found)


def _holds(body: bytes, value: Sealed) -> bool:
    """As it is, or as JSON writes it. A short one, which only adoption can bring, may stand there by chance."""
    raw = value.reveal()
    return len(raw) >= _TELLING and (raw in body or json.dumps(value.reveal_text())[1:-1].encode() in body)


def _bytes(request: Said | None) -> bytes:
    try:
        return b"" if request is None else request.model_dump_json(by_alias=True).encode()
    except Unsuitable:
        raise Denied("UnsuitableValue", "The value is no text: nothing was changed.") from None


def _authority(server: Server) -> str:
    host = _bracketed(server.host)
    return host if server.port == 443 else f"{host}:{server.port}"


def _bracketed(host: str) -> str:
    """As a URL has an IPv6 address."""
    return f"[{host}]" if ":" in host else host
