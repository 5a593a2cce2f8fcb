"""Leader election on a Lease: who holds it drains the queue, everybody else waits.

After client-go's rules (https://pkg.go.dev/k8s.io/client-go/tools/leaderelection): only times captured here count,
never those another process wrote. Beyond them: a time limit on every call, failed calls are failed attempts, release on
exit, an epoch, and a fence to ask before every write. It decides nothing about rotations.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from keyturn.ports import Clock, Conflict, KeyturnError, Misconfigured, Unavailable


def _wrong_times(why: str) -> Misconfigured:
    return Misconfigured("LeaseTimes", f"These lease times are not safe: {why}. Change operator.lease in the values.")


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds. Others wait ``duration`` after the last renewal seen; the holder stops itself at ``renew_deadline``."""

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0
    call: float = 4.0  # limit of one attempt: two fit before the deadline
    longest_act: float = 10.0  # a call of a former holder may still be on its way that long after its fence closed

    def __post_init__(self) -> None:
        """Raises Misconfigured for times under which two could act at once, or one hiccup would end a lead."""
        if self.duration < 1.5 * self.renew_deadline:
            raise _wrong_times(
                f"the duration ({self.duration:g} s) must be at least one and a half times the renew deadline "
                f"({self.renew_deadline:g} s), so that the holder has stopped before another one starts"
            )
        if self.retry < 0.1 or self.call < 0.1:
            raise _wrong_times("the retry period is too short, or leaves no time for a call before the renew deadline")
        if 2 * self.call + self.retry > self.renew_deadline:
            raise _wrong_times(f"two attempts of {self.call:g} s do not fit before the renew deadline")

    @classmethod
    def of(cls, duration: int, renew_deadline: float, retry: float) -> LeaseTimes:
        """As an operator's arguments name them; a call gets what lets two attempts fit. Raises Misconfigured."""
        return cls(duration, renew_deadline, retry, call=min(4.0, (renew_deadline - retry) / 2))

    @property
    def takeover(self) -> float:
        """The longest from a holder's sudden end to the next one's first act, if the API server answers at once."""
        look = self.retry * 1.25
        return look + self.duration + look + max(0.0, self.longest_act - (self.duration - self.renew_deadline))


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A Lease as stored."""

    holder: str
    epoch: int  # leaseTransitions
    duration: float
    acquired: datetime | None = None
    renewed: datetime | None = None
    resource_version: str = ""


class LeaseStore(Protocol):
    """Where one Lease is kept."""

    async def read(self) -> LeaseRecord | None:
        """None if there is none."""
        ...

    async def create(self, record: LeaseRecord) -> LeaseRecord:
        """Raises Conflict if there is one."""
        ...

    async def replace(self, record: LeaseRecord) -> LeaseRecord:
        """Compare-and-set. Raises Conflict."""
        ...


class Elector:
    """One candidate. ``identity`` must be this process's own: a restarted process is another candidate."""

    def __init__(
        self,
        store: LeaseStore,
        identity: str,
        clock: Clock,
        *,
        times: LeaseTimes | None = None,
        monotonic: Callable[[], float] | None = None,
        jitter: Callable[[], float] = random.random,  # from 0 to 1, so that candidates do not march in step
    ) -> None:
        self._store = store
        self._identity = identity
        self._clock = clock
        self._times = times or LeaseTimes()
        self._monotonic = monotonic or asyncio.get_running_loop().time
        self._jitter = jitter
        self._mine: LeaseRecord | None = None  # as last written by us, to renew without reading
        self._seen: tuple[LeaseRecord, float] | None = None  # another's, and when it was first seen so
        self._renewed_at: float | None = None  # when the last successful attempt *began*
        self._settle = 0.0
        self._epoch = 0

    @property
    def epoch(self) -> int:
        """Grows with every change of the holder. Backends that can hold it refuse older ones."""
        return self._epoch

    def leading(self) -> bool:
        """May this process act, right now? Reckoned from before the last renewal was sent, so never too long."""
        return self._renewed_at is not None and self._monotonic() - self._renewed_at < self._times.renew_deadline

    def fence(self) -> None:
        """Raises Unavailable when this process may not write (any more)."""
        if not self.leading():
            raise Unavailable(
                "NotLeading", "Another replica leads, or the lease could not be renewed; nothing was written."
            )

    def act(self) -> int:
        """The epoch to act under at a backend. Raises Unavailable when this process may not act (any more)."""
        self.fence()
        return self._epoch

    async def lead(self, work: Callable[[], Awaitable[None]]) -> None:
        """For ever: wait for the lease, and run ``work`` while it is held. When cancelled, give the lease back.

        ``work`` is cancelled when the lease is lost; when it ends or fails by itself, so does this.
        """
        try:
            while True:
                if not await self._attempt():
                    await asyncio.sleep(self._times.retry * (1 + self._jitter() / 4))
                elif await self._ended_while_leading(work):
                    return
        finally:
            await self._release()

    async def _ended_while_leading(self, work: Callable[[], Awaitable[None]]) -> bool:
        task = asyncio.ensure_future(self._settled(work))
        try:
            while self.leading():
                await asyncio.wait({task}, timeout=self._times.retry)
                if task.done():
                    task.result()
                    return True
                await self._attempt()
            return False
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _settled(self, work: Callable[[], Awaitable[None]]) -> None:
        """After a holder that did not release, wait out what it may have begun at the very end of its time."""
        await asyncio.sleep(self._settle)
        await work()

    async def _attempt(self) -> bool:
        """Acquire or renew, once. False: not now, for whatever reason."""
        began = self._monotonic()
        try:
            async with asyncio.timeout(self._times.call):
                stored = await self._acquired_or_renewed()
        except (KeyturnError, TimeoutError) as error:
            if isinstance(error, Conflict):
                self._mine = None  # somebody wrote: read before the next attempt
            return False
        if stored is None:
            self._mine, self._renewed_at = None, None
            return False
        self._mine, self._seen, self._renewed_at, self._epoch = stored, None, began, stored.epoch
        return True

    async def _acquired_or_renewed(self) -> LeaseRecord | None:
        now = self._clock.now()
        if self._mine is not None:
            return await self._store.replace(replace(self._mine, renewed=now))
        found = await self._store.read()
        if found is None:
            self._settle = 0.0
            return await self._store.create(self._taken(max(self._epoch + 1, _first_epoch(now)), now))
        if found.holder == self._identity:
            return await self._store.replace(replace(found, renewed=now))
        if not self._is_free(found):
            return None
        abandoned = bool(found.holder)
        margin = self._times.duration - self._times.renew_deadline
        self._settle = max(0.0, self._times.longest_act - margin) if abandoned else 0.0
        taken = self._taken(max(found.epoch, self._epoch) + 1, now)
        return await self._store.replace(replace(taken, resource_version=found.resource_version))

    def _is_free(self, found: LeaseRecord) -> bool:
        """Released, or not renewed for its whole duration while we were looking."""
        if not found.holder:
            return True
        now = self._monotonic()
        if self._seen is None or self._seen[0] != found:
            self._seen = (found, now)
        return now - self._seen[1] >= found.duration

    def _taken(self, epoch: int, now: datetime) -> LeaseRecord:
        return LeaseRecord(self._identity, epoch, self._times.duration, acquired=now, renewed=now)

    async def _release(self) -> None:
        """Empty the holder, so that the next one need not wait. Best effort: an unreachable server ends it by time."""
        mine, self._mine, self._renewed_at = self._mine, None, None
        try:
            async with asyncio.timeout(self._times.call):
                await self._given_back(mine)
        except (KeyturnError, TimeoutError):
            return

    async def _given_back(self, mine: LeaseRecord | None) -> None:
        """An attempt that was cut short may have arrived all the same: what is stored then is ours, and newer."""
        if mine is not None:
            with suppress(Conflict):
                await self._store.replace(self._emptied(mine))
                return
        found = await self._store.read()
        if found is not None and found.holder == self._identity:
            await self._store.replace(self._emptied(found))

    def _emptied(self, record: LeaseRecord) -> LeaseRecord:
        return replace(record, holder="", duration=1.0, renewed=self._clock.now())


def _first_epoch(now: datetime) -> int:
    """Of a Lease made anew: minutes since 1970, so that one deleted by mistake does not make epochs go back."""
    return int(now.timestamp() // 60)
