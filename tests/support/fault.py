"""A fault is a value: what begins, what ends it, how long it lasts, which rows of the fault matrix it stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.world import World

Act = Callable[["World"], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """``lasts`` is time of the simulated world; without an ``end`` the fault is over at once."""

    name: str
    kind: str
    begin: Act
    end: Act | None = None
    lasts: timedelta = timedelta(seconds=8)
    fm: tuple[int, ...] = ()  # rows of the fault matrix: FM-13 is 13
    alike: bool = False  # ends, and writes to the world, as a run without it (``oracle``)
    may_end: tuple[str, ...] = ("Complete", "RolledBack")


def lasting(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)
