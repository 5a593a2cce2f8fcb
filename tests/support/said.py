"""I4 in the simulated world: what the operator says where others can read it, against every value that there is.

Said are: every status it writes, every Event, whatever it tells its reporters (logs and metrics). Values are looked
for as they are, as base64, and as an URL would carry them. What drivers and clients say is another tier's: the tests
of leaks force their errors.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable
from urllib.parse import quote_from_bytes

from keyturn.core.sealed import Sealed


class Ears:
    """A reporter that passes on every word."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        self._hear = hear

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *words, **more: self._hear(f"{name} {words} {more}")


def forms(values: Iterable[Sealed]) -> frozenset[str]:
    """Every spelling in which a value would still be known."""
    found: set[str] = set()
    for value in values:
        raw = value.reveal()
        found |= {raw.decode(), b64encode(raw).decode().rstrip("="), quote_from_bytes(raw)}
    return frozenset(found)
