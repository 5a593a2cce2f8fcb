"""A row of a table, what a tick decides, and the small moves between rows. Pure; the rows are elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from keyturn.core.answers import YES, Answer, Gate
from keyturn.core.effects import Effect
from keyturn.core.model import Clock, Phase, Problem, Rotation
from keyturn.core.planning import Effects


@dataclass(frozen=True, slots=True)
class Step:
    """One row: what is still to be done, when we may leave, and what must go on holding in every later phase."""

    phase: Phase
    effects: Effects
    gate: Gate
    keep: Gate | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to remember, what to do, and what is waited for."""

    rotation: Rotation
    effects: tuple[Effect, ...] = ()
    answer: Answer = YES
    entered: tuple[Phase, ...] = ()  # phases that were entered, in order


def to(phase: Phase, rotation: Rotation, now: datetime) -> Rotation:
    """In that phase from now on, with nothing observed yet."""
    return replace(rotation, phase=phase, entered=now, clock=Clock())


def enter(phase: Phase, rotation: Rotation, now: datetime, why: Problem | None = None) -> Decision:
    """Go there and do nothing yet: the next observation must justify the first effect."""
    moved = to(phase, rotation, now)
    if phase is Phase.STAGE:
        moved = replace(moved, staged_at=rotation.staged_at or now)
    if phase is Phase.DISABLE:
        moved = replace(moved, disabled_at=now)
    if why is not None:
        moved = replace(moved, turned_back=why, paused=None)
    return Decision(moved)
