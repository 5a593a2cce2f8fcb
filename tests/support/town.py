"""A thousand plans in one operator: the real queue and the real reconciler over as many small worlds, in virtual time.

Every call takes a while and is counted, by who was called and by how many were under way. Backends can fall silent,
which costs every call its time limit. Nothing here knows what is right.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from keyturn.core.model import ObjectKey
from keyturn.core.rotation import FINISHED
from keyturn.kube.queue import WorkQueue
from support.memory_cluster import spec
from support.switchboard import Side, Switchboard
from support.virtual_time import in_virtual_time
from support.world import PLAN, START, VirtualClock, World

API_SECONDS, BACKEND_SECONDS, TIME_LIMIT = 0.005, 0.02, 5.0


class LoopClock(VirtualClock):
    """Tells the time of the loop that runs."""

    def __init__(self) -> None:
        self.skew = timedelta()

    @property
    def true(self) -> datetime:  # type: ignore[override]  # the world's own clock is moved by hand
        return START + timedelta(seconds=asyncio.get_running_loop().time() - 1000)


@dataclass
class Meter:
    """How much was asked of whom."""

    calls: Counter[Side] = field(default_factory=Counter[Side])
    callers: Counter[str] = field(default_factory=Counter[str])  # of backends, under way
    most_callers: int = 0

    def call(self, side: Side, caller: str) -> _Underway:
        self.calls[side] += 1
        return _Underway(self, caller if side is Side.BACKEND else "")


@dataclass
class _Underway:
    meter: Meter
    caller: str

    def __enter__(self) -> None:
        if self.caller:
            self.meter.callers[self.caller] += 1
            self.meter.most_callers = max(self.meter.most_callers, len(+self.meter.callers))

    def __exit__(self, *_: object) -> None:
        if self.caller:
            self.meter.callers[self.caller] -= 1


@dataclass
class Line(Switchboard):
    """Between one plan and everybody it calls."""

    meter: Meter = field(default_factory=Meter)
    silent: bool = False  # its backend
    name: str = ""

    async def call(self, side: Side, name: str, *, writes: bool = False) -> None:
        with self.meter.call(side, self.name):
            await asyncio.sleep(API_SECONDS if side is Side.API else TIME_LIMIT if self.silent else BACKEND_SECONDS)
        await super().call(side, name, writes=writes)


@dataclass
class Town:
    """So many plans, all adopted and at rest once ``settled``; use within ``in_town``."""

    worlds: dict[ObjectKey, World]
    meter: Meter
    queue: WorkQueue[ObjectKey]
    looks: Counter[ObjectKey] = field(default_factory=Counter[ObjectKey])
    rotating: set[ObjectKey] = field(default_factory=set[ObjectKey])
    most_at_once: int = 0

    @classmethod
    def of(cls, plans: int, check_every: str) -> Town:
        meter, worlds = Meter(), dict[ObjectKey, World]()
        for number in range(plans):
            name = f"plan-{number}"
            world = World(board=Line(meter=meter, name=name), clock=LoopClock())
            plan = world.cluster.the_plan
            assert plan is not None
            world.cluster.the_plan = replace(plan, uid=f"uid-{number}", spec=spec(checkEvery=check_every))
            worlds[ObjectKey("shop", name)] = world
        return cls(worlds, meter, WorkQueue[ObjectKey]())

    async def look(self, key: ObjectKey) -> timedelta | None:
        """What the operator does when it is a plan's turn."""
        self.looks[key] += 1
        self.most_at_once = max(self.most_at_once, self.queue.running)
        world = self.worlds[key]
        world.promises.step_begins()
        return await world.operator.reconcile(PLAN)

    def backends(self, keys: Collection[ObjectKey], *, down: bool, silent: bool = False) -> None:
        """Those of these plans refuse every connection, or say nothing until the time limit; or they are back."""
        for key in keys:
            board, self.worlds[key].backend.down = self.worlds[key].board, down
            assert isinstance(board, Line)
            board.silent = silent

    def rotate(self, key: ObjectKey) -> None:
        """Somebody asks for it, and the watch tells."""
        self.rotating.add(key)
        self.worlds[key].ask_for_rotation()
        self.queue.wake(key)

    async def pods_move(self) -> None:
        """As they do, second by second, where a rotation was asked for."""
        while True:
            await asyncio.sleep(1)
            for key in self.rotating:
                self.worlds[key].cluster.fleet.move()

    async def rotated(self, key: ObjectKey) -> float:
        """Ask for a rotation and wait for its end: so many seconds."""
        began = asyncio.get_running_loop().time()
        self.rotate(key)
        await _until(lambda: self.worlds[key].phase in FINISHED)
        return asyncio.get_running_loop().time() - began

    def waiting(self) -> tuple[int, int]:
        """How many plans are ready and wait for their turn, and how many will be later."""
        return len(self.queue), len(self.queue._timers)

    def phases(self) -> Counter[str]:
        """Of the rotations that were asked for."""
        return Counter(self.worlds[key].phase for key in self.rotating)


Story = Callable[[Town], Awaitable[None]]


def in_town(plans: int, story: Story, *, check_every: str = "5m") -> Town:
    """Play ``story`` in a town whose plans have all been adopted. Raises what broke."""

    async def play() -> Town:
        town = Town.of(plans, check_every)
        for key in town.worlds:
            town.queue.wake(key)
        tasks = [asyncio.ensure_future(town.queue.drain(town.look)), asyncio.ensure_future(town.pods_move())]
        told = asyncio.ensure_future(_told(town, story))
        try:
            await asyncio.wait([told, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in (told, *tasks):
                if task.done():
                    task.result()
        finally:
            for task in (told, *tasks):
                task.cancel()
            await asyncio.gather(told, *tasks, return_exceptions=True)
        return town

    return in_virtual_time(play())


async def _told(town: Town, story: Story) -> None:
    await _until(lambda: all(world.plan_status.adopted_at is not None for world in town.worlds.values()))
    await asyncio.sleep(60)
    await story(town)
    for world in town.worlds.values():
        world.promises.check()


async def _until(so: Callable[[], bool]) -> None:
    """Looks every second, which costs nothing in virtual time."""
    while not so():  # noqa: ASYNC110 - what is waited for is a stored status, which tells nobody
        await asyncio.sleep(1)
