"""Asks every acceptor pod for its page of counters, and keeps between two looks what they told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from keyturn.core.model import Problem
from keyturn.ports import Clock, PodRecord, Usage
from keyturn.providers.keyring.counting import Tally, Told, counts_of
from keyturn.providers.keyring.kinds import Counters
from keyturn.providers.keyring.pages import Unread
from keyturn.providers.telling import listed

_AT_ONCE: Final = 32
_COMING_UP: Final = timedelta(minutes=1)  # so long a pod that is not ready yet is not waited for


class Pages(Protocol):
    """Reads pages of pods."""

    async def page(self, address: str, port: int, path: str) -> bytes:
        """The whole page. Raises Unread."""
        ...


@dataclass(frozen=True, slots=True)
class CountedUses:
    """Satisfies ``ring.uses.Uses`` for one plan. ``tally`` outlives it: a plan is opened anew at each tick."""

    counters: Counters
    pages: Pages
    clock: Clock
    tally: Tally

    async def problems(self, current_id: str, pods: Sequence[PodRecord]) -> Sequence[Problem]:
        """Better said before anything is changed than in the middle of a soak."""
        found = [
            f"{one.pod}: {one.silent or f'no line for {current_id}'}"
            for one in await self._ask(pods)
            if current_id not in (one.counts or {})
        ]
        if not found:
            return ()
        why = f"not every acceptor pod counts what it accepts: {listed(found)}"
        return (Problem("AcceptorsDoNotCount", f"{why}; mend that, or take keyring.counters out of the plan"),)

    async def told(self, ids: Sequence[str], counted: frozenset[str], pods: Sequence[PodRecord]) -> Mapping[str, Usage]:
        """Of each id, by what every pod tells now and told before."""
        look = self.tally.look(await self._ask(pods), self.clock.now())
        return {id_: look.usage(id_, counted) for id_ in ids}

    async def _ask(self, pods: Sequence[PodRecord]) -> Sequence[Told]:
        turn = asyncio.Semaphore(_AT_ONCE)

        async def ask(pod: PodRecord) -> Told | None:
            async with turn:
                told = await self._of(pod)
            return None if told.counts is None and self._comes_up(pod, told) else told

        found = await asyncio.gather(*(ask(pod) for pod in pods))
        return [told for told in found if told is not None]

    def _comes_up(self, pod: PodRecord, told: Told) -> bool:
        """Nothing is sent to it yet; and if something is, its first page will show that."""
        if pod.ready or pod.terminating or self.tally.knows(told.being):
            return False
        return not pod.container_starts or self.clock.now() - told.started <= _COMING_UP

    async def _of(self, pod: PodRecord) -> Told:
        owner = str(pod.consumer) if pod.consumer is not None else "nobody's"
        name = f"pod {pod.name} of {owner}"
        starts = sorted(pod.container_starts.items())
        being = f"{pod.uid} {starts}"
        started = min((when for _, when in starts), default=pod.created)
        if pod.host_network:
            return Told(name, being, started, None, "it runs on the host's network, where anybody's page may be")
        if not pod.address:
            return Told(name, being, started, None, "it has no address yet")
        try:
            page = await self.pages.page(pod.address, self.counters.port, self.counters.path)
            return Told(name, being, started, counts_of(page, self.counters))
        except Unread as error:
            return Told(name, being, started, None, error.why)
