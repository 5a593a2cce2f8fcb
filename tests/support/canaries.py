"""Values that must show up nowhere, in every guise in which one could slip out, and errors that carry them."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from functools import cache

import aiohttp
import psycopg
from kubernetes.aio.client.exceptions import ApiException
from pydantic import BaseModel, ValidationError

FOREIGN = 'f0r3ign/c4n4ry+w1th = "quotes" & ümlaut\'\\%s{0}'  # looks different in every guise
_SHORTEST = 8  # a shorter piece would be found by chance


@cache
def guises(value: str) -> frozenset[str]:
    """Plain, base64 at each alignment, for URLs, as repr and JSON print it, in hex, and backwards."""
    raw = value.encode()
    shown = {
        value,
        value[::-1],
        repr(value)[1:-1],
        repr(raw)[2:-1],
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(value))[3:-3],
        urllib.parse.quote(value),
        urllib.parse.quote(value, safe=""),
        urllib.parse.quote_plus(value),
        raw.hex(),
        raw.hex().upper(),
        raw.hex(" "),
    }
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):  # in the middle of something longer; its first and last group depend on the neighbours
            whole = encode(b"\0" * shift + raw).decode().rstrip("=")
            shown.add(whole[4 if shift else 0 : -1])
    return frozenset(guise for guise in shown if len(guise) >= _SHORTEST)


def leaks(said: Iterable[str], values: Iterable[str]) -> list[str]:
    """What was said that shows a value, each with the guise it wears."""
    lines = list(said)
    everything = "\n".join(lines)
    found = [guise for value in set(values) for guise in guises(value) if guise in everything]
    return [f"{guise!r} in {line[:300]!r}" for guise in found for line in lines if guise in line]


class _Strict(BaseModel):
    number: int


def _invalid(words: str) -> Exception:
    try:
        _Strict.model_validate({"number": words})
    except ValidationError as error:
        return error
    raise AssertionError


def _api(words: str) -> Exception:
    error = ApiException(status=500, reason=words)
    error.body, error.headers = words, {"x": words}  # type: ignore[assignment]  # as the client fills them
    return error


def _undecodable(words: str) -> Exception:
    return UnicodeDecodeError("utf-8", words.encode() + b"\xff", len(words), len(words) + 1, words)


def _chained(words: str) -> Exception:
    error = RuntimeError("harmless in front")
    error.__cause__ = ValueError(words)
    error.__context__ = KeyError(words)
    error.add_note(words)
    return error


FOREIGN_ERRORS: Mapping[str, Callable[[str], Exception]] = {
    "RuntimeError": RuntimeError,
    "KeyError": KeyError,
    "OSError": lambda words: OSError(5, words, words),
    "TimeoutError": TimeoutError,
    "ApiException": _api,
    "ClientError": aiohttp.ClientError,
    "OperationalError": psycopg.OperationalError,
    "InvalidPassword": psycopg.errors.InvalidPassword,
    "ValidationError": _invalid,
    "UnicodeDecodeError": _undecodable,
    "JSONDecodeError": lambda words: json.JSONDecodeError(words, words, 0),
    "ExceptionGroup": lambda words: ExceptionGroup(words, [RuntimeError(words), ValueError(words)]),
    "chained": _chained,
}
