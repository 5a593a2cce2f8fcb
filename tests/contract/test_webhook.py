"""What only a webhook has: signatures, addresses, and servers that lie, dawdle, or say what nobody understands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from aiohttp import web

from keyturn.core.model import Existence, Idle, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Conflict, Credential, Denied, KeyturnError, Misconfigured, OutcomeUnknown, Unavailable
from keyturn.providers.outside import LARGEST_ANSWER
from keyturn.providers.webhook.provider import WebhookProvider
from support.crooked_server import NAME, Crooked, crooked, dawdle, hang_up, inventory, pour, principal
from support.postgres_plan import op
from support.tls import Authority
from support.webhook_plan import CURRENT, SLOT_A, SLOT_B

pytestmark = pytest.mark.contract
NEW = Credential(SLOT_B, Sealed("new-value-of-a-test-long-enough"))
TAG = {"rotation": "rotation-1", "generation": 1, "epoch": 1}


@pytest.fixture
async def server() -> AsyncIterator[Crooked]:
    async with crooked() as started:
        yield started


async def refusal(provider: WebhookProvider) -> KeyturnError:
    """What looking at the inventory comes to."""
    with pytest.raises(KeyturnError) as refused:
        await provider.inventory()
    return refused.value


# --------------------------------------------------------------------------------------------- signatures


async def test_a_server_that_holds_the_key_is_believed(server: Crooked):
    provider = server.setting.open()
    assert await provider.reach() is Reach.UP
    assert {one.id: one.state for one in await provider.inventory()}[SLOT_A] is Existence.ACTIVE
    assert (await provider.identify()).startswith("webhook/localhost:")
    assert "shop-1" not in await provider.identify()  # the server's words go nowhere


async def test_an_answer_under_another_key_is_not_believed(server: Crooked):
    server.key = "another-key-of-a-test-0123456789abcdef"
    assert (await refusal(server.setting.open())).reason == "AnswerNotSigned"
    assert await server.setting.open().reach() is Reach.REFUSED
    assert await server.setting.open().test(CURRENT) is Trial.DOWN
    assert await server.setting.open().same_system(CURRENT) is Sameness.UNKNOWN


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 409])
async def test_an_answer_without_a_signature_is_not_believed(server: Crooked, status: int):
    async def unsigned(_request: web.Request, _server: Crooked) -> web.Response:
        return web.json_response(inventory(), status=status)

    server.whole["inventory"] = unsigned
    assert (await refusal(server.setting.open())).reason == "AnswerNotSigned"


async def test_an_answer_to_another_request_is_not_believed(server: Crooked):
    """Given somebody who recorded a right answer, when it is played again, then the nonce is another one."""
    recorded: list[web.Response] = []

    async def played_again(request: web.Request, told: Crooked) -> web.Response:
        if not recorded:
            recorded.append(told.signed(request, 200, json.dumps(inventory()).encode()))
        first = recorded[0]
        return web.Response(body=first.body, headers={"Keyturn-Signature": first.headers["Keyturn-Signature"]})

    server.whole["inventory"] = played_again
    provider = server.setting.open()
    assert await provider.inventory()
    assert (await refusal(provider)).reason == "AnswerNotSigned"


@pytest.mark.parametrize("change", ["status", "body"])
async def test_an_answer_that_was_altered_is_not_believed(server: Crooked, change: str):
    async def altered(request: web.Request, told: Crooked) -> web.Response:
        answer = told.signed(request, 409, b'{"code": "Busy"}')
        body = answer.body if change == "status" else b'{"code": "Overtaken"}'
        return web.Response(status=403 if change == "status" else 409, body=body, headers=dict(answer.headers))

    server.whole["inventory"] = altered
    assert (await refusal(server.setting.open())).reason == "AnswerNotSigned"


async def test_values_travel_in_the_body_alone(server: Crooked):
    provider = server.setting.open()
    server.says["inventory"] = inventory(principal(SLOT_B, "Active", plan="shop/orders-door", tag=TAG))
    await provider.ensure(op("Create"), NEW, SLOT_A)
    await provider.test(CURRENT)
    values = (NEW.value.reveal_text(), CURRENT.value.reveal_text())
    assert sum(value.encode() in body for value in values for _, _, body in server.heard) == 2
    assert not any(value in str((verb, headers)) for value in values for verb, headers, _ in server.heard)


# ---------------------------------------------------------------------------------------------- addresses


async def test_the_connection_goes_to_the_address_that_was_checked_and_tls_is_for_the_name(server: Crooked):
    """Given a name that only this test's resolver knows, then nobody else was asked for it."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(f"{host}:{port}")
        return ("127.0.0.1",)

    port = server.url.rpartition(":")[2]
    setting = server.setting.but(url=f"https://{NAME}:{port}")
    assert await setting.open(resolve=resolve).inventory()
    assert asked == [f"{NAME}:{port}"]
    assert server.heard[-1][1]["Host"] == f"{NAME}:{port}"


