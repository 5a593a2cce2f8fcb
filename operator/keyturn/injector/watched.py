"""Which RotationPlans there are: listed and watched straight from the API server, kept as a few words each.

The injector's only view of the cluster, and its only right. While the API server cannot be asked, the last known plans
serve on. Plain aiohttp: the whole Kubernetes client would double the memory of a process that asks one question.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aiohttp
import structlog

from keyturn.api.base import GROUP, VERSION
from keyturn.injector.patch import Interest, Json, interest_of
from keyturn.ports import Misconfigured, Unavailable

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_LARGEST_EVENT = 4 * 1024 * 1024  # bytes of one line; etcd holds at most 1.5 MiB an object
_WATCH_SECONDS = 240
_LIST_SECONDS = 20
_LONGEST_PAUSE = 30.0
_log = structlog.get_logger("keyturn.injector")


@dataclass(frozen=True, slots=True)
class ApiServer:
    """Where the API server is and how to speak to it. The token is read anew each time: it expires hourly."""

    url: str
    trust: ssl.SSLContext | None
    token: Callable[[], str]


def in_cluster() -> ApiServer:
    """As every pod is told. Raises Misconfigured outside of a cluster."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (_ACCOUNT / "token").exists():
        raise Misconfigured("NotInCluster", "the injector runs in a pod with a service account; install the chart")
    shown = f"[{host}]" if ":" in host else host
    trust = ssl.create_default_context(cafile=str(_ACCOUNT / "ca.crt"))
    return ApiServer(f"https://{shown}:{port}", trust, (_ACCOUNT / "token").read_text)


class Plans:
    """The plans of some namespaces (none named: of all). ``run`` keeps them up to date until cancelled."""

    def __init__(self, server: ApiServer, namespaces: Sequence[str]) -> None:
        self._server = server
        self._scopes = tuple(namespaces) or ("",)
        self._known: dict[str, dict[tuple[str, str], Interest]] = {}  # scope -> (namespace, name) -> plan
        self._listed = asyncio.Event()

    def of(self, namespace: str) -> tuple[Interest, ...]:
        """The plans of a namespace."""
        return tuple(plan for plans in self._known.values() for (where, _), plan in plans.items() if where == namespace)

    @property
    def ready(self) -> bool:
        """Was every scope listed once?"""
        return self._listed.is_set()

    async def until_ready(self, seconds: float) -> bool:
        """Wait that long at most for the first lists."""
        try:
            async with asyncio.timeout(seconds):
                await self._listed.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """List and watch, for ever."""
        connector = aiohttp.TCPConnector(ssl=self._server.trust or True)
        async with (
            aiohttp.ClientSession(connector=connector, read_bufsize=_LARGEST_EVENT) as session,
            asyncio.TaskGroup() as group,
        ):
            for scope in self._scopes:
                group.create_task(self._follow(session, scope))

    async def _follow(self, session: aiohttp.ClientSession, scope: str) -> None:
        pause = 1.0
        while True:
            try:
                version = await self._list(session, scope)
                pause = 1.0
                await self._watch(session, scope, version)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError, Unavailable) as error:
                # ValueError: no JSON, or a line beyond the limit. The type alone: never the server's words.
                _log.warning("plans cannot be read", namespace=scope or "*", kind=type(error).__name__)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def _list(self, session: aiohttp.ClientSession, scope: str) -> str:
        timeout = aiohttp.ClientTimeout(total=_LIST_SECONDS)
        async with session.get(self._url(scope), headers=self._headers(), timeout=timeout) as answer:
            if answer.status != 200:
                raise Unavailable(
                    "PlansUnreadable", "the API server did not list RotationPlans; is the chart's RBAC there?"
                )
            body = cast("Json", await answer.json())
        found = [interest_of(item) for item in cast("list[Json]", body.get("items") or [])]
        self._known[scope] = {(plan.namespace, plan.name): plan for plan in found}
        if len(self._known) == len(self._scopes):
            self._listed.set()
        return str(cast("Json", body.get("metadata") or {}).get("resourceVersion", ""))

    async def _watch(self, session: aiohttp.ClientSession, scope: str, version: str) -> None:
        """Until the server ends it or says that the version is too old: then the caller lists again."""
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": str(_WATCH_SECONDS)}
        timeout = aiohttp.ClientTimeout(total=_WATCH_SECONDS + 30, sock_connect=10)
        async with session.get(self._url(scope), params=query, headers=self._headers(), timeout=timeout) as answer:
            if answer.status != 200:
                raise Unavailable("PlansUnreadable", "the API server did not let RotationPlans be watched")
            async for line in answer.content:
                event: dict[str, Any] = json.loads(line)
                if event.get("type") == "ERROR":
                    return
                self._take(scope, event)

    def _take(self, scope: str, event: Json) -> None:
        plan = interest_of(cast("Json", event.get("object") or {}))
        if event.get("type") == "DELETED":
            self._known[scope].pop((plan.namespace, plan.name), None)
        elif event.get("type") in {"ADDED", "MODIFIED"}:
            self._known[scope][plan.namespace, plan.name] = plan

    def _url(self, scope: str) -> str:
        within = f"namespaces/{scope}/" if scope else ""
        return f"{self._server.url}/apis/{GROUP}/{VERSION}/{within}rotationplans"

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._server.token().strip()}", "Accept": "application/json"}
