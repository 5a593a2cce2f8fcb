"""Every write of the simulated world passes here: it can be killed before, killed after, or have its answer lost."""

from __future__ import annotations

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


@dataclass
class Switchboard:
    """Counts writes and strikes the chosen ones."""

    strikes: dict[int, Strike] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    watch: Callable[[str], None] = lambda _name: None  # sees every write right after it happened

    async def write(self, name: str, act: Callable[[], Awaitable[None] | None]) -> None:
        number = len(self.writes)
        self.writes.append(name)
        strike = self.strikes.get(number)
        if strike is Strike.KILL_BEFORE:
            raise Crash(name)
        done = act()
        if done is not None:
            await done
        self.watch(name)
        if strike is Strike.KILL_AFTER:
            raise Crash(name)
        if strike is Strike.LOSE_ANSWER:
            raise OutcomeUnknown("AnswerLost", "the answer to a write was lost")
