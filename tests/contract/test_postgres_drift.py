"""Drift as a real server shows it: each kind is found, the way back ends it, and a look costs two logins."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from keyturn.core.rendering import Login, Place, render
from keyturn.ports import Escrow, Provider
from keyturn.providers.postgres.connections import OwnSessions
from keyturn.reconciler.drift import Lookout
from support.memory_backend import MemoryBackend
from support.memory_cluster import MemoryCluster
from support.postgres_plan import CURRENT, SLOT_A, SLOT_B, Setting
from support.switchboard import Switchboard
from support.world import Silence, VirtualClock

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


class Desk:
    """A plan at rest on a real server, in a cluster in memory."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.own = setting, OwnSessions()
        self.clock, self.board = VirtualClock(), Switchboard()
        self.clock.true = NOW
        self.cluster = MemoryCluster(self.board, MemoryBackend(), self.clock.true)
        _, plan, _ = setting.records()
        status = plan.status.model_copy(update={"current_id": SLOT_A})
        self.cluster.the_plan = replace(plan, status=status)
        server = setting.server
        self.place = Place(server.host, server.port, "shop")
        held = render(plan.spec.secret.keys, Login(CURRENT.id, CURRENT.value), self.place)
        self.cluster.edit_secret(held, "kubectl")
        self.lookout = Lookout(self.cluster, self.clock, Silence())

    async def escrowed(self) -> None:
        assert self.cluster.the_plan is not None
        await self.cluster.save_escrow(self.cluster.the_plan, Escrow({CURRENT.id: CURRENT.value}, {}))

    async def look(self) -> Sequence[str]:
        """One interval later."""
        assert self.cluster.the_plan is not None
        provider: Provider = self.setting.open(self.own)
        await self.lookout.look(self.cluster.the_plan, provider, self.place)
        self.clock.true += timedelta(minutes=5)
        plan = await self.lookout.look(self.cluster.the_plan, provider, self.place)
        await provider.close()
        return [line.reason for line in plan.status.drift]


async def test_each_kind_of_drift_is_found_and_is_over_when_it_is_undone(plain: Setting) -> None:
    desk = Desk(plain)
    await desk.escrowed()
    assert await desk.look() == []
    for kind, (does, undoes) in KINDS.items():
        plain.server.sql(*does)
        assert await desk.look() == [kind]
        plain.server.sql(*undoes)
        assert await desk.look() == [], kind


async def test_a_look_opens_one_session_of_the_rotator_and_one_of_the_credential(plain: Setting) -> None:
    desk = Desk(plain)
    await desk.escrowed()
    await desk.look()
    assert len(list(desk.own._seen)) == 2


async def test_a_server_that_is_down_says_nothing(plain: Setting) -> None:
    desk = Desk(plain)
    await desk.escrowed()
    plain.server.sql("CREATE ROLE mallory LOGIN IN ROLE orders_owner")
    assert await desk.look() == ["StrangerInInventory"]
    await asyncio.to_thread(plain.server.halt)
    assert await desk.look() == ["StrangerInInventory"]
