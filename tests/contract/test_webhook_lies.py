"""Servers that say what is not so, and servers that say too much: what is noticed, and what nobody hears of."""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from shlex import join
from typing import Any

import pytest
from aiohttp import web

from keyturn.core.answers import Wait
from keyturn.core.gates import old_refused
from keyturn.core.model import Existence, Idle, ObjectKey, Observation, Policy, Reach, Rotation, Side, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Conflict, Credential, Denied, KeyturnError, Misconfigured
from keyturn.providers.webhook.provider import WebhookProvider
from keyturn.reconciler.checklist import plan_problems
from support.canaries import leaks
from support.crooked_server import ABLE, KEY, Crooked, crooked, inventory, principal
from support.postgres_plan import op
from support.webhook_plan import CURRENT, OWNER, SLOT_A, SLOT_B
from support.webhook_server import ReferenceServer

pytestmark = pytest.mark.contract
ROOT = Path(__file__).resolve().parents[2]
NEW = Credential(SLOT_B, Sealed("kt" + "a1B2" * 10))  # like those that Keyturn makes
PLAN = "shop/orders-door"
TAG = {"rotation": "rotation-1", "generation": 1, "epoch": 1}
LATE = TAG | {"generation": 0}


@pytest.fixture
async def server() -> AsyncIterator[Crooked]:
    async with crooked() as started:
        yield started


# ------------------------------------------------------------------------------------------------- claims

CHANGES: dict[str, Callable[[WebhookProvider], Awaitable[object]]] = {
    "ensure": lambda p: p.ensure(op("Create"), NEW, SLOT_A),
    "disable": lambda p: p.disable(op("Disable"), SLOT_A),
    "enable": lambda p: p.enable(op("Enable"), CURRENT),
    "contain": lambda p: p.contain(op("Contain"), NEW, SLOT_A, ()),
    "delete": lambda p: p.delete(op("Delete"), SLOT_A),
}
CLAIMED: list[tuple[str, dict[str, Any]]] = [
    ("ensure", inventory()),
    ("ensure", inventory(principal(SLOT_B, "Disabled", plan=PLAN, tag=TAG))),
    ("ensure", inventory(principal(SLOT_B, "Active", plan=PLAN, tag=LATE))),
    ("ensure", inventory(principal(SLOT_B, "Active", plan="shop/another", tag=TAG))),
    ("disable", inventory()),
    ("disable", {"principals": [principal(SLOT_A, "Active", plan=PLAN, tag=TAG)]}),
    ("disable", {"principals": [principal(SLOT_A, "Disabled", plan=PLAN, tag=LATE)]}),
    ("enable", {"principals": [principal(SLOT_A, "Disabled", plan=PLAN, tag=TAG)]}),
    ("contain", inventory(principal(SLOT_B, "Active", plan=PLAN, tag=TAG))),  # the old one is still let in
    ("delete", {"principals": [principal(SLOT_A, "Disabled", plan=PLAN, tag=TAG)]}),
]


@pytest.mark.parametrize(("change", "shown"), CLAIMED)
async def test_a_change_that_the_inventory_does_not_show_was_not_carried_out(
    server: Crooked, change: str, shown: dict[str, Any]
):
    server.says["inventory"] = shown
    with pytest.raises(Conflict) as refused:
        await CHANGES[change](server.setting.open())
    assert refused.value.reason == "NotCarriedOut"


async def test_a_login_that_still_works_holds_disable_up_whatever_the_inventory_says(server: Crooked):
    """Given a server that claims OLD disabled, when a trial login with OLD works, then nothing goes on to Watch."""
    server.says["inventory"] = {"principals": [principal(SLOT_A, "Disabled", plan=PLAN, tag=TAG)]}
    provider = server.setting.open()
    await provider.disable(op("Disable"), SLOT_A)
    trials = {Side.OLD: await provider.test(CURRENT), Side.NEW: await provider.test(NEW)}
    rotation = Rotation("rotation-1", "r", ObjectKey("shop", "orders-door"), Policy())
    seen = Observation(trials=trials, states={Side.OLD: Existence.DISABLED}, old_usage=Idle.NOT_SEEN)
    assert trials[Side.OLD] is Trial.WORKS
    assert isinstance(old_refused(rotation, seen, datetime(2026, 1, 1, tzinfo=UTC)), Wait)


