"""A schedule says which faults strike when. It has one spelling, so that a failing one is replayed with one command.

    rotation: backend down@Roll+2 & kill-after@write-secret#1 & secret edited@before restart#1

``Roll+2`` is the third look in that phase, ``Start+0`` the very first; ``before restart#1`` is inside a look, right
before that write; ``kill-before``, ``kill-after`` and ``lose-answer`` strike a write.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import datetime

from support.catalogue import FAULTS, STALL
from support.endings import came_to_rest
from support.fault import Fault
from support.oracle import writes_alike
from support.promises import CHANGES, Broken
from support.scenarios import SCENARIOS
from support.switchboard import Strike
from support.world import INSIDE, World

ALIKE = frozenset(name for name, fault in FAULTS.items() if fault.alike)
LIMIT = 1500  # ticks; a rotation without faults takes about sixty
BEFORE = "before "


@dataclass(frozen=True, slots=True)
class Happening:
    """One fault at one moment."""

    name: str
    when: str

    def __str__(self) -> str:
        return f"{self.name}@{self.when}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A scenario and what happens in it."""

    scenario: str
    happenings: tuple[Happening, ...] = ()

    def __str__(self) -> str:
        return f"{self.scenario}: {' & '.join(map(str, self.happenings))}"

    @classmethod
    def parse(cls, text: str) -> Schedule:
        scenario, _, rest = text.partition(":")
        parts = [part.strip().rpartition("@") for part in rest.split("&") if part.strip()]
        found = cls(scenario.strip(), tuple(Happening(name, when) for name, _, when in parts))
        unknown = [h.name for h in found.happenings if h.name not in (*FAULTS, *Strike, STALL.name)]
        if unknown or found.scenario not in SCENARIOS:
            raise ValueError(f"nobody knows {unknown or found.scenario}")
        return found

    @property
    def strikes(self) -> dict[str, Strike]:
        return {h.when: Strike(h.name) for h in self.happenings if h.name in tuple(Strike)}


class Conductor:
    """Begins and ends the faults of one schedule in one world."""

    def __init__(self, world: World, schedule: Schedule) -> None:
        self.world = world
        self.due = [h for h in schedule.happenings if h.name not in tuple(Strike)]
        self.running: list[tuple[datetime, Fault]] = []
        self.asleep: list[tuple[datetime, asyncio.Event, asyncio.Task[object]]] = []
        self.happened: list[str] = []
        world.conductor = self
        if any(h.when.startswith(BEFORE) for h in self.due):
            world.board.before_write = self.before_write

    async def before_tick(self) -> None:
        """Ends what has lasted long enough, wakes sleepers, begins what is due."""
        now, world = self.world.clock.true, self.world
        for until, fault in [r for r in self.running if r[0] <= now]:
            self.running.remove((until, fault))
            self._end(fault)
        for until, wake, task in [s for s in self.asleep if s[0] <= now]:
            self.asleep.remove((until, wake, task))
            wake.set()
            world.tasks.remove(task)
            world.overtaken = True
            await task
            world.overtaken = False
        here = f"{world.phase or 'Start'}+{world.ticks_in.get(world.phase, 1) - 1}"
        for happening in [h for h in self.due if h.when == here]:
            self._begin(happening)

    async def before_write(self, point: str) -> None:
        now = [h for h in self.due if h.when == BEFORE + point]
        for happening in sorted(now, key=lambda h: h.name == STALL.name):
            if happening.name == STALL.name:
                await self._stall(happening)
            else:
                self.world.clock.true += INSIDE
                self._begin(happening)

    async def _stall(self, happening: Happening) -> None:
        """The process is stopped right here; another one takes the lease, with a newer epoch."""
        self.due.remove(happening)
        self.happened.append(str(happening))
        task, wake, world = asyncio.current_task(), asyncio.Event(), self.world
        assert task is not None
        self.asleep.append((world.clock.true + STALL.lasts, wake, task))
        world.tasks.append(task)
        world.epoch += 1
        world.restart_operator()
        await wake.wait()

    def _begin(self, happening: Happening) -> None:
        fault = FAULTS[happening.name]
        self.due.remove(happening)
        self.happened.append(str(happening))
        fault.begin(self.world)
        if fault.end is not None:
            self.world.active.add(fault.name)
            self.running.append((self.world.clock.true + fault.lasts, fault))

    def _end(self, fault: Fault) -> None:
        assert fault.end is not None
        self.world.active.discard(fault.name)
        fault.end(self.world)


def prepared(schedule: Schedule) -> World:
    """A world in which it will happen."""
    world = SCENARIOS[schedule.scenario].make()
    world.board.strikes.update(schedule.strikes)
    world.dice = random.Random(str(schedule))
    world.people_act = True
    Conductor(world, schedule)
    return world


def play(schedule: Schedule, world: World | None = None) -> World:
    """Run it to its end. Raises Broken when a promise is."""
    world = world or prepared(schedule)
    world.ask_for_rotation()
    world.run(LIMIT)
    scenario = SCENARIOS[schedule.scenario]
    allowed = {end for h in schedule.happenings if h.name in FAULTS for end in FAULTS[h.name].may_end}
    late = {"Complete", "RolledBack"} if schedule.happenings and not scenario.timeless else set[str]()
    came_to_rest(world, allowed or late or {scenario.ends})
    alike = ALIKE if scenario.timeless else frozenset[str]()
    if all(h.name in alike or h.name in tuple(Strike) for h in schedule.happenings):
        struck = len(schedule.strikes)
        writes_alike(world, schedule.scenario, struck if struck == len(schedule.happenings) else None)
    if world.phase == "RolledBack" and not scenario.goes_back and not CHANGES.isdisjoint(world.board.writes):
        raise Broken("I6/I7: it went back although somebody else may know the old credential")
    return world
