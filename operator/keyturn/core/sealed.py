"""A secret value that cannot be printed.

Every secret travels in ``Sealed`` from the moment it is made or read until the one call that needs it.
Nothing here writes, logs or compares in variable time.
"""

from __future__ import annotations

import hmac
from typing import NoReturn

REDACTED = "<sealed>"


class Unsuitable(ValueError):
    """A value that must never become a credential: empty, blank, redacted-looking or too weak."""


class Sealed:
    """A secret: no ``str``, no ``repr``, no pickle, constant-time equality, not hashable."""

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]  # a hash of a secret is a fact about the secret

    def __init__(self, value: bytes | str) -> None:
        self._value = _encoded(value) if isinstance(value, str) else bytes(value)

    def reveal(self) -> bytes:
        """The value itself. Call it in the expression that hands it to the backend, and nowhere else."""
        return self._value

    def reveal_text(self) -> str:
        """The value as text. Same rule as ``reveal``.

        Raises:
            Unsuitable: it is no text. Python's own error would carry the value.
        """
        try:
            return self._value.decode()
        except UnicodeDecodeError:
            pass
        raise Unsuitable("the value is not text")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and hmac.compare_digest(self._value, other._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return REDACTED

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return REDACTED

    def __reduce__(self) -> NoReturn:
        raise TypeError("a sealed value is not serialised")


def _encoded(value: str) -> bytes:
    """Python's own error would carry the value."""
    try:
        return value.encode()
    except UnicodeEncodeError:
        pass
    raise Unsuitable("the value is not text")


_REDACTED_LOOKING = (b"***", b"<redacted>", b"[redacted]", b"redacted", b"<sealed>", b"xxxxx", b"(hidden)", b"null")
_LEAST_BYTES = 16  # below this even random text can be guessed over a network


def require_suitable(value: Sealed, *, previous: Sealed | None = None) -> Sealed:
    """The value, if it may become a credential. Refuses what the January 2023 incident let through.

    Raises:
        Unsuitable: empty, blank, looks like a redaction, shorter than 16 bytes, or equal to ``previous``.
    """
    raw = value.reveal()
    if not raw.strip():
        raise Unsuitable("the value is empty or blank")
    lowered = raw.strip().lower()
    if set(lowered) <= set(b"*x.-") or any(lowered.startswith(mark) for mark in _REDACTED_LOOKING):
        raise Unsuitable("the value looks like a redaction, not a credential")
    if len(raw) < _LEAST_BYTES:
        raise Unsuitable("the value is shorter than 16 bytes")
    if previous is not None and value == previous:
        raise Unsuitable("the new value equals the old one")
    return value