def test_the_contract_suite_convicts_a_server_that_lies_in_every_answer():
    """Given a server that disables nothing and says it did, everywhere, then its own bench gives it away."""
    liar = ReferenceServer(ROOT / "tests" / "support" / "lying_server.py")
    suite = str(ROOT / "tests" / "contract" / "test_provider_contract.py")
    words = ("--webhook", liar.url, "--webhook-secret", str(liar.home / "admin-secret.yaml"), "--webhook-bench",
             join(liar.bench.command), "-k", "says_so_to_its_holder or new_credential_works")  # fmt: skip
    try:
        found = subprocess.run(
            (sys.executable, "-m", "pytest", suite, *words),
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    finally:
        liar.stop()
    assert found.returncode == 1, found.stdout
    assert "1 failed, 1 passed" in found.stdout
    assert "assert not await rig.admits(rig.current)" in found.stdout


# ----------------------------------------------------------------------------------------- what it can do


async def test_a_server_that_says_nothing_can_do_nothing_and_preflight_says_what_it_lacks(server: Crooked):
    server.says["capabilities"] = {}
    provider = server.setting.open()
    problems = {problem.reason for problem in (await provider.preflight(CURRENT)).problems}
    assert problems == {"DisableIrreversible", "NotFenced"}
    able = provider.capabilities
    assert (able.lists_sessions, able.sees_refused_attempts, able.reversible_disable) == (False, False, False)
    assert able.disable_delay.total_seconds() == 3600


async def test_sessions_that_a_server_cannot_list_are_unknown_and_the_plan_must_live_with_it(server: Crooked):
    server.says["capabilities"] = ABLE | {"listsSessions": False}
    seen = await server.setting.open().usage([SLOT_A, SLOT_B], CURRENT)
    assert {usage.idle for usage in seen.values()} == {Idle.UNKNOWN}
    assert "usage" not in server.verbs()
    accepting = server.setting.but(require=("Process",), blind=True)
    for setting, problems in (
        (accepting, set[str]()),
        (accepting.but(blind=False), {"BlindSoak"}),
        (accepting.but(require=("Process", "Session")), {"SessionsUnlisted"}),
        (accepting.but(require=("Mounted",)), {"ProcessNotRequired"}),
    ):
        provider = setting.open()
        assert await provider.reach() is Reach.UP
        assert {one.reason for one in plan_problems(setting.records()[1].spec, provider)} == problems


async def test_a_server_that_wants_to_name_credentials_itself_is_told_apart(server: Crooked):
    server.says["capabilities"] = ABLE | {"naming": "server"}
    with pytest.raises(Misconfigured, match="NamingUnsupported"):
        await server.setting.open().identify()


async def test_an_empty_list_without_the_session_we_asked_for_proves_nothing(server: Crooked):
    usage = await server.setting.open().usage([SLOT_A], CURRENT)
    assert usage[SLOT_A].idle is Idle.UNKNOWN


@pytest.mark.parametrize(("complete", "idle"), [(True, Idle.NOT_SEEN), (False, Idle.UNKNOWN)])
async def test_a_list_counts_if_every_node_is_in_it_and_our_session_too(server: Crooked, *, complete: bool, idle: Idle):
    async def listing(request: web.Request, told: Crooked) -> web.Response:
        asked = json.loads(await request.read())
        ours = {"principal": asked["control"]["id"], "label": asked["label"], "address": "10.0.0.1", "port": 5}
        return told.signed(request, 200, json.dumps({"complete": complete, "sessions": [ours]}).encode())

    server.whole["usage"] = listing
    assert (await server.setting.open().usage([SLOT_A], CURRENT))[SLOT_A].idle is idle


async def test_a_label_that_we_never_gave_makes_no_session_ours(server: Crooked):
    forged = {"principal": SLOT_A, "label": "0" * 32, "address": "10.9.9.9", "port": 7}
    server.says["usage"] = {"complete": True, "sessions": [forged]}
    assert (await server.setting.open().usage([SLOT_A], CURRENT))[SLOT_A].idle is Idle.IN_USE


async def test_another_system_behind_the_same_address_is_noticed_before_any_change(server: Crooked):
    system = await server.setting.open().identify()
    adopted = server.setting.but(system=system)
    assert await adopted.open().identify() == system
    server.says["identify"] = {"system": "shop-2"}
    with pytest.raises(Denied, match="WrongSystem"):
        await adopted.open().disable(op("Disable"), SLOT_A)
    assert "disable" not in server.verbs()


async def test_who_is_a_stranger_is_ours_to_say(server: Crooked):
    server.says["inventory"] = inventory(
        principal("sneaky", "Active"), principal("metrics-1", "Active"), principal("off", "Disabled"),
        principal("elsewhere", "Active", reaches=False),
    )  # fmt: skip
    found = await server.setting.but(known=("metrics-*",)).open().inventory()
    assert [one.id for one in found if one.stranger] == ["sneaky"]
    assert [one.id for one in found] == [OWNER, SLOT_A, SLOT_B, "sneaky"]
    with pytest.raises(Denied, match="NotContainable"):
        await server.setting.but(known=("metrics-*",)).open().contain(op(), NEW, SLOT_A, ["metrics-1"])
    assert "contain" not in server.verbs()


async def test_a_slot_of_somebody_elses_or_with_sessions_is_not_free(server: Crooked):
    for slot, words in (
        (principal(SLOT_B, "Disabled"), "not ours"),
        (principal(SLOT_B, "Disabled", plan="shop/another", tag=TAG), "tag of plan shop/another"),
        (principal(SLOT_B, "Disabled", plan=PLAN, tag=TAG, sessions=2), "still has sessions"),
    ):
        server.says["inventory"] = inventory(slot)
        with pytest.raises(Misconfigured, match=words):
            await server.setting.open().next_id(SLOT_A)


async def test_a_name_that_cannot_be_sent_is_told_and_not_asked_about(server: Crooked):
    odd = Credential("orders owner'; --", CURRENT.value)
    assert await server.setting.open().test(odd) is Trial.DOWN
    assert (await server.setting.open().usage([odd.id], CURRENT))[odd.id].idle is Idle.UNKNOWN
    assert set(server.verbs()) <= {"capabilities", "identify"}


# ------------------------------------------------------------------------------------------------- leaks

VALUES = (CURRENT.value.reveal_text(), NEW.value.reveal_text(), KEY)
CHATTER = f"user orders_a logged in with {VALUES[0]} key {KEY} new {VALUES[1]}"
CALLS: dict[str, Callable[[WebhookProvider], Awaitable[object]]] = {
    **CHANGES,
    "reach": lambda p: p.reach(),
    "identify": lambda p: p.identify(),
    "same_system": lambda p: p.same_system(CURRENT),
    "inventory": lambda p: p.inventory(),
    "preflight": lambda p: p.preflight(CURRENT, ("10.1.2.3",)),
    "next_id": lambda p: p.next_id(SLOT_A),
    "test": lambda p: p.test(CURRENT),
    "usage": lambda p: p.usage([SLOT_A, SLOT_B], CURRENT),
    "end_sessions": lambda p: p.end_sessions(op("EndSessions"), SLOT_A),
    "refused_attempts": lambda p: p.refused_attempts(SLOT_A, datetime(2026, 1, 1, tzinfo=UTC)),
}


async def chatter(request: web.Request, told: Crooked) -> web.StreamResponse:
    """Says every value everywhere: reason of the status, headers, cookies, body; signed, or not."""
    heads = {"X-Note": CHATTER, "Set-Cookie": f"k={VALUES[0]}; Path=/; Domain={VALUES[1]}", "Server": CHATTER}
    kinds: list[web.Response] = [
        told.signed(request, 200, json.dumps({"principals": [principal(VALUES[1], "Active")]}).encode()),
        told.signed(request, 200, json.dumps({"system": CHATTER, "note": CHATTER}).encode()),
        told.signed(request, 409, json.dumps({"code": CHATTER}).encode()),
        web.Response(status=500, text=CHATTER),
        web.Response(status=302, headers={"Location": f"https://localhost/{VALUES[0]}"}),
    ]
    answer = kinds[len(told.heard) % len(kinds)]
    answer.set_status(answer.status, CHATTER)
    answer.headers.update(heads)
    return answer


@pytest.mark.fm(60)
@pytest.mark.parametrize("call", CALLS)
async def test_whatever_a_server_says_nobody_hears_of_it(server: Crooked, call: str, caplog: pytest.LogCaptureFixture):
    """Given one after another of the verbs that a call asks, at which the server chatters in five ways each."""
    said: list[str] = []
    with contextlib.suppress(KeyturnError):
        await CALLS[call](server.setting.open())
    asked = sorted(set(server.verbs()))
    with caplog.at_level(logging.DEBUG):
        for verb in asked:
            server.whole = {verb: chatter}
            for _ in range(5):
                server.heard.append(("", {}, b""))  # the next way of chattering
                try:
                    said.append(repr(await CALLS[call](server.setting.open())))
                except KeyturnError as error:
                    said += [repr(error), str(error.problem), *traceback.format_exception(error)]
    assert asked
    assert len(said) >= 5 * len(asked)
    assert leaks(said, VALUES) == []
    assert leaks([caplog.text], VALUES) == []
    assert "logged in with" not in "\n".join([*said, caplog.text])
