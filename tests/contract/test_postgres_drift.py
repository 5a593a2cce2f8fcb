"""Drift as a real server shows it: each kind is found, the way back ends it, and a look costs two logins."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from keyturn.core.rendering import Place
from keyturn.providers.postgres.connections import OwnSessions
from support.drift_desk import DriftDesk
from support.postgres_plan import CURRENT, ROTATOR, SLOT_A, SLOT_B, Setting
from support.postgres_server import PostgresServer

pytestmark = pytest.mark.contract

NOW = datetime(2030, 1, 1, tzinfo=UTC)  # whatever the server thinks: it must not refuse what expires soon
KINDS = {
    "CurrentCredentialChanged": (
        [f"ALTER ROLE {SLOT_A} PASSWORD 'changed-by-somebody'"],
        [f"ALTER ROLE {SLOT_A} PASSWORD '{CURRENT.value.reveal_text()}'"],
    ),
    "CurrentCredentialDisabled": ([f"ALTER ROLE {SLOT_A} NOLOGIN"], [f"ALTER ROLE {SLOT_A} LOGIN"]),
    "CurrentCredentialLacking": (
        [f"ALTER ROLE {SLOT_A} RESET role"],
        [f"ALTER ROLE {SLOT_A} SET role TO 'orders_owner'"],
    ),
    "CurrentCredentialExpires": (
        [f"ALTER ROLE {SLOT_A} VALID UNTIL '{NOW + timedelta(days=3):%Y-%m-%d %H:%M}+00'"],
        [f"ALTER ROLE {SLOT_A} VALID UNTIL 'infinity'"],
    ),
    "SpareCredentialEnabled": ([f"ALTER ROLE {SLOT_B} LOGIN"], [f"ALTER ROLE {SLOT_B} NOLOGIN"]),
    "StrangerInInventory": (["CREATE ROLE mallory LOGIN IN ROLE orders_owner"], ["DROP ROLE mallory"]),
}


async def desk_of(setting: Setting) -> DriftDesk:
    """A plan at rest on a real server."""
    own = OwnSessions()
    _, plan, _ = setting.records()
    place = Place(setting.server.host, setting.server.port, "shop")
    desk = DriftDesk(CURRENT, plan, lambda: setting.open(own), NOW, place)
    await desk.escrowed()
    return desk


def logins(server: PostgresServer) -> Counter[str]:
    """So far, by role, as the server's log has them."""
    return Counter(re.findall(r"connection authorized: user=(\S+)", server.log_text()))


async def test_each_kind_of_drift_is_found_and_is_over_when_it_is_undone(plain: Setting) -> None:
    desk = await desk_of(plain)
    assert await desk.look() == []
    for kind, (does, undoes) in KINDS.items():
        plain.server.sql(*does)
        assert await desk.look() == [kind]
        plain.server.sql(*undoes)
        assert await desk.look() == [], kind


async def test_a_look_opens_one_session_of_the_rotator_and_one_of_the_credential(plain: Setting) -> None:
    desk, before = await desk_of(plain), logins(plain.server)
    await desk.look()
    assert logins(plain.server) - before == {ROTATOR: 1, CURRENT.id: 1}


async def test_a_server_that_is_down_says_nothing(plain: Setting) -> None:
    desk = await desk_of(plain)
    plain.server.sql("CREATE ROLE mallory LOGIN IN ROLE orders_owner")
    assert await desk.look() == ["StrangerInInventory"]
    await asyncio.to_thread(plain.server.halt)
    assert await desk.look() == ["StrangerInInventory"]
