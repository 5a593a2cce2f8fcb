"""One HTTPS call to where somebody else said: checked address, verified TLS, no redirect, bounded time and size.

Knows nothing of what is asked, and keeps no connection.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from keyturn.ports import Denied, KeyturnError, Misconfigured
from keyturn.providers.addresses import Resolve, callable_addresses
from keyturn.providers.admin_secret import AdminSecret
from keyturn.providers.telling import SERVER_DOWN, TLS_FAILED, Words, said

CONNECT_SECONDS: Final = 5.0
CALL_SECONDS: Final = 10.0  # name, connection and answer together, whatever the server does
LARGEST_ANSWER: Final = 1024 * 1024  # bytes
TOO_LARGE: Final[Words] = (Denied, "AnswerTooLarge", "The answer is larger than any honest one: it was not read.")


class NotConnected(Exception):
    """Nothing was sent: another address may be tried, and nothing can have happened."""


class NotAnswered(Exception):
    """Something was sent, and no answer came: nobody knows what happened."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go."""

    field: str  # of the provider that names it: ``webhook.url``
    host: str
    port: int
    path: str  # without a slash at its end
    tls: ssl.SSLContext
    loopback: bool = False  # may it be at a loopback address?

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = _bracketed(self.host)
        return host if self.port == 443 else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Came:
    """What came back; nothing of it is believed yet."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def target(field: str, url: str, admin: AdminSecret, *, loopback: bool = False) -> Target:
    """From a provider's field, if its admin Secret names that host. Raises Misconfigured with the way out."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
    except ValueError:
        host, port, parts = "", 0, urlsplit("")
    if parts.scheme != "https" or not host or "@" in parts.netloc or parts.query or parts.fragment:
        raise Misconfigured(
            "UrlUnreadable", f"spec.{field} must be https, with a host and without user, query or fragment."
        )
    admin.require_host(field, host)
    return Target(field, host, port, parts.path.rstrip("/"), _trust(admin), loopback)


async def call(
    at: Target,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    resolve: Resolve,
    *,
    seconds: float = CALL_SECONDS,
) -> Came:
    """What the server answers to this. Raises NotAnswered, and ours where nothing was sent."""
    try:
        async with asyncio.timeout(seconds):
            for address in await callable_addresses(at.field, at.host, at.port, resolve, loopback=at.loopback):
                try:
                    return await _at(address, at, method, path, headers, body)
                except NotConnected:
                    continue
    except TimeoutError:
        raise NotAnswered from None
    raise said(SERVER_DOWN)


async def answers(at: Target, resolve: Resolve) -> bool:
    """Is somebody there who can prove to be this host? Nothing is asked, so nothing can be refused."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            for address in await callable_addresses(at.field, at.host, at.port, resolve, loopback=at.loopback):
                try:
                    _, writer = await asyncio.open_connection(address, at.port, ssl=at.tls, server_hostname=at.host)
                except OSError:
                    continue
                writer.transport.abort()
                return True
    except (KeyturnError, TimeoutError):
        return False
    return False


async def _at(address: str, at: Target, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Came:
    """At this very address: it is in the URL, so nobody looks the name up again. TLS is for the name."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=at.tls, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
    )
    url = f"https://{_bracketed(address)}:{at.port}{path}"
    told = {"Host": at.authority, "Accept-Encoding": "identity", **headers}
    try:
        async with (
            session,
            session.request(
                method, url, data=body, headers=told, allow_redirects=False, server_hostname=at.host
            ) as response,
        ):
            return Came(response.status, response.headers, await _bounded(response))
    except aiohttp.ClientSSLError:
        raise said(TLS_FAILED) from None
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise NotConnected from None
    except (aiohttp.ClientError, OSError, ValueError):
        raise NotAnswered from None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """Raises Denied for what is larger than any honest answer, without reading it to its end."""
    found = bytearray()
    async for piece in response.content.iter_any():
        found += piece
        if len(found) > LARGEST_ANSWER:
            raise said(TOO_LARGE)
    return bytes(found)


def _trust(admin: AdminSecret) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=admin.text("ca.crt"))
    except (ssl.SSLError, ValueError):
        context = None
    if context is None:
        raise admin.unreadable("ca.crt", "a certificate in PEM")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _bracketed(host: str) -> str:
    """As a URL has an IPv6 address."""
    return f"[{host}]" if ":" in host else host
