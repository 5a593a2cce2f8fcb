"""The one place that speaks HTTP to the API server: raw JSON in and out, a time limit on every call, our errors only.

It knows no kind and decides nothing. Every write asks the fence first: who is no longer the leader writes nothing.
What an answer means, and the errors it becomes, is ``kube.answers``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast
from urllib.parse import urlencode
from urllib.request import getproxies_environment

import aiohttp
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config

from keyturn.api.labels import FIELD_MANAGER
from keyturn.kube.answers import Answer, lost_answer, never_sent, object_read, object_written
from keyturn.kube.raw import Json, listed, text
from keyturn.ports import Misconfigured, Unavailable

CALL_SECONDS = 10.0  # the longest any call may take; the lease's margin is reckoned with it
_CONNECT_SECONDS = 3.0
_PAGE = 250  # 2,000 pods in one answer cost 87 MiB, in pages of 250 projected at once 12 (measured)
_RESTARTS = 3  # of a LIST whose snapshot expired at the server
_LONGEST_ASKED_WAIT = 3.0  # seconds that a read waits, all in all, where the API server says for how long
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

Fence = Callable[[], None]
T = TypeVar("T")


class FieldsNotSelectable(Misconfigured):
    """The API server does not pick by these fields: it is older than 1.31, or has the CRDs of a former version."""


class Patch(StrEnum):
    """How the body of a PATCH is to be read."""

    APPLY = "application/apply-patch+yaml"  # server-side apply
    MERGE = "application/merge-patch+json"


def no_fence() -> None:
    """For tools that run outside the operator."""


class KubeClient:
    """A connection to one API server. Made by ``connect``; use as a context manager, or ``close`` it."""

    def __init__(
        self,
        api: kubernetes_client.ApiClient,
        *,
        seconds: float = CALL_SECONDS,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._api = api
        self._seconds = seconds
        self._headers = dict(headers or {})
        self._fence: Fence = no_fence

    @classmethod
    async def connect(
        cls,
        kubeconfig: Path | None = None,
        context: str | None = None,
        *,
        seconds: float = CALL_SECONDS,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """From a kubeconfig if one is named, else from the pod's service account. ``headers`` go with every request.

        Raises:
            Misconfigured: there is no usable way to the API server.
        """
        configuration = kubernetes_client.Configuration()
        # Else each call has two threads look for a proxy and a ~/.netrc that nobody named.
        cast("Any", configuration).client_session_kwargs = {"trust_env": bool(getproxies_environment())}
        configuration.retries = False  # the reconciler is the retry loop; a hidden one would blur "was it written?"
        loads = cast("Any", kubernetes_config)  # carries no types
        try:
            if kubeconfig is None:
                loads.load_incluster_config(client_configuration=configuration)
            else:
                await loads.load_kube_config(
                    config_file=str(kubeconfig),
                    context=context,
                    client_configuration=configuration,
                    persist_config=False,
                )
        except (kubernetes_config.ConfigException, OSError):
            raise Misconfigured(
                "NoCluster",
                "No usable way to the API server: run in a pod with a service account, or give --kubeconfig.",
            ) from None
        return cls(kubernetes_client.ApiClient(configuration), seconds=seconds, headers=headers)

    def fenced_by(self, fence: Fence) -> None:
        """Before every write ``fence`` is called; it raises when this process may not write any more."""
        self._fence = fence

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give back the connections."""
        await self._api.close()

    # ----------------------------------------------------------------------------------------------- reading

    async def read(self, path: str) -> Json | None:
        """One object, consistent (from etcd, never a cache); None if it does not exist."""
        return object_read(path, await self._get(path))

    async def collect(
        self, path: str, project: Callable[[Json], T | None], *, metadata_only: bool = False, **query: str
    ) -> list[T]:
        """A whole collection, consistent, read page by page and projected at once so that raw pages are not kept.

        Pages of one LIST are of one moment; when its snapshot expires the LIST starts again from nothing.

        Raises:
            Misconfigured: the API server does not know this kind, or (FieldsNotSelectable) ``fieldSelector``.
            Unavailable: it could not be read to the end.
        """
        accept = _METADATA_LIST if metadata_only else ""
        for _ in range(_RESTARTS):
            found = await self._collect_once(path, project, query, accept)
            if found is not None:
                return found
        raise Unavailable(
            "ListExpired", "A list could not be read to the end before the API server's snapshot expired."
        )

    async def _collect_once(
        self, path: str, project: Callable[[Json], T | None], query: Mapping[str, str], accept: str
    ) -> list[T] | None:
        found: list[T] = []
        token = ""
        while True:
            asked = {**query, "limit": str(_PAGE), **({"continue": token} if token else {})}
            answer = await self._get(path, asked, accept=accept)
            if answer.status == 410:
                return None
            if answer.status == 400 and "fieldSelector" in query:
                raise FieldsNotSelectable("FieldsNotSelectable", "Install the CRDs of this version.")
            page = object_read(path, answer)
            if page is None:
                raise Misconfigured(
                    "KindMissing", f"The API server does not know {path}: install the CRDs of this version."
                )
            found += [kept for item in listed(page, "items") if (kept := project(item)) is not None]
            token = text(page, "metadata", "continue")
            if not token:
                return found

    async def latest(self, path: str) -> str:
        """The resourceVersion of a collection now, from etcd: where a watch can begin without listing everything."""
        page = object_read(path, await self._get(path, {"limit": "1"}, accept=_METADATA_LIST))
        return text(page or {}, "metadata", "resourceVersion")

    @asynccontextmanager
    async def watch(
        self, path: str, *, since: str, seconds: int, silence: float
    ) -> AsyncGenerator[AsyncGenerator[Json, None], None]:
        """Events of a collection after ``since``, for ``seconds`` at most; entered when the API server tells them.

        Bookmarks are among them, about one a minute. Raises Unavailable when cut off, or nothing came for ``silence``
        seconds; Denied if it may not be watched.
        """
        asked = {
            "watch": "1",
            "resourceVersion": since,
            "timeoutSeconds": str(seconds),
            "allowWatchBookmarks": "true",
        }
        limit = aiohttp.ClientTimeout(total=seconds + silence, sock_connect=_CONNECT_SECONDS, sock_read=silence)
        try:
            async with asyncio.timeout(self._seconds):
                response = await self._request("GET", path, asked, {}, None, limit)
            async with response:
                if response.status != 200:
                    object_read(path, Answer(response.status, {}))
                    raise Unavailable("WatchEnded", "The API server ended a watch; it is started again.")
                yield _events(response)
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise Unavailable("WatchEnded", "A watch was cut off; it is started again.") from None

    # ----------------------------------------------------------------------------------------------- writing

    async def create(self, path: str, body: Json) -> Json:
        """POST. Conflict when an object of that name exists."""
        return await self._write("POST", path, body)

    async def replace(self, path: str, body: Json) -> Json:
        """PUT: compare-and-set, because the body carries a resourceVersion."""
        return await self._write("PUT", path, body)

    async def patch(self, path: str, body: Json, how: Patch) -> Json:
        """PATCH under our field manager. Applying takes over the fields it names and no others."""
        query = {"fieldManager": FIELD_MANAGER} | ({"force": "true"} if how is Patch.APPLY else {})
        return await self._write("PATCH", path, body, query, how)

    async def delete(self, path: str, uid: str) -> None:
        """DELETE of exactly that object. An object that is gone, or another under its name, is success."""
        self._fence()
        options = {"preconditions": {"uid": uid}}
        answer = await self._send("DELETE", path, body=options, content_type="application/json")
        if answer.status not in {404, 409}:
            object_written("DELETE", path, answer)

    async def _write(
        self, method: str, path: str, body: Json, query: Mapping[str, str] | None = None, how: str = "application/json"
    ) -> Json:
        self._fence()
        asked = query if query is not None else {"fieldManager": FIELD_MANAGER}
        return object_written(method, path, await self._send(method, path, asked, body=body, content_type=how))

    # ------------------------------------------------------------------------------------------------ the wire

    async def _get(self, path: str, query: Mapping[str, str] | None = None, *, accept: str = "") -> Answer:
        """A read, asked again as soon as the API server says: a kind that was just installed is "(re)initializing".

        Since 1.31 such a LIST is turned away with 429 and ``Retry-After``; every Go client waits and asks again
        (https://github.com/kubernetes/enhancements/issues/4568). A read that is repeated blurs nothing.
        """
        left = _LONGEST_ASKED_WAIT
        while True:
            answer = await self._send("GET", path, query, accept=accept)
            if answer.status != 429 or not 0 < answer.retry_after <= left:
                return answer
            left -= answer.retry_after
            await asyncio.sleep(answer.retry_after)

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Json | None = None,
        content_type: str = "",
        accept: str = "",
    ) -> Answer:
        headers = {"Accept": accept or "application/json"} | ({"Content-Type": content_type} if content_type else {})
        limit = aiohttp.ClientTimeout(total=self._seconds, sock_connect=_CONNECT_SECONDS)
        try:
            response = await self._request(method, path, query or {}, headers, body, limit)
            async with response:
                raw = await response.read()
                return Answer(response.status, json.loads(raw) if raw else {}, _seconds(response))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise never_sent() from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            raise lost_answer(method, path) from None

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Json | None,
        limit: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        configuration = cast("Any", self._api).configuration
        token: str | None = await configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        sent = self._headers | dict(headers) | {"User-Agent": "keyturn"} | ({"authorization": token} if token else {})
        url = f"{configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        rest = cast("Any", self._api.rest_client)
        wrapped = await rest.request(method, url, headers=sent, body=body, _request_timeout=limit)
        return cast("aiohttp.ClientResponse", wrapped.response)


def _seconds(response: aiohttp.ClientResponse) -> float:
    """What ``Retry-After`` says; 0 where it says nothing, or a date."""
    told = response.headers.get("Retry-After", "")
    return float(told) if told.isascii() and told.isdecimal() else 0.0


async def _events(response: aiohttp.ClientResponse) -> AsyncGenerator[Json, None]:
    """One JSON object a line. Lines may be longer than aiohttp's own reader of lines allows."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                raise Unavailable("WatchEnded", "A watch was garbled; it is started again.") from None
