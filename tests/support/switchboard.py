"""Every call of the simulated operator passes here: calls can be refused or slow, writes killed or their answer lost.

A write is named by its kind and how many of that kind were tried before: ``write-secret#1`` is the first. That name is
stable when other writes come and go, so a schedule can be replayed by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from keyturn.ports import OutcomeUnknown


class Crash(BaseException):
    """The operator's process died here. Not an Exception: nothing in the operator may catch it."""


class Strike(StrEnum):
    """What happens to a write."""

    KILL_BEFORE = "kill-before"
    KILL_AFTER = "kill-after"
    LOSE_ANSWER = "lose-answer"


class Side(StrEnum):
    """Who is called."""

    API = "api"
    BACKEND = "backend"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the operator, before anything happened."""

    side: Side
    name: str
    writes: bool


Weather = Callable[[Call], None]  # may raise the ports' errors, or let time pass


@dataclass
class Switchboard:
    """Counts writes, strikes the chosen ones, and lets the weather at every call."""

    strikes: dict[str, Strike] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)  # every write that happened, in order, by its kind
    points: list[str] = field(default_factory=list)  # every write that was tried, by its name
    struck: list[str] = field(default_factory=list)
    weather: dict[str, Weather] = field(default_factory=dict)
    before_write: Callable[[str], Awaitable[None]] | None = None  # a fault may begin here, or the process be stopped
    after_write: Callable[[str, str], None] = lambda _kind, _about: None
    between_calls: Callable[[], Awaitable[None]] | None = None  # lets another operator at it
    _tried: Counter[str] = field(default_factory=Counter)

    async def call(self, side: Side, name: str, *, writes: bool = False) -> None:
        """Raises what the weather of the moment does to this call."""
        if self.between_calls is not None:
            await self.between_calls()
        for blow in tuple(self.weather.values()):
            blow(Call(side, name, writes))

    async def write(self, kind: str, act: Callable[[], object], about: str = "") -> None:
        """Carry out one write. ``about`` is the principal or object, for those who watch."""
        self._tried[kind] += 1
        point = f"{kind}#{self._tried[kind]}"
        self.points.append(point)
        if self.before_write is not None:
            await self.before_write(point)
        strike = self.strikes.get(point)
        if strike is not None:
            self.struck.append(point)
        if strike is Strike.KILL_BEFORE:
            raise Crash(point)
        act()
        self.writes.append(kind)
        self.after_write(kind, about)
        if strike is Strike.KILL_AFTER:
            raise Crash(point)
        if strike is Strike.LOSE_ANSWER:
            raise OutcomeUnknown("AnswerLost", "the answer to a write was lost")
