"""One look at a page of a pod: plain HTTP to the pod's own address, no redirect, bounded time and size.

Only addresses that the API server gives for a pod are called, and none that an operator must never call; what comes is
handed on unread. An error carries words of ours alone.
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Final

import aiohttp

from keyturn.providers.addresses import refusal

SECONDS: Final = 3.0  # for connection and page together
LARGEST: Final = 1024 * 1024  # bytes; a page of a busy app has some hundred thousand
_HEADERS: Final = {"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "identity"}


class Unread(Exception):
    """Why the page says nothing, in words for people."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class HttpPages:
    """``loopback``: for tests, whose pods live there."""

    def __init__(self, *, loopback: bool = False, seconds: float = SECONDS) -> None:
        self._loopback, self._seconds = loopback, seconds

    async def page(self, address: str, port: int, path: str) -> bytes:
        """The whole page. Raises Unread."""
        try:
            refused = refusal(address, loopback=self._loopback)
        except ValueError:
            refused = "unreadable"
        if refused:
            raise Unread(f"it has a {refused} address, which Keyturn never calls")
        try:
            async with asyncio.timeout(self._seconds):
                return await _read(f"http://{_host(address)}:{port}{path}")
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            silent = f"its page on port {port} does not answer: a NetworkPolicy must admit the operator"
            raise Unread(silent) from None


async def _read(url: str) -> bytes:
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
        trust_env=False,
    )
    async with session, session.get(url, headers=_HEADERS, allow_redirects=False) as response:
        if response.status != 200:
            raise Unread(f"its page is answered with status {response.status}")
        found = bytearray()
        async for piece in response.content.iter_any():
            found += piece
            if len(found) > LARGEST:
                raise Unread("its page is larger than any honest one")
        return bytes(found)


def _host(address: str) -> str:
    return f"[{address}]" if ip_address(address).version == 6 else address
