"""The webhook always allows, and says the same patch as ``kubectl keyturn inject``."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from keyturn.injector.patch import injection, interest_of
from keyturn.injector.server import Settings, application, serve
from keyturn.injector.watched import ApiServer, Plans
from keyturn.ports import Misconfigured
from support.tls import Authority

pytestmark = pytest.mark.enable_socket
IMAGE = "keyturn/probe:1"


def plan(name: str = "orders-db") -> dict[str, Any]:
    keys = {"DATABASE_URL": "{username}:{password}"}
    return {"metadata": {"namespace": "shop", "name": name}, "spec": {"secret": {"name": "orders", "keys": keys}}}


POD = {
    "metadata": {"generateName": "orders-api-"},
    "spec": {"containers": [{"name": "app", "envFrom": [{"secretRef": {"name": "orders"}}]}]},
}


class FakeApi:
    """An API server that knows RotationPlans and nothing else."""

    def __init__(self) -> None:
        self.items = [plan()]
        self.status = 200
        self.events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.lists = 0
        self.tokens: set[str] = set()

    async def plans(self, request: web.Request) -> web.StreamResponse:
        self.tokens.add(request.headers["Authorization"])
        if self.status != 200:
            return web.json_response({"message": "secret words"}, status=self.status)
        if "watch" not in request.query:
            self.lists += 1
            return web.json_response({"items": self.items, "metadata": {"resourceVersion": "7"}})
        assert request.query["resourceVersion"] == "7"
        answer = web.StreamResponse()
        await answer.prepare(request)
        while (event := await self.events.get()) is not None:
            await answer.write(json.dumps(event).encode() + b"\n")
        return answer


@pytest.fixture
async def api() -> AsyncIterator[tuple[FakeApi, ApiServer]]:
    fake = FakeApi()
    app = web.Application()
    app.router.add_get("/apis/keyturn.dev/v1alpha1/namespaces/shop/rotationplans", fake.plans)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield fake, ApiServer(f"http://{host}:{port}", None, lambda: "token\n")
    await runner.cleanup()


@pytest.fixture
async def plans(api: tuple[FakeApi, ApiServer]) -> AsyncIterator[Plans]:
    known = Plans(api[1], ["shop"])
    task = asyncio.create_task(known.run())
    yield known
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


class Webhook:
    """Speaks to the application as the API server does."""

    def __init__(self, base: str) -> None:
        self.base = base

    async def post(self, body: bytes) -> dict[str, Any]:
        async with aiohttp.ClientSession() as session, session.post(f"{self.base}/inject", data=body) as answer:
            assert answer.status == 200
            return (await answer.json())["response"]

    async def review(self, pod: object = POD, namespace: str = "shop") -> dict[str, Any]:
        return await self.post(json.dumps({"request": {"uid": "u1", "namespace": namespace, "object": pod}}).encode())


@asynccontextmanager
async def serving(plans: Plans) -> AsyncIterator[Webhook]:
    runner = web.AppRunner(application(plans, IMAGE))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield Webhook(f"http://{host}:{port}")
    await runner.cleanup()


@pytest.fixture
async def webhook(plans: Plans) -> AsyncIterator[Webhook]:
    async with serving(plans) as made:
        yield made


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # the code under test has no event for this
            await asyncio.sleep(0)


async def test_a_pod_of_a_plan_gets_the_patch(webhook: Webhook) -> None:
    answer = await webhook.review()
    assert (answer["uid"], answer["allowed"], answer["patchType"]) == ("u1", True, "JSONPatch")
    said = json.loads(base64.b64decode(answer["patch"]))
    assert said == list(injection(POD, [interest_of(plan())], IMAGE).operations)


async def test_a_pod_of_no_plan_is_allowed_with_a_warning(webhook: Webhook) -> None:
    answer = await webhook.review(namespace="elsewhere")
    assert (answer["allowed"], "patch" in answer) == (True, False)
    assert "no RotationPlan" in answer["warnings"][0]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"request": null}', b'{"request": {"uid": "u", "object": 7}}'])
async def test_whatever_is_wrong_the_pod_is_allowed(webhook: Webhook, body: bytes) -> None:
    answer = await webhook.post(body)
    assert (answer["allowed"], "patch" in answer) == (True, False)


async def test_before_the_plans_are_known_the_pod_is_allowed_without_a_probe(
    api: tuple[FakeApi, ApiServer],
) -> None:
    async with serving(Plans(api[1], ["shop"])) as webhook:
        assert "does not know the plans yet" in (await webhook.review())["warnings"][0]


async def test_an_api_server_that_refuses_does_not_end_the_injector(api: tuple[FakeApi, ApiServer]) -> None:
    api[0].status = 403
    plans = Plans(api[1], ["shop"])
    async with asyncio.TaskGroup() as group:
        task = group.create_task(plans.run())
        await until(lambda: api[0].tokens)
        api[0].status = 200
        await until(lambda: plans.ready)
        task.cancel()


async def test_plans_come_and_go_with_the_watch(api: tuple[FakeApi, ApiServer], plans: Plans) -> None:
    fake, _ = api
    await until(lambda: len(plans.of("shop")) == 1)
    await fake.events.put({"type": "ADDED", "object": plan("second")})
    await until(lambda: {one.name for one in plans.of("shop")} == {"orders-db", "second"})
    await fake.events.put({"type": "DELETED", "object": plan()})
    await until(lambda: {one.name for one in plans.of("shop")} == {"second"})
    assert fake.tokens == {"Bearer token"}


async def test_a_watch_that_is_too_old_lists_again(api: tuple[FakeApi, ApiServer], plans: Plans) -> None:
    fake, _ = api
    await until(lambda: plans.ready)
    fake.items = []
    await fake.events.put({"type": "ERROR", "object": {"code": 410}})
    await until(lambda: fake.lists == 2)
    await until(lambda: plans.of("shop") == ())


async def test_the_real_server_speaks_tls_with_the_mounted_certificate(
    api: tuple[FakeApi, ApiServer], tmp_path: Path, unused_tcp_port: int
) -> None:
    authority = Authority()
    for name, content in zip(("tls.crt", "tls.key"), authority.issue("localhost"), strict=True):
        (tmp_path / name).write_bytes(content)
    settings = Settings(IMAGE, ("shop",), tmp_path, unused_tcp_port, "127.0.0.1")
    task = asyncio.create_task(serve(settings, api[1]))
    trust = ssl.create_default_context(cadata=authority.ca_pem.decode())
    url = f"https://localhost:{unused_tcp_port}/readyz"
    async with aiohttp.ClientSession() as session, asyncio.timeout(10):
        status = 0
        while status != 200:
            with suppress(aiohttp.ClientConnectorError):
                async with session.get(url, ssl=trust) as answer:
                    status = answer.status
            await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_without_a_certificate_it_says_what_is_missing(api: tuple[FakeApi, ApiServer], tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"tls\.crt"):
        await serve(Settings(IMAGE, (), tmp_path), api[1])
