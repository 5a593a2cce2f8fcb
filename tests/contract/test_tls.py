"""Handshakes with real servers on loopback: what a pod presents, and how it is told of whoever cannot be asked."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest

from keyturn.core.model import Idle, Trial
from keyturn.ports import Credential, Provider, Usage
from keyturn.providers.tls.handshake import dial
from support.postgres_plan import WallClock, op
from support.tls_rig import FIRST, TlsSetting, authority, root_of, signed
from support.tls_server import NAME, free_port

pytestmark = pytest.mark.contract
NEVER = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass
class Stage:
    """NEW is in the bundle, and web-1 presents it; the plan's other pods are each test's own."""

    setting: TlsSetting
    provider: Provider
    new: Credential

    async def usage(self, id_: str = FIRST) -> Usage:
        return (await self.provider.usage([FIRST, self.new.id], self.new))[id_]


@contextmanager
def set_up(**half: Any) -> Iterator[TlsSetting]:
    setting = TlsSetting(Credential(FIRST, signed()), free_port(), half=half)
    setting.serve("web-1", setting.current.value)
    yield setting
    setting.stop()


@pytest.fixture
def setting() -> Iterator[TlsSetting]:
    with set_up() as found:
        yield found


async def staged(setting: TlsSetting) -> Stage:
    provider = setting.open()
    new = Credential(await provider.next_id(FIRST), provider.mint())
    setting.pods.keep(new)
    await provider.ensure(op("Create"), new, FIRST)
    setting.pods.serving["web-1"].present(new.value)
    return Stage(setting, provider, new)


# ------------------------------------------------------------------------------------------------- who is told how


@pytest.mark.parametrize("how", [{}, {"tls12": True}, {"asks_clients": True}], ids=["1.3", "1.2", "1.3 with clients"])
async def test_a_server_is_believed_by_what_it_presents(setting: TlsSetting, how: dict[str, bool]) -> None:
    stage = await staged(setting)
    server = setting.serve("web-2", setting.current.value, **how)
    told = await stage.usage()
    assert told.idle is Idle.IN_USE
    assert f"pod web-2 of Deployment/web presents {FIRST} on port {setting.port}" in told.blind
    assert "web-1" not in told.blind
    server.present(stage.new.value)
    assert await stage.usage() == Usage(Idle.NOT_SEEN)


async def test_before_anything_is_staged_the_current_one_is_seen_in_use(setting: TlsSetting) -> None:
    told = await setting.open().usage([FIRST], setting.current)
    assert told[FIRST].idle is Idle.IN_USE


async def test_a_certificate_that_is_neither_is_never_taken_for_the_new_one(setting: TlsSetting) -> None:
    stage = await staged(setting)
    server = setting.serve("web-2", signed())
    told = await stage.usage()
    assert (told.idle, "neither the old nor the new one" in told.blind) == (Idle.UNKNOWN, True)
    server.present(signed(authority(), names=["other.shop.svc"]))
    assert (await stage.usage()).idle is Idle.UNKNOWN


async def test_another_certificate_of_the_new_authority_is_not_the_new_one(setting: TlsSetting) -> None:
    signer = authority()
    setting.signer = signer
    stage = await staged(setting)
    setting.serve("web-2", signed(signer))
    assert (await stage.usage()).idle is Idle.UNKNOWN


async def test_the_new_certificate_counts_only_for_the_name_that_the_plan_declares(setting: TlsSetting) -> None:
    stage = await staged(setting)
    setting.half = {"names": ["stock.shop.svc", NAME]}
    told = await setting.open().usage([FIRST], stage.new)
    assert "not accepted for the plan's first name" in told[FIRST].blind
    assert told[FIRST].idle is Idle.UNKNOWN


async def test_one_that_has_ended_is_refused_as_any_verifier_does(setting: TlsSetting) -> None:
    ended = signed(when=WallClock().now() - timedelta(days=31))
    server = setting.serve("web-2", ended)
    told = await dial(server.address, setting.port, NAME, root_of(ended))
    assert (bool(told.certificate), told.accepted) == (True, False)


# ---------------------------------------------------------------------------------------- whoever cannot be asked


async def test_where_nothing_listens_nobody_knows(setting: TlsSetting) -> None:
    stage = await staged(setting)
    setting.serve("web-2", stage.new.value).stop()
    told = await stage.usage()
    assert (told.idle, "pod web-2" in told.blind, "nothing listens" in told.blind) == (Idle.UNKNOWN, True, True)
    del setting.pods.serving["web-2"]


async def test_where_a_client_must_show_a_certificate_by_an_older_protocol_nobody_knows(setting: TlsSetting) -> None:
    stage = await staged(setting)
    setting.serve("web-2", stage.new.value, tls12=True, asks_clients=True)
    told = await stage.usage()
    assert (told.idle, "breaks the handshake off" in told.blind) == (Idle.UNKNOWN, True)


def _say(listening: socket.socket, answer: bytes) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.sendall(answer)


@pytest.mark.parametrize(("answer", "why"), [(b"HTTP/1.1 400 Bad\r\n\r\n", "does not speak TLS"), (b"", "answer")])
async def test_a_server_that_speaks_something_else_or_nothing_is_given_up_in_time(answer: bytes, why: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        if answer:
            Thread(target=_say, args=(listening, answer), daemon=True).start()
        told = await dial("127.0.0.1", port, NAME, root_of(signed()))
    assert (told.certificate, told.accepted) == (b"", False)
    assert why in told.why


@pytest.mark.parametrize("name", ["a..b.svc", "x" * 250, ".svc"])
async def test_a_name_that_is_none_is_told_and_stops_nobody(setting: TlsSetting, name: str) -> None:
    server = setting.pods.serving["web-1"]
    told = await dial(server.address, setting.port, name, root_of(setting.current.value))
    assert not told.accepted
    assert told.certificate or "none that a server could be asked for" in told.why


async def test_a_pod_without_an_address_is_waited_for(setting: TlsSetting) -> None:
    stage = await staged(setting)
    setting.pods.pod_shown = {"address": ""}
    told = await stage.usage()
    assert (told.idle, "no address yet" in told.blind) == (Idle.UNKNOWN, True)


async def test_pods_that_are_over_are_not_asked_and_without_any_nobody_knows(setting: TlsSetting) -> None:
    stage = await staged(setting)
    setting.pods.pod_shown = {"phase": "Succeeded"}
    told = await stage.usage()
    assert (told.idle, "no pod serves" in told.blind) == (Idle.UNKNOWN, True)


async def test_a_pod_that_ends_is_asked_too(setting: TlsSetting) -> None:
    stage = await staged(setting)
    setting.pods.serving["web-1"].present(setting.current.value)
    setting.pods.pod_shown = {"terminating": True}
    assert "which is ending" in (await stage.usage()).blind


# ------------------------------------------------------------------------------------------- clients, and no port


async def test_clients_are_not_asked_and_what_they_present_nobody_claims_to_know() -> None:
    with set_up(clients=["job"], usages=["ServerAuth", "ClientAuth"]) as setting:
        stage = await staged(setting)
        assert not stage.provider.capabilities.sees_use
        setting.serve("job-1", setting.current.value)
        told = await stage.usage()
        assert (told.idle, "nobody sees" in told.blind) == (Idle.UNKNOWN, True)
        setting.serve("web-2", setting.current.value)
        assert (await stage.usage()).idle is Idle.IN_USE
        setting.pods.serving["web-2"].present(signed())
        assert (await stage.usage()).idle is Idle.IN_USE, "of this one it could be told: it is no client"


async def test_without_a_port_nobody_is_asked() -> None:
    with set_up(port=None) as setting:
        stage = await staged(setting)
        assert not stage.provider.capabilities.sees_use
        told = await stage.usage()
        assert (told.idle, "no port" in told.blind) == (Idle.UNKNOWN, True)
        assert await stage.provider.refused_attempts(FIRST, NEVER) == ()


# -------------------------------------------------------------------------------------------------- after Disable


async def test_whoever_presents_the_old_one_after_disable_is_missed_by_address(setting: TlsSetting) -> None:
    stage = await staged(setting)
    assert await stage.provider.refused_attempts(FIRST, NEVER) == ()
    await stage.provider.disable(op("Disable"), FIRST)
    assert await stage.provider.test(setting.current) is Trial.DISABLED
    assert await stage.provider.refused_attempts(FIRST, NEVER) == ()
    server = setting.serve("web-2", setting.current.value)
    (told,) = await stage.provider.refused_attempts(FIRST, NEVER)
    assert (told.principal, told.client_address) == (FIRST, server.address)
    assert (await stage.usage()).idle is Idle.NOT_SEEN, "nobody accepts it"
