"""Reading fields out of raw JSON objects, typed, at the edge. Absent is empty; nothing here raises or interprets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

Json = dict[str, Any]


def at(obj: Json, *path: str) -> Any:
    """The value at a path of keys, None where the path ends early."""
    here: Any = obj
    for step in path:
        if not isinstance(here, dict):
            return None
        here = cast("Json", here).get(step)
    return here


def mapping(obj: Json, *path: str) -> Json:
    """An object at a path, empty if there is none."""
    found = at(obj, *path)
    return cast("Json", found) if isinstance(found, dict) else {}


def listed(obj: Json, *path: str) -> list[Json]:
    """A list of objects at a path, empty if there is none."""
    found = at(obj, *path)
    return cast("list[Json]", found) if isinstance(found, list) else []


def text(obj: Json, *path: str) -> str:
    """A string at a path, "" if there is none."""
    found = at(obj, *path)
    return found if isinstance(found, str) else ""


def number(obj: Json, *path: str) -> int:
    """A whole number at a path, 0 if there is none."""
    found = at(obj, *path)
    return found if isinstance(found, int) else 0


def strings(obj: Json, *path: str) -> dict[str, str]:
    """A map of strings at a path (labels, annotations), empty if there is none."""
    return {key: value for key, value in mapping(obj, *path).items() if isinstance(value, str)}


def moment(stamp: str) -> datetime:
    """An RFC 3339 time of the API server. Absent: the beginning of time, so that nothing looks fresh by accident."""
    return datetime.fromisoformat(stamp) if stamp else datetime.min.replace(tzinfo=UTC)
