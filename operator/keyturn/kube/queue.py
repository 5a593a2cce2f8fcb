"""A work queue: each key at most once in it, one piece of work per key at a time, wake-ups later, bounded concurrency.

Pure asyncio, reckoned in the loop's monotonic time. It knows nothing of Kubernetes, and forgets nothing
it was told: a key whose work was cut off stays in the queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_BACKOFF = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)  # seconds after the first, second ... failure in a row

Work = Callable[[K], Awaitable[timedelta | None]]


class WorkQueue(Generic[K]):
    """``wake`` from anywhere in the loop; ``drain`` does the work until it is cancelled."""

    def __init__(
        self, *, concurrency: int = 8, failed: Callable[[K, Exception], None] = lambda _key, _error: None
    ) -> None:
        self._concurrency = concurrency
        self._failed = failed
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._queued: set[K] = set()  # what is in _ready
        self._running: dict[K, asyncio.Task[None]] = {}
        self._again: set[K] = set()  # woken while it was running
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._stopping = False

    def wake(self, key: K) -> None:
        """Work on this key as soon as possible; once more if it is being worked on, because something changed since."""
        self._unplan(key)
        if key in self._running:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.put_nowait(key)

    def wake_after(self, key: K, delay: timedelta) -> None:
        """Work on this key then, if nothing wakes it earlier. Of two such wishes the earlier one counts."""
        if key in self._queued or key in self._again:
            return
        loop = asyncio.get_running_loop()
        when = loop.time() + max(0.0, delay.total_seconds())
        planned = self._timers.get(key)
        if planned is None or planned.when() > when:
            self._unplan(key)
            self._timers[key] = loop.call_at(when, self.wake, key)

    def __len__(self) -> int:
        """Keys that are ready and wait for a worker."""
        return len(self._queued)

    @property
    def running(self) -> int:
        """Keys being worked on."""
        return len(self._running)

    async def drain(self, work: Work[K], *, patience: Callable[[], float] = lambda: 0.0) -> None:
        """Work until cancelled. Then work that runs gets ``patience()`` seconds to end, and is cut off after that."""
        self._stopping = False
        workers = [asyncio.create_task(self._worker(work)) for _ in range(self._concurrency)]
        try:
            done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)  # does not cancel them
            for worker in done:
                worker.result()
        finally:
            self._stopping = True
            busy = set(self._running.values())
            for worker in workers:
                if worker not in busy:
                    worker.cancel()
            if busy:
                await asyncio.wait(busy, timeout=patience())
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _worker(self, work: Work[K]) -> None:
        me = asyncio.current_task()
        assert me is not None  # noqa: S101 - a coroutine of ours always runs in a task
        while not self._stopping:
            key = await self._ready.get()
            self._queued.discard(key)
            self._running[key] = me
            try:
                delay = await work(key)
            except asyncio.CancelledError:
                self._again.add(key)
                raise
            except Exception as error:  # noqa: BLE001 - one plan's trouble must not stop the others
                delay = self._backoff(key)
                self._failed(key, error)
            else:
                self._failures.pop(key, None)
            finally:
                del self._running[key]
                self._come_again(key)
            if delay is not None:
                self.wake_after(key, delay)

    def _come_again(self, key: K) -> None:
        if key in self._again:
            self._again.discard(key)
            self.wake(key)

    def _backoff(self, key: K) -> timedelta:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        return timedelta(seconds=_BACKOFF[min(failures, len(_BACKOFF) - 1)])

    def _unplan(self, key: K) -> None:
        planned = self._timers.pop(key, None)
        if planned is not None:
            planned.cancel()
