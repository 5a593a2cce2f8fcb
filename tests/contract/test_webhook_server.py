"""The reference server by itself: whom it believes, and that what is really said is what the description says."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import ClientSession, web
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, KeyturnError
from keyturn.providers.webhook.signing import WINDOW_SECONDS, answer_signature, request_signature
from support.crooked_server import crooked
from support.postgres_plan import op
from support.webhook_plan import OWNER, SLOT_A, SLOT_B
from support.webhook_server import EXAMPLE

pytestmark = pytest.mark.contract
DESCRIPTION = yaml.safe_load((EXAMPLE.parents[1] / "providers" / "webhook" / "openapi.yaml").read_text())
ABOUT = {"about": {"plan": "shop/orders-door", "owner": OWNER, "slots": [SLOT_A, SLOT_B]}}
KEY = "key-of-a-test-0123456789abcdef0123456789abcdef"
FORMER = "former-key-of-a-test-0123456789abcdef"


@dataclass
class Inside:
    """The reference server's own application in this process, without TLS: at loopback, for this test alone."""

    url: str
    home: Any

    async def post(self, verb: str, body: bytes, headers: dict[str, str], path: str = "") -> tuple[int, bytes, str]:
        """As it comes back: status, body, signature."""
        async with (
            ClientSession() as session,
            session.post(f"{self.url}{path or f'/v1/{verb}'}", data=body, headers=headers) as answer,
        ):
            return answer.status, await answer.read(), answer.headers.get("Keyturn-Signature", "")


def modules(*names: str) -> list[Any]:
    """Of the reference server, which is no package."""
    sys.path.insert(0, str(EXAMPLE))
    try:
        return [import_module(name) for name in names]
    finally:
        sys.path.remove(str(EXAMPLE))


async def application(home: Path) -> tuple[web.Application, Any]:
    """Of the reference server, with its door open; and its home."""
    first_start, shop, rotator, signing, server = modules("first_start", "shop", "rotator", "signing", "server")
    made = first_start.made(home, ("localhost",))
    accounts = shop.Accounts(home)
    door = shop.Door(accounts)
    listening = await door.open(0)
    visitor = shop.Visitor(listening.sockets[0].getsockname()[1])
    signatures = signing.Signatures([KEY.encode(), FORMER.encode()])
    app = server.application(rotator.Rotator(made.system, accounts, door, visitor), signatures)

    async def shut(_app: web.Application) -> None:
        listening.close()

    app.on_cleanup.append(shut)
    return app, made


@pytest.fixture
async def inside(tmp_path: Path) -> AsyncIterator[Inside]:
    app, home = await application(tmp_path)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Inside(f"http://127.0.0.1:{runner.addresses[0][1]}", home)
    await runner.cleanup()


def signed(
    verb: str, body: bytes, *, key: str = KEY, late: int = 0, nonce: str = "", method: str = "POST"
) -> dict[str, str]:
    """Headers of a right request."""
    stamp, nonce = str(int(time.time()) + late), nonce or secrets.token_hex(16)  # noqa: TID251
    signature = request_signature(Sealed(key), stamp, nonce, method, f"/v1/{verb}", body)
    return {"Keyturn-Timestamp": stamp, "Keyturn-Nonce": nonce, "Keyturn-Signature": signature}


ASKED = json.dumps(ABOUT).encode()


async def test_a_right_request_is_answered_and_the_answer_is_bound_to_it(inside: Inside):
    headers = signed("inventory", ASKED)
    status, body, signature = await inside.post("inventory", ASKED, headers)
    assert status == 200
    assert [one["id"] for one in json.loads(body)["principals"]] == [OWNER, SLOT_A]
    assert signature == answer_signature(Sealed(KEY), headers["Keyturn-Nonce"], 200, body)


