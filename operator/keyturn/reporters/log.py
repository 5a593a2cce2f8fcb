"""The log: one JSON object a line, keys and values. Configured here, for our lines and for the libraries' alike.

No value of a secret and no text of a foreign exception gets through: of an error only its type and the places in the
code are written, because a driver's message may hold a connection string.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections.abc import MutableMapping, Sequence
from types import TracebackType
from typing import Any, TextIO, cast

import structlog

from keyturn.core.model import ObjectKey
from keyturn.core.sealed import REDACTED

_QUIET = ("kopf", "aiohttp", "asyncio", "kubernetes", "httpx")  # at DEBUG some print whole objects
_SILENT = ("psycopg", "aiormq")  # their words are a backend's
_LONGEST = 400  # characters of a library's line
_TELLING = re.compile(r"pass(word|wd|phrase)?$|secret$|token$|authorization$|dsn$|verifier$", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")

Event = MutableMapping[str, Any]


class LogReporter:
    """Implements ``ports.Reporter``: a line for every phase, and for every effect."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("keyturn")

    def moved(self, plan: ObjectKey, rotation: str, before: str, after: str, reason: str) -> None:
        """A rotation entered a phase."""
        self._log.info("phase", plan=str(plan), rotation=rotation, before=before, after=after, reason=reason)

    def acted(self, plan: ObjectKey, effect: str, outcome: str) -> None:
        """An effect was carried out, or failed."""
        self._log.info("effect", plan=str(plan), effect=effect, outcome=outcome)

    def drifted(self, plan: ObjectKey, reasons: Sequence[str]) -> None:
        """A plan at rest was looked at: a line only where something was found."""
        if reasons:
            self._log.warning("drift", plan=str(plan), reasons=list(reasons))


def configure(level: str, stream: TextIO | None = None) -> None:
    """For the whole process. ``level`` is ours; libraries stay at WARNING whatever it says."""
    logging.raiseExceptions = False  # a line that cannot be written would be printed raw, arguments and all
    _take_over_last_words()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_words_of_errors,
        redacted,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, shortened],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=_sealed),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("keyturn").setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _take_over_last_words() -> None:
    """What Python itself would print of an error that nobody caught."""

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        structlog.get_logger("keyturn").critical("uncaught", exc_info=(kind, error, trace))

    sys.excepthook = uncaught
    threading.excepthook = lambda told: uncaught(told.exc_type, told.exc_value or told.exc_type(), told.exc_traceback)
    sys.unraisablehook = lambda told: uncaught(told.exc_type, told.exc_value or told.exc_type(), told.exc_traceback)


def redacted(_logger: Any, _method: str, event: Event) -> Event:
    """Mask what has a telling name, and the user part of URLs, wherever it stands. A net below Sealed, not instead."""
    return {key: REDACTED if _TELLING.search(key) else _masked(value) for key, value in event.items()}


def without_words_of_errors(_logger: Any, _method: str, event: Event) -> Event:
    """``exc_info`` becomes the error's type and where it happened."""
    raised = event.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    error = cast("Any", raised[1] if isinstance(raised, tuple) else raised)
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["at"] = _places(error.__traceback__)
    return event


def shortened(_logger: Any, _method: str, event: Event) -> Event:
    """Of a library's line its beginning: asyncio's go on with the ``repr`` of a forgotten error: with its words."""
    said = str(event.get("event", "")).partition("\n")[0]
    if event.get("logger") == "asyncio":
        said = said.partition("(")[0]  # a callback is named with its arguments
    return {**event, "event": said[:_LONGEST]}


def _sealed(_value: object, **_: object) -> str:
    return REDACTED


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _USERINFO.sub(REDACTED, value)
    if isinstance(value, dict):
        return dict(redacted(None, "", cast("Event", value)))
    if isinstance(value, list | tuple):
        return [_masked(one) for one in cast("list[Any]", value)]
    return value


def _places(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)
    return [f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
