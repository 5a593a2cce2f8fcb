"""The API client in bad weather: what may have happened is never called refused, no error says a word of an answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio import client as kubernetes_client

from keyturn.kube.client import KubeClient, Patch
from keyturn.ports import Conflict, Denied, Forbidden, KeyturnError, Misconfigured, OutcomeUnknown, Unavailable

pytestmark = pytest.mark.integration

WORDS = "c4n4ry-in-the-answer"
PATH = "/api/v1/namespaces/shop/secrets/orders-db"
PODS = "/api/v1/namespaces/shop/pods"

Answer = Callable[[web.Request], Any]


class Weather:
    """An API server that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.bodies: list[str] = []
        self.answers: list[Answer] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.text())
        return await self.answers.pop(0)(request)

    def will(self, *answers: Answer) -> None:
        self.answers += answers


def says(status: int, body: Any = None, after: str = "") -> Answer:
    async def answer(_: web.Request) -> web.Response:
        headers = {"Retry-After": after} if after else {}
        return web.json_response(body if body is not None else {"message": WORDS}, status=status, headers=headers)

    answer.__name__ = f"status_{status}"
    return answer


async def hangs_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def stays_silent(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def breaks_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"kind": ')
    assert request.transport is not None
    request.transport.close()
    return response


async def garbles(_: web.Request) -> web.Response:
    return web.Response(text=f"<html>{WORDS}</html>", status=200)


@pytest.fixture
async def weather() -> AsyncIterator[tuple[Weather, KubeClient]]:
    weather = Weather()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", weather.answer)
    async with TestServer(app) as server:
        configuration = kubernetes_client.Configuration()
        configuration.host = str(server.make_url("")).rstrip("/")
        async with KubeClient(kubernetes_client.ApiClient(configuration), seconds=0.5) as client:
            yield weather, client


Both = tuple[Weather, KubeClient]


async def raised(call: Any) -> KeyturnError:
    with pytest.raises(KeyturnError) as caught:
        await call
    error = caught.value
    assert WORDS not in f"{error} {error!r} {error.__cause__!r}"
    assert error.__suppress_context__ or error.__context__ is None
    return error


@pytest.mark.fm(51)
@pytest.mark.parametrize("answer", [says(500), says(503), says(429), hangs_up, stays_silent, breaks_off, garbles])
async def test_a_read_that_was_not_answered_concludes_nothing(weather: Both, answer: Answer):
    server, client = weather
    server.will(*[answer] * 3)

    assert type(await raised(client.read(PATH))) is Unavailable


@pytest.mark.fm(3)
@pytest.mark.parametrize("answer", [says(500), says(503), says(504), hangs_up, stays_silent, breaks_off, garbles])
async def test_a_write_whose_answer_is_lost_may_have_happened(weather: Both, answer: Answer):
    server, client = weather
    server.will(answer)

    assert type(await raised(client.patch(PATH, {}, Patch.APPLY))) is OutcomeUnknown
    assert len(server.asked) == 1, "a write is never repeated behind our back"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (409, Conflict),
        (404, Conflict),
        (429, Unavailable),
        (403, Forbidden),
        (401, Forbidden),
        (400, Denied),
        (422, Denied),
    ],
)
async def test_a_refused_write_has_not_happened(weather: Both, status: int, kind: type[KeyturnError]):
    server, client = weather
    server.will(says(status))

    assert type(await raised(client.replace(PATH, {}))) is kind


async def test_a_server_that_cannot_be_reached_was_not_written_to():
    configuration = kubernetes_client.Configuration()
    configuration.host = "http://127.0.0.1:1"
    async with KubeClient(kubernetes_client.ApiClient(configuration), seconds=0.5) as client:
        assert type(await raised(client.create(PATH, {}))) is Unavailable


async def test_a_write_to_a_namespace_that_goes_away_says_so(weather: Both):
    server, client = weather
    cause = {"reason": "NamespaceTerminating", "field": "metadata.namespace", "message": WORDS}
    server.will(says(403, {"details": {"causes": [cause]}}))

    assert (await raised(client.create(PATH, {}))).reason == "NamespaceTerminating"


async def test_what_is_forbidden_is_named_with_the_way_out(weather: Both):
    server, client = weather
    server.will(says(403))

    message = (await raised(client.patch(PATH, {}, Patch.APPLY))).message
    assert message == (
        "The operator may not patch secrets/orders-db in namespace shop: grant it in the chart's RBAC values."
    )


