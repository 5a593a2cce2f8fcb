"""Acceptors' counters over real pages: what is read, what is not, and who is named where nobody knows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import web

from keyturn.core.model import Idle
from keyturn.ports import Credential, Misconfigured, Usage
from keyturn.providers.keyring.pages import LARGEST, HttpPages, Unread
from support.contract_deeds import made
from support.counting_pods import CountingRig, counting_rig
from support.postgres_plan import op

pytestmark = [pytest.mark.contract, pytest.mark.enable_socket]
TICK = timedelta(seconds=5)


@pytest.fixture
async def rig() -> AsyncIterator[CountingRig]:
    async with counting_rig() as started:
        yield started


async def asked(rig: CountingRig, new: Credential) -> Usage:
    """Of OLD, five seconds later."""
    rig.wait(TICK)
    return (await rig.again().usage([rig.current.id], new))[rig.current.id]


async def test_with_counters_of_all_acceptors_the_backend_sees_use(rig: CountingRig) -> None:
    able = rig.provider.capabilities
    assert (able.sees_use, able.sees_refused_attempts) == (True, False)
    assert able.usage_lag == timedelta(minutes=10), "a token may be shown as late as its life is long"


async def test_every_pod_is_asked_at_its_own_address_and_one_use_anywhere_is_use(rig: CountingRig) -> None:
    new = await made(rig)
    first, second = rig.pods.pods_there
    assert first.address != second.address
    assert (await asked(rig, new)).idle is Idle.NOT_SEEN
    rig.pods.present(rig.current.id, to=second)
    used = await asked(rig, new)
    assert (used.idle, used.accepted_by) == (Idle.IN_USE, (f"pod {second.name} of Deployment/gate",))
    rig.pods.present(new.id, to=first)
    rig.wait(timedelta(minutes=1))
    assert (await asked(rig, new)).idle is Idle.NOT_SEEN
    assert set(rig.pods.asked) == {"/metrics"}


async def test_a_pod_whose_page_says_nothing_is_named_and_nothing_is_idle(rig: CountingRig) -> None:
    new = await made(rig)
    pod = rig.pods.pods_there[1]
    elsewhere = f"http://{rig.pods.pods_there[0].address}/metrics"
    said = {
        "status 503": web.Response(status=503),
        "status 302": web.Response(status=302, headers={"Location": elsewhere}),
        "larger than any honest one": web.Response(body=b"#" * (LARGEST + 1)),
        "cannot be read as a counter": web.Response(body=b"tokens_accepted_total 7\n"),
        f"no line for {rig.current.id}, {new.id}": web.Response(body=b"<html>the app's own page</html>"),
    }
    for words, answer in said.items():
        rig.pods.answers[pod.name] = answer
        seen = await asked(rig, new)
        assert seen.idle is Idle.UNKNOWN, words
        assert pod.name in seen.blind
        assert words in seen.blind
        assert "gate-3" not in seen.blind, "the other one tells"
    rig.pods.answers.clear()
    assert (await asked(rig, new)).idle is Idle.NOT_SEEN


async def test_a_pod_that_nobody_reaches_is_named(rig: CountingRig) -> None:
    new = await made(rig)
    rig.pods.pods_there[1].address = "127.0.2.1"  # nobody listens there
    seen = await asked(rig, new)
    assert seen.idle is Idle.UNKNOWN
    assert "does not answer: a NetworkPolicy must admit the operator" in seen.blind


async def test_a_pod_that_is_ending_counts_until_it_is_gone(rig: CountingRig) -> None:
    new = await made(rig)
    pod = rig.pods.pods_there[1]
    await asked(rig, new)
    pod.terminating, pod.ready = True, False
    rig.pods.present(rig.current.id, to=pod)
    assert (await asked(rig, new)).idle is Idle.IN_USE
    rig.pods.pods_there.remove(pod)
    rig.wait(timedelta(minutes=2))
    seen = await asked(rig, new)
    assert seen.idle is Idle.UNKNOWN
    assert f"pod {pod.name} of Deployment/gate is gone" in seen.blind
    assert (await asked(rig, new)).idle is Idle.NOT_SEEN


async def test_a_pod_that_comes_up_is_not_waited_for_and_its_first_page_tells_all(rig: CountingRig) -> None:
    new = await made(rig)
    await asked(rig, new)
    (pod, _) = rig.pods._fresh("gate")
    rig.pods.pods_there.append(pod)
    pod.ready, address, pod.address = False, pod.address, ""
    for _ in range(8):
        assert (await asked(rig, new)).idle is Idle.NOT_SEEN
    pod.address = address
    rig.pods.present(rig.current.id, to=pod)
    assert (await asked(rig, new)).idle is Idle.IN_USE


async def test_a_pod_that_never_comes_up_is_waited_for_in_the_end(rig: CountingRig) -> None:
    new = await made(rig)
    await asked(rig, new)
    (pod, _) = rig.pods._fresh("gate")
    rig.pods.pods_there.append(pod)
    pod.ready, pod.address = False, ""
    rig.wait(timedelta(minutes=2))
    seen = await asked(rig, new)
    assert (seen.idle, pod.name in seen.blind) == (Idle.UNKNOWN, True)


async def test_after_disable_a_use_that_an_acceptor_let_in_names_that_acceptor(rig: CountingRig) -> None:
    """Given an acceptor that goes on with a copy of the old ring, when OLD is shown to it, then that is told."""
    new = await made(rig)
    await rig.provider.disable(op("Disable"), rig.current.id)
    assert (await asked(rig, new)).idle is Idle.NOT_SEEN
    pod = rig.pods.pods_there[0]
    rig.pods.meters[pod.name].accept(rig.current.id)
    assert (await asked(rig, new)).accepted_by == (f"pod {pod.name} of Deployment/gate",)


async def test_preflight_names_acceptors_that_do_not_count(rig: CountingRig) -> None:
    pod = rig.pods.pods_there[0]
    rig.pods.answers[pod.name] = web.Response(body=b'tokens_accepted_total{kid="another"} 1\n')
    (problem,) = (await rig.provider.preflight(rig.current)).problems
    assert problem.reason == "AcceptorsDoNotCount"
    assert f"pod {pod.name} of Deployment/gate: no line for {rig.current.id}" in problem.message
    assert rig.pods.pods_there[1].name not in problem.message


async def test_keys_without_ids_cannot_be_counted(rig: CountingRig) -> None:
    rig.setting.form = "CommaList"
    with pytest.raises(Misconfigured, match="FormatDoesNotFit"):
        rig.again()


# ------------------------------------------------------------------------------------------------ what is called


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("169.254.169.254", "metadata"),
        ("169.254.1.1", "link-local"),
        ("0.0.0.0", "unspecified"),  # noqa: S104 - never called
        ("example.test", "unreadable"),
    ],
)
async def test_whatever_the_status_of_a_pod_claims_such_addresses_are_never_called(address: str, why: str) -> None:
    with pytest.raises(Unread, match=f"it has a {why} address"):
        await HttpPages().page(address, 1, "/metrics")


async def test_a_page_that_never_ends_is_given_up(rig: CountingRig) -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await held.wait()
        writer.close()

    held = asyncio.Event()
    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        began = time.monotonic()
        with pytest.raises(Unread, match="does not answer"):
            await HttpPages(loopback=True, seconds=0.2).page(*server.sockets[0].getsockname(), "/metrics")
        held.set()
    assert time.monotonic() - began < 3
