"""Two rotations at once, though neither should have begun beside the other: a rotator's, and one that it works for.

Each is a world of its own. They share the time, and the second one's provider logs in to the first one's backend with
what the first one's Secret held when the step began. In the middle of a step of the one, the other may take its own.
"""

from __future__ import annotations

import inspect
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from keyturn.core.model import Idle, Reach, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Denied, PlanRecord, Provider, ProviderRecord, SecretRecord, Unavailable, Usage
from support.memory_provider import OURS
from support.pods import parsed
from support.rotator_world import RotatorWorld
from support.world import START, World

LEAST = timedelta(milliseconds=1)


class _Through:
    """A provider all of whose calls need the rotator's login, as it was when the provider was opened."""

    def __init__(self, provider: Provider, worker: Worker) -> None:
        self._provider, self._worker, self._login = provider, worker, worker.login()

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._provider, name)
        if not inspect.iscoroutinefunction(real) or name == "close":
            return real

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._worker.beside()
            try:
                self._worker.enter(self._login)
            except Unavailable:
                return self._otherwise(name, args, Unavailable("BackendDown", "the backend is down"), Reach.DOWN)
            except Denied as refused:
                return self._otherwise(name, args, refused, Reach.REFUSED)
            return await real(*args, **kwargs)

        return call

    def _otherwise(self, name: str, args: Any, error: Exception, reach: Reach) -> Any:
        """As the port says: these never raise."""
        if name == "reach":
            return reach
        if name == "test":
            return Trial.DOWN
        if name == "usage":
            return {id_: Usage(Idle.UNKNOWN) for id_ in args[0]}
        raise error


@dataclass
class Turning(RotatorWorld):
    """The rotator's own rotation. Time is the pair's: a step says when the next one is due."""

    due: datetime = START

    def pass_time(self, wait: timedelta | None, before: object = None) -> None:
        now = self.clock.true
        super().pass_time(wait, before)
        self.due, self.clock.true = self.clock.true + LEAST, now


@dataclass
class Worker(World):
    """A rotation of two pods' credential, through the rotator that is being turned."""

    due: datetime = START
    rotator: Turning = field(default_factory=Turning)
    dice: random.Random = field(default_factory=random.Random)
    refused: int = 0
    open_port: int | None = None
    nested: bool = False

    def __post_init__(self) -> None:
        dice = self.dice
        super().__post_init__()
        self.dice = dice

    def open(self, record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Provider:
        if self.open_port is not None:  # the last step's session ends only now
            self.rotator.backend.hang_up(self.open_port)
            self.open_port = None
        return _Through(super().open(record, plan, admin), self)  # type: ignore[return-value]

    def login(self) -> tuple[str, Sealed] | None:
        url = self.rotator.cluster.secret_data.get("url")
        return parsed(url) if url is not None else None

    def enter(self, login: tuple[str, Sealed] | None) -> None:
        """Raises Denied: the backend refuses the rotator."""
        if self.open_port in self.rotator.backend.sessions:
            return
        self.open_port = self.rotator.backend.login(*login, OURS) if login is not None else None
        if self.open_port is None:
            self.refused += 1
            raise Denied("RotatorRefused", "the backend refuses the rotator's own login")

    async def beside(self) -> None:
        """Now and then the other one takes a step in the middle of ours."""
        if not self.nested and self.dice.random() < 0.05:
            self.nested = True
            await self.rotator.tick()
            self.nested = False

    def pass_time(self, wait: timedelta | None, before: object = None) -> None:
        now = self.clock.true
        super().pass_time(wait, before)
        self.due, self.clock.true = self.clock.true + LEAST, now


def pair(seed: int, *, rollback: bool = False, mode: str = "Graceful") -> tuple[Turning, Worker]:
    """Both are asked for; neither knows of the other."""
    dice = random.Random(seed)
    rotator = Turning(alone=True, request={"planRef": {"name": "orders"}, "mode": mode})
    rotator.people_act = True
    worker = Worker(clock=rotator.clock, rotator=rotator, dice=dice)
    worker.people_act = True
    for world in (rotator, worker):
        world.due = START
        world.ask_for_rotation()
    if rollback:
        rotator.happenings.append(lambda world: world.abort() if world.phase == "Watch" else None)
    return rotator, worker


def play(rotator: Turning, worker: Worker, steps: int = 3000) -> None:
    """Whoever is due takes the next step, until both have ended. Raises Broken."""

    async def go() -> None:
        for _ in range(steps):
            world = min((rotator, worker), key=lambda one: (one.due, worker.dice.random()))
            rotator.clock.true = max(rotator.clock.true, world.due)
            await world.tick()
            if rotator.ended and worker.ended:
                break

    rotator.aside(go())
