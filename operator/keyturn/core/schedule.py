"""When is the next rotation due, and may one begin now? Cron with time zone, maximum age, windows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class InvalidSchedule(ValueError):
    """A schedule that can never be right; the message names the field."""


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start`` to ``end`` local time, on these days (empty: every day). May pass midnight."""

    start: time
    end: time
    days: frozenset[str] = frozenset()

    def covers(self, local: datetime) -> bool:
        """Is this local moment inside? The part after midnight belongs to the day on which the window began."""
        clock = local.timetz().replace(tzinfo=None)
        if self.start < self.end:
            return self.start <= clock < self.end and self._on(local)
        if clock >= self.start:
            return self._on(local)
        return clock < self.end and self._on(local - timedelta(days=1))

    def _on(self, day: datetime) -> bool:
        return not self.days or DAYS[day.weekday()] in self.days


@dataclass(frozen=True, slots=True)
class Schedule:
    """What the plan asks for. Nothing set: only when a person asks."""

    cron: str = ""
    zone: str = "UTC"
    max_age: timedelta | None = None
    windows: tuple[Window, ...] = ()


def check(schedule: Schedule) -> None:
    """Raises InvalidSchedule naming the field and the way out."""
    zone = _zone(schedule.zone)
    if schedule.cron:
        try:
            next(CronSim(schedule.cron, datetime(2026, 1, 1, tzinfo=zone)))
        except (CronSimError, StopIteration):
            raise InvalidSchedule(
                "schedule.cron is not a cron expression with five fields that ever comes due"
            ) from None
    if schedule.max_age is not None and schedule.max_age <= timedelta():
        raise InvalidSchedule("schedule.maxAge must be longer than nothing")


def due(schedule: Schedule, since: datetime) -> datetime | None:
    """When the next rotation is due, counted from the last one's end (or from adoption). None: never by itself."""
    moments: list[datetime] = []
    if schedule.cron:
        dates = CronSim(schedule.cron, since.astimezone(_zone(schedule.zone)))
        # in the hour that comes twice it starts from the first one, and would name what is over
        moments.append(next(moment for date in dates if (moment := date.astimezone(UTC)) > since))
    if schedule.max_age is not None:
        moments.append(since + schedule.max_age)
    return min(moments, default=None)


def open_now(windows: Sequence[Window], zone: str, now: datetime) -> bool:
    """May a forward step that changes something begin now? Without windows: always."""
    return not windows or any(w.covers(now.astimezone(_zone(zone))) for w in windows)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise InvalidSchedule("schedule.timeZone is not a known time zone; write it like Europe/Berlin") from None