@pytest.mark.fm(51)
async def test_a_read_waits_as_long_as_the_server_asks_for(weather: Both):
    """As it does about a kind that was installed a moment ago."""
    server, client = weather
    server.will(says(429, after="1"), page("a"))

    assert await client.collect(PODS, name_of) == ["a"]


@pytest.mark.fm(51)
@pytest.mark.parametrize("after", ["", "0", "3600", "Sun, 22 Nov 2026 20:00:00 GMT"])
async def test_a_read_waits_for_no_server_that_asks_for_too_much_or_for_nothing(weather: Both, after: str):
    server, client = weather
    server.will(says(429, after=after))

    assert (await raised(client.read(PATH))).reason == "ApiServerBusy"
    assert len(server.asked) == 1


async def test_a_server_that_never_has_time_is_given_up_and_a_write_never_repeated(weather: Both):
    server, client = weather
    server.will(*[says(429, after="1")] * 5)

    assert type(await raised(client.read(PATH))) is Unavailable
    assert len(server.asked) == 4
    assert type(await raised(client.patch(PATH, {}, Patch.APPLY))) is Unavailable
    assert len(server.asked) == 5


def page(*names: str, more: str = "") -> Answer:
    return says(200, {"metadata": {"continue": more}, "items": [{"metadata": {"name": name}} for name in names]})


def name_of(item: dict[str, Any]) -> str | None:
    return item["metadata"]["name"]


@pytest.mark.fm(48, 50)
async def test_a_list_is_read_to_its_end_page_by_page_and_always_consistently(weather: Both):
    server, client = weather
    server.will(page("a", "b", more="t1"), page("c"))

    assert await client.collect(PODS, name_of) == ["a", "b", "c"]
    assert [request.query.get("continue") for request in server.asked] == [None, "t1"]
    assert all("resourceVersion" not in request.query for request in server.asked)


@pytest.mark.fm(48)
async def test_a_list_whose_snapshot_expired_starts_again_from_nothing(weather: Both):
    server, client = weather
    server.will(page("a", "b", more="t1"), says(410), page("b", "c"))

    assert await client.collect(PODS, name_of) == ["b", "c"]


@pytest.mark.fm(48)
async def test_a_list_that_fails_on_its_second_page_is_no_short_list(weather: Both):
    server, client = weather
    server.will(page("a", more="t1"), says(500))

    assert type(await raised(client.collect(PODS, name_of))) is Unavailable


async def test_a_list_that_always_expires_gives_up(weather: Both):
    server, client = weather
    server.will(*[page("a", more="t"), says(410)] * 3)

    assert (await raised(client.collect(PODS, name_of))).reason == "ListExpired"


async def test_a_kind_that_the_server_does_not_know_says_what_to_install(weather: Both):
    server, client = weather
    server.will(says(404))

    error = await raised(client.collect("/apis/keyturn.dev/v1alpha1/rotationplans", name_of))
    assert type(error) is Misconfigured
    assert "CRDs" in error.message


async def test_deleting_what_is_gone_or_has_become_another_is_success(weather: Both):
    server, client = weather
    server.will(says(404), says(409), says(200))

    for _ in range(3):
        await client.delete(PATH, "uid-1")
    assert json.loads(server.bodies[0]) == {"preconditions": {"uid": "uid-1"}}


@pytest.mark.fm(38, 52)
async def test_a_closed_fence_lets_no_write_out_and_every_read(weather: Both):
    server, client = weather

    def closed() -> None:
        raise Unavailable("NotLeading", "another replica leads")

    client.fenced_by(closed)
    server.will(says(200, {"kind": "Secret"}))

    assert await client.read(PATH) == {"kind": "Secret"}
    for write in (
        client.create(PATH, {}),
        client.replace(PATH, {}),
        client.patch(PATH, {}, Patch.MERGE),
        client.delete(PATH, "u"),
    ):
        assert (await raised(write)).reason == "NotLeading"
    assert len(server.asked) == 1


async def test_no_usable_way_to_a_cluster_says_what_to_give(tmp_path: Any):
    with pytest.raises(Misconfigured, match="--kubeconfig"):
        await KubeClient.connect(tmp_path / "no-such-file")
