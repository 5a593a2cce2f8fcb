"""The running operator: every replica watches and queues, the one that holds the lease works the queue off.

It builds nothing and knows no step of a rotation: it is given what watches, what elects and what reconciles.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from keyturn.core.model import ObjectKey
from keyturn.kube.lease import Elector
from keyturn.kube.queue import WorkQueue
from keyturn.ports import KeyturnError

_SWEEP_EVERY = timedelta(minutes=30)  # finds what a watch may have missed: after a re-list, deletions are not told
_SWEEP_RETRY = timedelta(seconds=5)
_PATIENCE = 5.0  # seconds for running steps to end by themselves when the process is asked to stop

Reconcile = Callable[[ObjectKey], Awaitable[timedelta | None]]
Everything = Callable[[], Awaitable[Sequence[ObjectKey]]]


@dataclass(frozen=True, slots=True)
class Operation:
    """What runs together until one of them ends, or ``stop`` is set."""

    elector: Elector
    queue: WorkQueue[ObjectKey]
    reconcile: Reconcile
    everything: Everything  # the keys of all plans there are
    background: Sequence[Awaitable[None]]  # watches, the heartbeat
    stop: asyncio.Event
    leading: Callable[[int], None]  # told the epoch when the lease is won, 0 when it is lost

    async def run(self) -> None:
        """Until stopped. The lease is given back first, while the rest still runs. Raises what ended a part of it."""
        lead = asyncio.ensure_future(self.elector.lead(self._lead))
        others = [asyncio.ensure_future(one) for one in (*self.background, self._stopped())]
        try:
            done, _ = await asyncio.wait([lead, *others], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for group in ([lead], others):
                for task in group:
                    task.cancel()
                await asyncio.gather(*group, return_exceptions=True)
        for task in done:
            task.result()

    async def _stopped(self) -> None:
        await self.stop.wait()

    async def _lead(self) -> None:
        self.leading(self.elector.epoch)
        sweep = asyncio.ensure_future(self._sweep())
        try:
            await self.queue.drain(self.reconcile, patience=self._patience)
        finally:
            sweep.cancel()
            await asyncio.gather(sweep, return_exceptions=True)
            self.leading(0)

    def _patience(self) -> float:
        """Only a leader may finish what it has begun; one that lost the lease stops at once."""
        return _PATIENCE if self.elector.leading() else 0.0

    async def _sweep(self) -> None:
        while True:
            pause = _SWEEP_EVERY
            try:
                for key in await self.everything():
                    self.queue.wake(key, behind=True)
            except KeyturnError:
                pause = _SWEEP_RETRY
            await asyncio.sleep(pause.total_seconds())
