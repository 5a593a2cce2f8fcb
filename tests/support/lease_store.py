"""A Lease in memory, with compare-and-set, and with the weather of a real network."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from keyturn.kube.lease import LeaseRecord
from keyturn.ports import Conflict, OutcomeUnknown, Unavailable


class FakeLease:
    """Shared by all candidates of a test. ``view`` gives each its own weather."""

    def __init__(self) -> None:
        self.stored: LeaseRecord | None = None
        self.writes: list[tuple[float, LeaseRecord]] = []
        self._version = 0

    def write(self, record: LeaseRecord) -> LeaseRecord:
        self._version += 1
        self.stored = replace(record, resource_version=str(self._version))
        self.writes.append((asyncio.get_running_loop().time(), self.stored))
        return self.stored


class View:
    """A way to the Lease. ``weather``: fine, down (refused), silent (never answers), lost or late (its answers)."""

    def __init__(self, lease: FakeLease) -> None:
        self.lease = lease
        self.weather = "fine"
        self.calls = 0

    async def read(self) -> LeaseRecord | None:
        await self._weather()
        return self.lease.stored

    async def create(self, record: LeaseRecord) -> LeaseRecord:
        await self._weather()
        if self.lease.stored is not None:
            raise Conflict("Changed", "there is one")
        return await self._answered(record)

    async def replace(self, record: LeaseRecord) -> LeaseRecord:
        await self._weather()
        if self.lease.stored is None or self.lease.stored.resource_version != record.resource_version:
            raise Conflict("Changed", "somebody wrote")
        return await self._answered(record)

    async def _answered(self, record: LeaseRecord) -> LeaseRecord:
        stored = self.lease.write(record)
        if self.weather == "lost":
            raise OutcomeUnknown("AnswerLost", "the answer was lost")
        if self.weather == "late":
            await asyncio.sleep(1)
        return stored

    async def _weather(self) -> None:
        self.calls += 1
        await asyncio.sleep(0.01)
        if self.weather == "down":
            raise Unavailable("ApiServerUnreachable", "refused")
        if self.weather == "silent":
            await asyncio.sleep(3600)
