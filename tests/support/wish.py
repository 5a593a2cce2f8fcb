"""What a run is asked to be, and what it was like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from support.api_proxy import Fault


class Weather(StrEnum):
    """What a whole run takes place in."""

    FAIR = "fair"
    SLOW = "slow"  # every call to the API server takes longer
    EXPIRED = "410"  # the watches are told that their version is too old
    FROZEN = "frozen"  # the watches stay open and say nothing any more
    AWAY = "away"  # the API server cannot be reached for a while


@dataclass(frozen=True)
class Wish:
    """One run: a rotation, aborted (or its object deleted) right after a phase was written or not, and what strikes it.

    Its name says all of it: ``abort-at-Watch@7=kill-before,9=kill-after``. A number is a write to the API server,
    anything else a call of the backend.
    """

    abort_at: str = ""
    strikes: Mapping[str, Fault] = field(default_factory=dict[str, Fault])
    weather: Weather = Weather.FAIR
    lost: bool = False  # deleted rather than aborted

    @property
    def ends(self) -> str:
        """How it shall end."""
        return "RolledBack" if self.abort_at else "Complete"

    @property
    def name(self) -> str:
        """What ``read`` understands."""
        series = f"{'lost' if self.lost else 'abort'}-at-{self.abort_at}" if self.abort_at else "rotation"
        points = ",".join(f"{point}={fault}" for point, fault in self.strikes.items())
        weather = "" if self.weather is Weather.FAIR else f"~{self.weather}"
        return series + weather + (f"@{points}" if points else "")

    @classmethod
    def read(cls, name: str) -> Self:
        """From its name."""
        series, _, points = name.partition("@")
        what, _, weather = series.partition("~")
        pairs = [one.rpartition("=") for one in points.split(",") if one]
        strikes = {point: Fault(fault) for point, _, fault in pairs}
        how, _, phase = what.partition("-at-")
        return cls(phase, strikes, Weather(weather or Weather.FAIR), lost=how == "lost")


@dataclass
class Outcome:
    """What a run was like."""

    backend: str
    wish: Wish
    seconds: float = 0.0
    writes: list[str] = field(default_factory=list[str])
    restarts: int = 0  # writes to a Deployment that were done
    calls: list[str] = field(default_factory=list[str])
    struck: list[str] = field(default_factory=list[str])
    phases: list[str] = field(default_factory=list[str])
    deaths: int = 0
    wrong: list[str] = field(default_factory=list[str])

    @property
    def name(self) -> str:
        """Which run it was: what ``hack/test faults --replay`` is given."""
        return f"{self.backend}:{self.wish.name}"
