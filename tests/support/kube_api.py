"""Another client of the API server than Keyturn's: what tests, hollow nodes and the proxy speak through. Raw JSON."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml

Json = dict[str, Any]
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
_SECONDS = 30.0  # for one call
_PAUSES = (0, 1, 2)  # seconds between the tries of a read
_LARGEST_EVENT = 4 * 1024 * 1024


class Refused(Exception):
    """The API server said no."""

    def __init__(self, method: str, path: str, status: int, body: Json) -> None:
        super().__init__(f"{method} {path}: {status} {body.get('message', '')}")
        self.status = status


class Unanswered(Exception):
    """The API server gave no answer to a test, however often it was asked."""


class KubeApi:
    """The API server of a kubeconfig with a client certificate. Use as a context manager."""

    def __init__(self, kubeconfig: Path) -> None:
        document = yaml.safe_load(kubeconfig.read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        self.url: str = cluster["server"]
        self.trust = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile() as pair:  # the standard library takes certificates from files only
            pair.write(base64.b64decode(user["client-certificate-data"]))
            pair.write(base64.b64decode(user["client-key-data"]))
            pair.flush()
            self.trust.load_cert_chain(pair.name)
        self.session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self.trust, limit=0)
        self.session = aiohttp.ClientSession(connector=connector, read_bufsize=_LARGEST_EVENT)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def send(
        self, method: str, path: str, body: Json | None = None, *, kind: str = "application/json"
    ) -> tuple[int, Json]:
        """Status code and answer. Reads are tried again, also where the API server has no time. Raises Unanswered."""
        for pause in (*_PAUSES, None) if method == "GET" else (None,):
            with suppress(aiohttp.ClientError, TimeoutError):
                status, answer = await self._send(method, path, body, kind)
                if status != 429 or pause is None:
                    return status, answer
            await asyncio.sleep(pause or 0)
        raise Unanswered(f"{method} {path}")

    async def _send(self, method: str, path: str, body: Json | None, kind: str) -> tuple[int, Json]:
        data = None if body is None else json.dumps(body).encode()
        limit = aiohttp.ClientTimeout(total=_SECONDS)
        headers = {"Content-Type": kind} if body is not None else {}
        async with self.session.request(method, self.url + path, data=data, headers=headers, timeout=limit) as answer:
            raw = await answer.read()
            return answer.status, json.loads(raw) if raw else {}

    async def must(self, method: str, path: str, body: Json | None = None, *, kind: str = "application/json") -> Json:
        """The answer. Raises Refused."""
        status, answer = await self.send(method, path, body, kind=kind)
        if status >= 300:
            raise Refused(method, path, status, answer)
        return answer

    async def read(self, path: str) -> Json | None:
        """None if it does not exist."""
        status, answer = await self.send("GET", path)
        if status == 404:
            return None
        if status != 200:
            raise Refused("GET", path, status, answer)
        return answer

    async def apply(self, path: str, body: Json) -> Json:
        """As another field manager than Keyturn."""
        return await self.must("PATCH", f"{path}?fieldManager=tests&force=true", body, kind=APPLY)

    async def merge(self, path: str, body: Json) -> Json:
        """A merge patch."""
        return await self.must("PATCH", path, body, kind=MERGE)

    async def items(self, path: str) -> list[Json]:
        """A whole collection."""
        return (await self.must("GET", path))["items"]

    async def follow(self, path: str, query: str = "") -> AsyncGenerator[Json, None]:
        """What is there as ADDED events and then every change, for ever: begins anew whenever the stream ends."""
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, ValueError):
                async for event in self._events(path, query):
                    if event["type"] == "ERROR":
                        break
                    yield event

    async def _events(self, path: str, query: str) -> AsyncGenerator[Json, None]:
        limit = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with self.session.get(f"{self.url}{path}?watch=1&{query}", timeout=limit) as answer:
            async for line in answer.content:
                yield json.loads(line)
