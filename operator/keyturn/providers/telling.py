"""How backends tell people: words that are the same for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from keyturn.ports import KeyturnError, Misconfigured, Unavailable

Words = tuple[type[KeyturnError], str, str]
"""One of our errors before it is raised: its kind, reason and message."""

TLS_FAILED: Final[Words] = (
    Misconfigured,
    "TlsFailed",
    (
        "TLS could not be verified: the server has none, or its certificate is not signed by ca.crt of the admin "
        "Secret, or does not name the host."
    ),
)
SERVER_DOWN: Final[Words] = (
    Unavailable,
    "ServerDown",
    "The server cannot be reached, or does not accept connections just now.",
)
_SHOWN: Final = 5


def said(words: Words) -> KeyturnError:
    """The error itself, anew for each raise."""
    kind, reason, message = words
    return kind(reason, message)


def listed(names: Iterable[str]) -> str:
    """Names for people: the first five, and how many more."""
    found = list(names)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more
