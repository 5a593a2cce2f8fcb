"""Watching through kopf when the API server fails: it is waited for, and only a refusal ends the operator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from keyturn.core.model import ObjectKey
from keyturn.kube import handlers
from keyturn.kube.pages import Heartbeat
from keyturn.kube.wakeups import Wakeups
from keyturn.ports import Denied

PLURALS = ("rotationplans", "rotations", "credentialproviders", "clustercredentialproviders")
PLAN = {"metadata": {"namespace": "shop", "name": "orders-db", "uid": "1", "resourceVersion": "1"}, "spec": {}}


class ApiServer:
    """One that fails, or refuses, until it is well; then it knows our kinds and one plan."""

    def __init__(self) -> None:
        self.status = 200
        self.asked = 0
        self.news = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        self.news.set()
        if self.status != 200:
            said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": self.status}
            return web.json_response(said, status=self.status)
        if "watch" in request.query:
            stream = web.StreamResponse()
            await stream.prepare(request)
            await asyncio.Event().wait()
        return web.json_response(self._document(request.path))

    def _document(self, path: str) -> dict[str, Any]:
        groups = [group("keyturn.dev", "v1alpha1"), group("apiextensions.k8s.io", "v1")]
        discovery: dict[str, dict[str, Any]] = {
            "/api": {"versions": ["v1"]},
            "/api/v1": {"resources": [kind("namespaces"), kind("events")]},
            "/apis": {"groups": groups},
            "/apis/apiextensions.k8s.io/v1": {"resources": [kind("customresourcedefinitions")]},
            "/apis/keyturn.dev/v1alpha1": {"resources": [kind(plural) for plural in PLURALS]},
        }
        items = [PLAN] if path.endswith("/rotationplans") else []
        return discovery.get(path, {"metadata": {"resourceVersion": "7"}, "items": items})


def group(name: str, version: str) -> dict[str, Any]:
    known = {"version": version, "groupVersion": f"{name}/{version}"}
    return {"name": name, "versions": [known], "preferredVersion": known}


def kind(plural: str) -> dict[str, Any]:
    verbs = ["get", "list", "watch"]
    namespaced = not plural.startswith("cluster")
    return {"name": plural, "singularName": "", "kind": plural.title(), "namespaced": namespaced, "verbs": verbs}


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiServer]:
    server, app = ApiServer(), web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    async with TestServer(app) as at:
        config = {
            "clusters": [{"name": "c", "cluster": {"server": str(at.make_url("")).rstrip("/")}}],
            "users": [{"name": "u", "user": {"token": "x"}}],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "here",
        }
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        yield server


def watching(woken: asyncio.Queue[ObjectKey]) -> asyncio.Task[None]:
    def wake(key: ObjectKey, *, behind: bool = False) -> None:
        del behind
        woken.put_nowait(key)

    return asyncio.ensure_future(
        handlers.watch(
            Wakeups(wake),
            [],
            in_cluster=False,
            ready=asyncio.Event(),
            heartbeat=Heartbeat(),
            patience=handlers.Patience(retries=(), pause=0.05),
        )
    )


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.fm(51)
@pytest.mark.parametrize("status", [500, 503, 429])
async def test_an_api_server_that_fails_at_start_is_waited_for(server: ApiServer, status: int):
    server.status = status
    woken: asyncio.Queue[ObjectKey] = asyncio.Queue()
    task = watching(woken)
    async with asyncio.timeout(10):
        while server.asked < 6 and not task.done():
            server.news.clear()
            await asyncio.wait([task, asyncio.ensure_future(server.news.wait())], return_when=asyncio.FIRST_COMPLETED)
    assert not task.done()

    server.status = 200
    assert await asyncio.wait_for(woken.get(), 10) == ObjectKey("shop", "orders-db")
    await ended(task)


async def test_an_api_server_that_refuses_ends_the_watching_with_what_to_do(server: ApiServer):
    server.status = 403
    with pytest.raises(Denied, match=r"install this version's CRDs, and grant list and watch"):
        await asyncio.wait_for(watching(asyncio.Queue()), 10)
