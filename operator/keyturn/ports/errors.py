"""Our errors: fixed safe text with the way out. What crosses a port is one of these, and nothing else."""

from __future__ import annotations

from keyturn.core.model import Problem


class KeyturnError(Exception):
    """Ours. ``reason`` is CamelCase, ``message`` fixed safe text with the way out; never a driver's words."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message

    @property
    def problem(self) -> Problem:
        """As a value."""
        return Problem(self.reason, self.message)


class Unavailable(KeyturnError):
    """Nobody can tell: connection refused, timeout, server starting. Try again; conclude nothing."""


class Awaited(Unavailable):
    """Not yet, and nothing is wrong: a change has not reached everybody it must reach; the message says who is late."""


class Denied(KeyturnError):
    """The backend or the API server definitely refused. Trying again the same way will not help."""


class Forbidden(Denied):
    """Whom we speak for has no right to it. ``deed`` says what was tried: ``create rotations in namespace shop``."""

    def __init__(self, message: str, deed: str) -> None:
        super().__init__("Forbidden", message)
        self.deed = deed


class Misconfigured(KeyturnError):
    """What the user wrote cannot work; the message says which field and what to do."""


class Conflict(KeyturnError):
    """A compare-and-set lost: somebody wrote in between. Look again, then decide again."""


class OutcomeUnknown(KeyturnError):
    """A write may or may not have happened: read back before anything else."""
