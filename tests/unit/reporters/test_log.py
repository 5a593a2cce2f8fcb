"""The log: no value gets through, whatever a library or a mistake of ours hands to it."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from types import SimpleNamespace

import pytest
import structlog

from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.reporters.log import LogReporter, configure

Lines = Callable[[], list[dict[str, object]]]
VALUE = "c4n4ry-0123456789-value"


@pytest.fixture
def lines() -> Iterator[Lines]:
    root, written = logging.getLogger(), StringIO()
    handlers, level, loud = root.handlers[:], root.level, logging.raiseExceptions
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    configure("debug", written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:], root.level, logging.raiseExceptions = handlers, level, loud
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    structlog.reset_defaults()


def test_a_phase_and_an_effect_are_a_json_line_each(lines: Lines):
    reporter = LogReporter()
    reporter.moved(ObjectKey("shop", "orders-db"), "orders-db-1", "Create", "Stage", "")
    reporter.acted(ObjectKey("shop", "orders-db"), "WriteSecret", "ok")

    phase, effect = lines()
    assert (phase["event"], phase["plan"], phase["after"]) == ("phase", "shop/orders-db", "Stage")
    assert (effect["effect"], effect["outcome"], effect["level"]) == ("WriteSecret", "ok", "info")


@pytest.mark.fm(60)
@pytest.mark.parametrize(
    "fields",
    [
        {"value": Sealed(VALUE)},
        {"password": VALUE},
        {"new_password": VALUE},
        {"client_secret": VALUE},
        {"dsn": VALUE},
        {"url": f"postgresql://orders_a:{VALUE}@db/shop"},
        {"nested": {"token": VALUE, "urls": [f"redis://:{VALUE}@cache"]}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_values_are_masked_wherever_they_stand(lines: Lines, fields: dict[str, object]):
    structlog.get_logger("keyturn").info("something", **fields)

    (line,) = lines()
    assert VALUE not in json.dumps(line)
    assert line["event"] == "something"


@pytest.mark.fm(60)
def test_of_an_error_only_its_type_and_the_places_are_written(lines: Lines):
    try:
        raise ValueError(f"connection to postgresql://u:{VALUE}@db failed with {VALUE}")  # noqa: TRY301 - it has to be raised to have places
    except ValueError as error:
        structlog.get_logger("keyturn").error("failed", exc_info=error)
        logging.getLogger("somebody.else").exception("it broke")

    ours, theirs = lines()
    assert VALUE not in json.dumps([ours, theirs])
    assert ours["error"] == theirs["error"] == "ValueError"
    assert "test_log.py" in str(ours["at"])


def test_an_error_that_a_task_forgot_is_named_without_its_words(lines: Lines):
    repeated = f"Task exception was never retrieved\nfuture: <Task exception=ValueError('{VALUE}')>"
    logging.getLogger("asyncio").error(repeated, exc_info=ValueError(VALUE))

    (line,) = lines()
    assert VALUE not in json.dumps(line)
    assert (line["event"], line["error"]) == ("Task exception was never retrieved", "ValueError")


def test_libraries_do_not_speak_below_a_warning_even_when_we_debug(lines: Lines):
    structlog.get_logger("keyturn").debug("ours")
    for name in ("kopf.objects", "aiohttp.client", "psycopg", "kubernetes.client.rest", "asyncio"):
        logging.getLogger(name).info(VALUE)
        logging.getLogger(name).debug(VALUE)

    assert [line["event"] for line in lines()] == ["ours"]


def test_a_callback_that_failed_is_named_without_its_arguments(lines: Lines):
    repeated = f"Exception in callback send('{VALUE}') at x.py:1"
    logging.getLogger("asyncio").error(repeated, exc_info=ValueError(VALUE))

    (line,) = lines()
    assert VALUE not in json.dumps(line)
    assert "Exception in callback send" in str(line["event"])


@pytest.mark.parametrize("where", ["main", "thread", "destructor"])
def test_what_python_prints_of_an_uncaught_error_is_a_line_without_its_words(
    lines: Lines, where: str, capfd: pytest.CaptureFixture[str]
):
    error = ValueError(VALUE)
    if where == "main":
        sys.excepthook(ValueError, error, None)
    elif where == "thread":
        threading.excepthook(threading.ExceptHookArgs((ValueError, error, None, None)))
    else:
        sys.unraisablehook(SimpleNamespace(exc_type=ValueError, exc_value=error, exc_traceback=None))  # type: ignore[arg-type]

    (line,) = lines()
    assert line["error"] == "ValueError"
    assert VALUE not in json.dumps(line) + "".join(capfd.readouterr())
