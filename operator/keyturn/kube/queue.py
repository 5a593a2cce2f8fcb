"""A work queue: each key at most once in it, one piece of work per key at a time, wake-ups later, bounded concurrency.

Two lines: what somebody waits for goes first, and what is only looked at now and then gets half of the places, so that
a thousand slow looks hold up nothing that is under way. Pure asyncio, reckoned in the loop's monotonic time. It knows
nothing of Kubernetes, and forgets nothing it was told: a key whose work was cut off stays in the queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

PROMPT = timedelta(seconds=10)  # who asks to come again sooner than this has something under way
_BACKOFF = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)  # seconds after the first, second ... failure in a row
_IN_A_ROW = 3  # of the first line, then one of the other: the first may be long for a long time

Work = Callable[[K], Awaitable[timedelta | None]]


class WorkQueue(Generic[K]):
    """``wake`` from anywhere in the loop; ``drain`` does the work until it is cancelled."""

    def __init__(
        self, *, concurrency: int = 8, failed: Callable[[K, Exception], None] = lambda _key, _error: None
    ) -> None:
        self._concurrency = concurrency
        self._most_behind = max(1, concurrency // 2)  # of those worked on at once
        self._failed = failed
        self._first: dict[K, None] = {}  # both lines in the order in which they came
        self._behind: dict[K, None] = {}
        self._firsts = 0  # taken in a row
        self._running: set[K] = set()
        self._running_behind: set[K] = set()
        self._again: dict[K, bool] = {}  # woken while it was running: behind?
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # until their end was seen
        self._changed = asyncio.Event()  # there may be something to begin

    def wake(self, key: K, *, behind: bool = False) -> None:
        """Work on this key as soon as possible; once more if it is being worked on, because something changed since.

        ``behind``: nobody waits for it, so it comes after those that somebody waits for.
        """
        self._unplan(key)
        if key in self._running:
            self._again[key] = behind and self._again.get(key, True)
        elif not behind:
            self._behind.pop(key, None)
            self._first[key] = None
        elif key not in self._first:
            self._behind[key] = None
        self._changed.set()

    def wake_after(self, key: K, delay: timedelta) -> None:
        """Work on this key then, if nothing wakes it earlier. Of two such wishes the earlier one counts."""
        if key in self._first or key in self._behind or key in self._again:
            return
        loop = asyncio.get_running_loop()
        when = loop.time() + max(0.0, delay.total_seconds())
        planned = self._timers.get(key)
        if planned is None or planned.when() > when:
            self._unplan(key)
            self._timers[key] = loop.call_at(when, lambda: self.wake(key, behind=delay >= PROMPT))

    def __len__(self) -> int:
        """Keys that are ready and wait for their turn."""
        return len(self._first) + len(self._behind)

    @property
    def running(self) -> int:
        """Keys being worked on."""
        return len(self._running)

    async def drain(self, work: Work[K], *, patience: Callable[[], float] = lambda: 0.0) -> None:
        """Work until cancelled. Then work that runs gets ``patience()`` seconds to end, and is cut off after that."""
        try:
            while True:
                self._changed.clear()
                while (key := self._next()) is not None:
                    self._running.add(key)
                    self._tasks.add(asyncio.create_task(self._one(key, work)))
                await self._something_changes()
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=patience())
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._tasks.clear()

    async def _something_changes(self) -> None:
        """A key was woken, or a place is free. Raises what ended a piece of work, if that was no Exception."""
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait([changed, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            task.result()

    def _next(self) -> K | None:
        """The key whose turn it is, taken out of its line; None when there is none, or no place for it."""
        if len(self._running) >= self._concurrency:
            return None
        room_behind = bool(self._behind) and len(self._running_behind) < self._most_behind
        if self._first and not (room_behind and self._firsts >= _IN_A_ROW):
            self._firsts += 1
            return _taken(self._first)
        if not room_behind:
            return None
        self._firsts = 0
        key = _taken(self._behind)
        self._running_behind.add(key)
        return key

    async def _one(self, key: K, work: Work[K]) -> None:
        try:
            delay = await work(key)
        except asyncio.CancelledError:
            self._again[key] = False
            raise
        except Exception as error:  # noqa: BLE001 - one plan's trouble must not stop the others
            delay = self._backoff(key)
            self._failed(key, error)
        else:
            self._failures.pop(key, None)
        finally:
            self._running.discard(key)
            self._running_behind.discard(key)
            self._come_again(key)
        if delay is not None:
            self.wake_after(key, delay)

    def _come_again(self, key: K) -> None:
        self._changed.set()
        if (behind := self._again.pop(key, None)) is not None:
            self.wake(key, behind=behind)

    def _backoff(self, key: K) -> timedelta:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        return timedelta(seconds=_BACKOFF[min(failures, len(_BACKOFF) - 1)])

    def _unplan(self, key: K) -> None:
        planned = self._timers.pop(key, None)
        if planned is not None:
            planned.cancel()


def _taken(line: dict[K, None]) -> K:
    key = next(iter(line))
    del line[key]
    return key
