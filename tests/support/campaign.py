"""Many runs over a few shops at a time, and what came of them."""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from support.faulty_run import run
from support.faulty_shop import Shop
from support.kube_api import KubeApi, Refused, Unanswered
from support.ware import Failed
from support.wares import WARES
from support.wish import Outcome, Wish

_MORE_WRITES = 8  # that a strike may cost: what it undid, said again


@dataclass
class Campaign:
    """``shops`` work side by side; one whose run went wrong is closed, and another opened in its place."""

    api: KubeApi
    backend: str  # one of ``WARES``
    shops: int
    say: Callable[[str], None]
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    seconds: float = 0.0
    _networks: itertools.count[int] = field(default_factory=lambda: itertools.count(20))
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _free: list[Shop] = field(default_factory=list[Shop])
    _plain: dict[str, Outcome] = field(default_factory=dict[str, Outcome])

    async def plain(self, abort_at: str) -> Outcome:
        """The same run without any fault: what there is to strike, and what it costs."""
        await self._learn([abort_at])
        return self._plain[abort_at]

    async def run(self, wishes: Iterable[Wish]) -> list[Outcome]:
        """All of them; none may write much more than it must, or restart anything twice."""
        asked = list(wishes)
        await self._learn([wish.abort_at for wish in asked])
        found = await self._run([wish for wish in asked if wish != Wish(wish.abort_at)])
        for outcome in found:
            if not outcome.wrong:
                outcome.wrong += _wasteful(outcome, self._plain[outcome.wish.abort_at])
        return found + [self._plain[wish.abort_at] for wish in asked if wish == Wish(wish.abort_at)]

    async def _learn(self, phases: Iterable[str]) -> None:
        """Runs without faults are done once; if one of them is not right, nothing else can be judged."""
        missing = [Wish(abort_at) for abort_at in dict.fromkeys(phases) if abort_at not in self._plain]
        for outcome in await self._run(missing):
            assert not outcome.wrong, outcome.wrong
            self._plain[outcome.wish.abort_at] = outcome

    def changes(self, calls: Iterable[str]) -> list[str]:
        """The calls of the backend that change something."""
        return [call for call in calls if WARES[self.backend].changes.search(call)]

    async def close(self) -> None:
        """All shops."""
        await asyncio.gather(*(shop.close() for shop in self._free))

    async def _run(self, wishes: Sequence[Wish]) -> list[Outcome]:
        waiting, found = iter(wishes), list[Outcome]()
        began = time.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.shops, len(wishes))):
                    group.create_task(self._work(waiting, found))
        finally:  # a sweep that is interrupted tells what it has seen
            self.seconds += time.monotonic() - began
            self.outcomes += found
        return found

    async def _work(self, waiting: Iterable[Wish], found: list[Outcome]) -> None:
        shop: Shop | None = None
        for wish in waiting:
            shop = shop or (self._free.pop() if self._free else await self._opened())
            try:
                outcome = await run(shop, wish, next(self._numbers))
            except (Unanswered, Refused, Failed) as error:
                outcome = Outcome(self.backend, wish, wrong=[f"it could not be looked at to its end: {error!r}"])
            found.append(outcome)
            words = "; ".join(outcome.wrong) or f"{outcome.seconds:.1f} s, {len(outcome.writes)} writes"
            self.say(f"{outcome.name}: {words}")
            if outcome.wrong:
                self.say(f"  struck {outcome.struck}; the operator's log: {_kept(shop)}")
                with suppress(Exception):
                    await shop.close()
                shop = None
        if shop is not None:
            self._free.append(shop)

    async def _opened(self) -> Shop:
        shop = Shop(self.api, WARES[self.backend], f"faults-{uuid4().hex[:6]}", next(self._networks))
        try:
            await shop.open()
            warm = await run(shop, Wish(), next(self._numbers))  # from now on every run deletes an older one
            assert not warm.wrong, warm.wrong
        except BaseException:
            await shop.close()
            raise
        return shop


def _wasteful(outcome: Outcome, plain: Outcome) -> list[str]:
    """More was written than it takes, or anything restarted twice."""
    wrong = [f"{outcome.restarts} restarts, not {plain.restarts}"] if outcome.restarts != plain.restarts else []
    most = len(plain.writes) + _MORE_WRITES * (1 + len(outcome.wish.strikes))
    if len(outcome.writes) > most:
        wrong.append(f"{len(outcome.writes)} writes where {len(plain.writes)} are enough: {outcome.writes}")
    return wrong


def _kept(shop: Shop) -> Path:
    """The log, where it outlives the shop."""
    descriptor, path = tempfile.mkstemp(prefix="keyturn-operator-", suffix=".log")
    with os.fdopen(descriptor, "w") as log:
        log.write(shop.operator.log_text())
    return Path(path)