async def test_a_former_key_still_opens_and_answers_under_itself(inside: Inside):
    headers = signed("inventory", ASKED, key=FORMER)
    status, body, signature = await inside.post("inventory", ASKED, headers)
    assert status == 200
    assert signature == answer_signature(Sealed(FORMER), headers["Keyturn-Nonce"], 200, body)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another key": ({"key": "another-key-of-a-test-0123456789abcdef"}, "Unsigned"),
    "another method": ({"method": "PUT"}, "Unsigned"),
    "another path": ({"verb": "disable"}, "Unsigned"),
    "another body": ({"body": b"{}"}, "Unsigned"),
    "an odd nonce": ({"nonce": "not-of-this-world"}, "Unsigned"),
    "too old": ({"late": -WINDOW_SECONDS - 5}, "Stale"),
    "too new": ({"late": WINDOW_SECONDS + 5}, "Stale"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_request_is_refused_by_a_signed_answer_and_nothing_is_done(inside: Inside, name: str):
    changes, code = WRONG[name]
    headers = signed(**({"verb": "inventory", "body": ASKED} | changes))
    status, body, signature = await inside.post("inventory", ASKED, headers)
    assert (status, json.loads(body)) == (401, {"code": code})
    assert signature == answer_signature(Sealed(KEY), headers["Keyturn-Nonce"], 401, body)


async def test_no_signature_at_all_is_refused(inside: Inside):
    status, body, _ = await inside.post("inventory", ASKED, {})
    assert (status, json.loads(body)) == (401, {"code": "Unsigned"})


async def test_a_request_that_was_recorded_is_refused_when_it_is_played_again(inside: Inside):
    """Given a Disable on record, when it comes again, then a credential that was enabled since stays so."""
    asked = json.dumps(ABOUT | {"op": {"rotation": "r", "generation": 1, "step": "Disable", "epoch": 1}, "id": SLOT_A})
    headers = signed("disable", asked.encode())
    assert (await inside.post("disable", asked.encode(), headers))[0] == 200
    status, body, _ = await inside.post("disable", asked.encode(), headers)
    assert (status, json.loads(body)) == (401, {"code": "Replayed"})


async def test_what_it_does_not_understand_is_a_bad_request(inside: Inside):
    for body in (b"no JSON", b"[]", b"{}", b"5"):
        status, said, _ = await inside.post("disable", body, signed("disable", body))
        assert (status, json.loads(said)) == (400, {"code": "BadRequest"})


# ------------------------------------------------------------------------------------------ the description


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, as they went over the wire."""

    method: str
    path: str
    headers: dict[str, str]
    asked: bytes
    status: int
    answered: bytes
    signature: str


def schema(reference: str) -> OAS31Validator:
    """That may refer to all others."""
    whole = {"$ref": reference, "components": DESCRIPTION["components"]}
    return OAS31Validator(whole, format_checker=OAS31Validator.FORMAT_CHECKER)


def wrongs(one: Exchange) -> list[str]:
    """What of this exchange is not as the description says."""
    path = DESCRIPTION["paths"][one.path]
    operation = path[one.method.lower()]
    response = operation["responses"].get(str(one.status), operation["responses"]["default"])
    response = DESCRIPTION["components"]["responses"]["Refusal"] if "$ref" in response else response
    found = list(schema(_body(response)).iter_errors(json.loads(one.answered)))
    if "requestBody" in operation:
        found += schema(_body(operation["requestBody"])).iter_errors(json.loads(one.asked))
    for reference in path["parameters"]:
        about = DESCRIPTION["components"]["parameters"][reference["$ref"].rpartition("/")[2]]
        found += OAS31Validator(about["schema"]).iter_errors(one.headers.get(about["name"]))
    header = DESCRIPTION["components"]["headers"]["Keyturn-Signature"]["schema"]
    found += OAS31Validator(header).iter_errors(one.signature)
    return [error.message for error in found]


def _body(part: dict[str, Any]) -> str:
    return part["content"]["application/json"]["schema"]["$ref"]


async def traffic(home: Path) -> list[Exchange]:
    """A rotation's life, and refusals, between the provider and the reference server, listened to in between."""
    app, made = await application(home)
    inner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await inner.setup()
    await web.TCPSite(inner, "127.0.0.1", 0).start()
    heard: list[Exchange] = []
    async with crooked() as front, ClientSession() as session:
        front.answer_with(lambda request, _server: passed_on(request, session, inner.addresses[0][1], heard))
        provider = front.setting.open()
        current = Credential(SLOT_A, Sealed(json.loads((made.path / "current.json").read_text())["value"]))
        new = Credential(SLOT_B, provider.mint())
        await provider.same_system(current)
        await provider.preflight(current, ("10.1.2.3",))
        await provider.ensure(op("Create"), new, SLOT_A)
        await provider.test(new)
        await provider.usage([SLOT_A, SLOT_B], new)
        for refused in (provider.delete(op("Delete"), SLOT_A), provider.ensure(op("Create", 0), new, SLOT_A)):
            with pytest.raises(KeyturnError):
                await refused
        await provider.disable(op("Disable"), SLOT_A)
        await provider.test(current)
        await provider.enable(op("Enable", 2), current)
        await provider.contain(op("Contain", 2), new, SLOT_A, ["nobody"])
        await provider.refused_attempts(SLOT_A, datetime(2026, 1, 1, tzinfo=UTC))
        await provider.end_sessions(op("EndSessions", 2), SLOT_A)
        await provider.delete(op("Delete", 2), SLOT_A)
        (home / "down").touch()
        with pytest.raises(KeyturnError):
            await provider.inventory()
    await inner.cleanup()
    return heard


async def passed_on(request: web.Request, session: ClientSession, port: int, heard: list[Exchange]) -> web.Response:
    asked = await request.read()
    ours = {name: value for name, value in request.headers.items() if name.startswith("Keyturn-")}
    there = f"http://127.0.0.1:{port}{request.path}"
    async with session.request(request.method, there, data=asked, headers=ours) as answer:
        body, signature = await answer.read(), answer.headers["Keyturn-Signature"]
        heard.append(Exchange(request.method, request.path, ours, asked, answer.status, body, signature))
        return web.Response(status=answer.status, body=body, headers={"Keyturn-Signature": signature})


def test_the_description_is_valid() -> None:
    validate(DESCRIPTION)


async def test_everything_that_is_really_said_is_as_the_description_says(tmp_path: Path):
    heard = await traffic(tmp_path)
    assert {one.path for one in heard} == set(DESCRIPTION["paths"])
    assert {200, 409, 503} <= {one.status for one in heard}
    assert [(one.path, wrong) for one in heard for wrong in wrongs(one)] == []


async def test_what_is_not_as_the_description_says_would_be_noticed(tmp_path: Path):
    """Given real traffic, when a field is added to or taken from any body, then the description is broken."""
    for one in await traffic(tmp_path):
        body = json.loads(one.answered)
        more = json.dumps(body | {"note": "by the way"}).encode()
        assert wrongs(Exchange(one.method, one.path, one.headers, one.asked, one.status, more, one.signature))
        assert wrongs(Exchange(one.method, one.path, {}, one.asked, one.status, one.answered, one.signature))
        if one.asked:
            asked = json.loads(one.asked)
            del asked["about"]
            less = json.dumps(asked).encode()
            assert wrongs(Exchange(one.method, one.path, one.headers, less, one.status, one.answered, one.signature))
