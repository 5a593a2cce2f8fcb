"""Calls of the management API, as the rotator: verified TLS, a time limit on each, no redirects, no proxies.

Nothing here knows what is asked through it. Source: https://www.rabbitmq.com/docs/http-api-reference
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast
from urllib.parse import quote

import httpx

from keyturn.core.sealed import Unsuitable
from keyturn.ports import Misconfigured
from keyturn.providers.rabbitmq.failures import elsewhere, require_well, translated
from keyturn.providers.rabbitmq.settings import Settings

CONNECT_SECONDS: Final = 5.0
CALL_SECONDS: Final = 15.0  # all that is done within one ``rotator`` block, whatever the server does
_ABSENT: Final = 404

Row = Mapping[str, Any]  # the API's JSON carries no types


class Api:
    """The open management API. ``writing`` calls leave doubt when their answer is lost."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.told_at: datetime | None = None  # the server's own time, of its last answer

    async def rows(self, *path: str, **query: str) -> Sequence[Row]:
        """A list. What is not there has no rows."""
        return cast("Sequence[Row]", await self._get(path, query) or ())

    async def row(self, *path: str, **query: str) -> Row | None:
        """One thing, or None where there is no such one."""
        return cast("Row | None", await self._get(path, query))

    async def put(self, body: Mapping[str, object], *path: str) -> None:
        """Make or replace."""
        with translated(writing=True):
            answer = await self._client.put(_path(path), json=body)
        require_well(answer, writing=True)

    async def drop(self, *path: str, reason: str = "") -> None:
        """Take away. What is not there is as gone as can be."""
        with translated(writing=True):
            answer = await self._client.delete(_path(path), headers={"X-Reason": reason} if reason else {})
        if answer.status_code != _ABSENT:
            require_well(answer, writing=True)

    async def _get(self, path: Sequence[str], query: Mapping[str, str]) -> object:
        with translated():
            answer = await self._client.get(_path(path), params=dict(query))
        if answer.status_code == _ABSENT and "application/json" in answer.headers.get("content-type", ""):
            return None
        require_well(answer, writing=False)
        self.told_at = _time_of(answer)
        try:
            return cast("object", answer.json())
        except ValueError:
            pass
        raise elsewhere()


@asynccontextmanager
async def rotator(settings: Settings, *, writing: bool = False) -> AsyncGenerator[Api]:
    """The API as the rotator. All failures within the block come out as ours."""
    try:
        password = settings.password.reveal_text()
    except Unsuitable:
        password = None
    if password is None:
        raise Misconfigured("AdminSecretUnreadable", "'password' of the admin Secret is not UTF-8.")
    base = httpx.URL(
        scheme="http" if settings.plain else "https", host=settings.admin.host, port=settings.admin.port, path="/api/"
    )
    with translated(writing=writing):
        async with (
            asyncio.timeout(CALL_SECONDS),
            httpx.AsyncClient(
                base_url=base,
                auth=httpx.BasicAuth(settings.user, password),
                verify=security(settings) or False,
                timeout=httpx.Timeout(CALL_SECONDS, connect=CONNECT_SECONDS),
                trust_env=False,
                follow_redirects=False,
            ) as client,
        ):
            yield Api(client)


def security(settings: Settings) -> ssl.SSLContext | None:
    """How the server proves who it is; None only where plain connections were allowed."""
    if settings.plain:
        return None
    context = ssl.create_default_context(cadata=settings.authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _path(path: Sequence[str]) -> str:
    """A virtual host may be called ``/``."""
    return "/".join(quote(part, safe="") for part in path)


def _time_of(answer: httpx.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
    except ValueError:
        return None
