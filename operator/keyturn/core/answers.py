"""What a gate can answer: ``Pass``, ``Wait`` (not yet, or unknown: look again), ``Fail`` (waiting will not help).

Waiting is a value: who is waited for, and why. Reasons become condition and Event reasons unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from keyturn.core.model import Observation, Rotation


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that is waited for."""

    reason: str
    message: str
    pod: str = ""
    consumer: str = ""


@dataclass(frozen=True, slots=True)
class Pass:
    """Yes."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet, or nobody can tell."""

    reason: str
    message: str
    blockers: tuple[Blocker, ...] = ()


@dataclass(frozen=True, slots=True)
class Fail:
    """No; waiting will not help."""

    reason: str
    message: str
    blockers: tuple[Blocker, ...] = ()


Answer = Pass | Wait | Fail
Gate = Callable[[Rotation, Observation, datetime], Answer]
YES = Pass()