async def test_a_name_that_leads_elsewhere_at_the_second_look_is_not_called_there(server: Crooked):
    answers = iter([("127.0.0.1",), ("169.254.169.254",)])

    async def rebinding(_host: str, _port: int) -> Sequence[str]:
        await asyncio.sleep(0)
        return next(answers)

    provider = server.setting.open(resolve=rebinding)
    assert await provider.inventory()
    assert (await refusal(provider)).reason == "AddressRefused"
    assert server.verbs() == ["inventory"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433", "127.1", "0.0.0.0", "169.254.169.254"])  # noqa: S104
async def test_without_the_tests_allowance_this_machine_is_never_called(server: Crooked, host: str):
    setting = server.setting
    there = setting.but(
        url=setting.url.replace("localhost", host), admin=setting.admin | {"hosts": host}, loopback=False
    )
    assert (await refusal(there.open())).reason == "AddressRefused"
    assert await there.open().reach() is Reach.REFUSED
    assert server.heard == []


async def test_the_tests_allowance_is_told_in_every_rotation(server: Crooked):
    unchecked = (await server.setting.open().preflight(CURRENT)).unchecked
    assert [problem.reason for problem in unchecked] == ["LoopbackAllowed"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("signed", [True, False])
async def test_no_redirect_is_followed(server: Crooked, status: int, *, signed: bool):
    async def elsewhere(request: web.Request, told: Crooked) -> web.Response:
        to = {"Location": f"{told.url}/v1/identify"}
        return told.signed(request, status, b"", **to) if signed else web.Response(status=status, headers=to)

    server.whole["inventory"] = elsewhere
    found = await refusal(server.setting.open())
    assert (type(found), found.reason) == (Misconfigured, "Redirected")
    assert server.verbs() == ["inventory"]


@pytest.mark.parametrize("wrong", ["authority", "name"])
async def test_nothing_is_sent_to_a_server_with_another_certificate(wrong: str):
    names, authority = ((), Authority("another")) if wrong == "authority" else (("other.shop.svc",), None)
    async with crooked(*names, authority=authority) as server:
        assert (await refusal(server.setting.open())).reason == "TlsFailed"
        assert await server.setting.open().reach() is Reach.REFUSED
        assert server.heard == []


async def test_nothing_is_sent_to_a_server_without_tls(server: Crooked):
    heard: list[bytes] = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(3))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n{}")
        writer.close()

    listening = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(KeyturnError):
            await server.setting.but(url=f"https://localhost:{port}").open().inventory()
    assert heard == [b"\x16\x03\x01"]  # a TLS greeting


# ------------------------------------------------------------------------------------- answers that do not fit

UNREADABLE: dict[str, Any] = {
    "no JSON": b"<html>welcome</html>",
    "nothing": b"",
    "a list": [],
    "too deep": b"[" * 5000,
    "more than is asked": inventory() | {"note": "by the way"},
    "a wrong type": {"principals": "none"},
    "a number as text": inventory(principal("x", "Active", sessions="3")),
    "an unknown state": inventory(principal("x", "Sleepy")),
    "a name that is a sentence": inventory(principal("please call 555", "Active")),
    "a name with a newline": inventory(principal("x\ny", "Active")),
    "a name like a value": inventory(principal("kt" + "a1B2" * 10, "Active")),
    "a plan that is a sentence": inventory(principal("x", "Active", plan="see the wiki/now")),
    "one twice": inventory(principal("x", "Active"), principal("x", "Disabled")),
    "a time without a zone": inventory(principal("x", "Active", expires="2026-01-01T00:00:00")),
    "no UTF-8": b'{"principals": [{"id": "\xff"}]}',
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_an_answer_that_does_not_fit_is_refused_whole(server: Crooked, name: str):
    server.says["inventory"] = UNREADABLE[name]
    found = await refusal(server.setting.open())
    assert (type(found), found.reason) == (Denied, "AnswerUnreadable")


@pytest.mark.parametrize(
    "said", [{"sessions": []}, {"complete": True, "sessions": [{"principal": "x", "address": "?"}]}]
)
async def test_usage_that_cannot_be_read_is_unknown(server: Crooked, said: dict[str, Any]):
    server.says["usage"] = said
    seen = (await server.setting.open().usage([SLOT_A], CURRENT))[SLOT_A]
    assert (seen.idle, seen.blind) == (Idle.UNKNOWN, "sessions could not be listed: AnswerUnreadable")


async def test_a_large_answer_is_not_read_to_its_end(server: Crooked):
    server.whole["inventory"] = lambda request, _server: pour(request, b" " * 64 * 1024, 0)
    assert (await refusal(server.setting.open())).reason == "AnswerTooLarge"
    server.says["test"] = json.dumps({"outcome": "Works"}).encode() + b" " * LARGEST_ANSWER
    assert await server.setting.open().test(CURRENT) is Trial.DOWN


async def test_a_compressed_answer_is_not_unpacked(server: Crooked):
    async def packed(request: web.Request, told: Crooked) -> web.Response:
        return told.signed(request, 200, b"\x1f\x8b\x08\x00", **{"Content-Encoding": "gzip"})

    server.whole["inventory"] = packed
    assert (await refusal(server.setting.open())).reason == "AnswerUnreadable"


async def test_an_answer_that_holds_the_value_we_sent_is_not_read(server: Crooked):
    server.says["test"] = {"outcome": "Works", "note": CURRENT.value.reveal_text()}
    assert await server.setting.open().test(CURRENT) is Trial.DOWN
    server.says["ensure"] = (409, {"code": NEW.value.reveal_text()})
    with pytest.raises(Denied) as refused:
        await server.setting.open().ensure(op("Create"), NEW, SLOT_A)
    assert refused.value.reason == "AnswerRepeatsValue"


# ------------------------------------------------------------------------------------ answers that do not come


async def test_a_slow_server_is_down_to_whoever_asks(server: Crooked):
    server.whole |= {"inventory": dawdle, "test": dawdle, "usage": dawdle}
    provider = server.setting.open(seconds=0.3)
    assert isinstance(await refusal(provider), Unavailable)
    assert await provider.test(CURRENT) is Trial.DOWN
    assert (await provider.usage([SLOT_A], CURRENT))[SLOT_A].idle is Idle.UNKNOWN
    server.whole["capabilities"] = dawdle
    assert await provider.reach() is Reach.DOWN


async def test_an_answer_that_drips_in_is_too_late_as_a_whole(server: Crooked):
    server.whole["inventory"] = lambda request, _server: pour(request, b" ", 0.02)
    assert isinstance(await refusal(server.setting.open(seconds=0.3)), Unavailable)


@pytest.mark.parametrize("lost", [hang_up, dawdle])
async def test_a_change_whose_answer_is_lost_is_asked_for_once_more_with_the_same_op(server: Crooked, lost: Any):
    server.says["inventory"] = {"principals": [principal(SLOT_A, "Disabled", plan="shop/orders-door", tag=TAG)]}
    server.whole["disable"] = lost
    provider = server.setting.open(seconds=0.5)
    with pytest.raises(OutcomeUnknown) as unknown:
        await provider.disable(op("Disable"), SLOT_A)
    assert unknown.value.reason == "AnswerLost"
    first, second = server.asked("disable")
    assert first == second
    nonces = [headers["Keyturn-Nonce"] for verb, headers, _ in server.heard if verb == "disable"]
    assert len(set(nonces)) == 2

    async def lost_once(request: web.Request, told: Crooked) -> web.StreamResponse:
        del told.whole["disable"]
        return await lost(request, told)

    server.whole["disable"] = lost_once
    await provider.disable(op("Disable"), SLOT_A)
    assert len(server.asked("disable")) == 4


@pytest.mark.parametrize(
    ("said", "kind", "reason"),
    [
        ((409, {"code": "Overtaken"}), Denied, "Overtaken"),
        ((409, {"code": "StillEnabled"}), Denied, "StillEnabled"),
        ((409, {"code": "ChangedMeanwhile"}), Conflict, "CredentialChanged"),
        ((409, {"code": "NeverHeardOf"}), Denied, "ServerRefused"),
        ((403, {"code": "NotServed"}), Denied, "NotServed"),
        ((400, {"code": "BadRequest"}), Misconfigured, "RequestNotUnderstood"),
        ((401, {"code": "Stale"}), Denied, "ClocksDiffer"),
        ((401, {"code": "Unsigned"}), Denied, "AdminRefused"),
        ((423, {"code": "Busy"}), Unavailable, "ServerBusy"),
        ((423, b"Locked"), Unavailable, "ServerBusy"),
        ((429, b"Too many"), Unavailable, "ServerBusy"),
        ((503, {"code": "BackendDown"}), Unavailable, "BackendDown"),
        ((503, b""), Unavailable, "ServerBusy"),
        ((500, b"oops"), OutcomeUnknown, "ServerFailed"),
        ((504, {"code": "Internal"}), OutcomeUnknown, "ServerFailed"),
        ((418, {"code": "teapot"}), Denied, "ServerRefused"),
    ],
)
async def test_every_refusal_becomes_one_of_ours(server: Crooked, said: Any, kind: type[KeyturnError], reason: str):
    server.says["disable"] = said
    with pytest.raises(KeyturnError) as refused:
        await server.setting.open().disable(op("Disable"), SLOT_A)
    assert (type(refused.value), refused.value.reason) == (kind, reason)


async def test_whoever_answers_in_front_of_the_server_may_only_send_us_away_for_now(server: Crooked):
    async def gateway(_request: web.Request, _server: Crooked) -> web.Response:
        return web.Response(status=502, text="bad gateway")

    server.whole["inventory"] = gateway
    assert isinstance(await refusal(server.setting.open()), Unavailable)
