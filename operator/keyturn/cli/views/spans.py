"""Spans and moments as people read them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def span(value: timedelta) -> str:
    """``84s``, ``2m14s``, ``3h12m``, ``5d4h``: two units at most, as kubectl writes ages. Never negative."""
    seconds = max(0, int(value.total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 3 * 3600:
        return _two(seconds, 60, "m", 1, "s")
    if seconds < 48 * 3600:
        return _two(seconds, 3600, "h", 60, "m")
    return _two(seconds, 86400, "d", 3600, "h")


def _two(seconds: int, large: int, large_name: str, small: int, small_name: str) -> str:
    rest = seconds % large // small
    return f"{seconds // large}{large_name}" + (f"{rest}{small_name}" if rest else "")


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago; - if never."""
    return span(now - moment) if moment is not None else "-"


def ahead(moment: datetime | None, now: datetime) -> str:
    """``Mon 23 Nov 03:00 UTC (in 5d4h)``; ``due`` when it has passed, ``only on request`` when there is none."""
    if moment is None:
        return "only on request"
    rest = f"in {span(moment - now)}" if moment > now else "due"
    return f"{moment.astimezone(UTC):%a %d %b %H:%M} UTC ({rest})"
