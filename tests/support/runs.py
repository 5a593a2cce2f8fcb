"""How the fault tests choose runs, and what they ask of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from support.wish import Outcome

T = TypeVar("T")
U = TypeVar("U")
FAR_BACK = "Watch"  # aborted there, everything has to be undone


def converged(outcomes: Iterable[Outcome]) -> None:
    """All of them, with nothing wrong."""
    wrong = [f"{outcome.name}: {'; '.join(outcome.wrong)}" for outcome in outcomes if outcome.wrong]
    assert not wrong, "\n".join(wrong)


def some(found: Sequence[T], count: int) -> Sequence[T]:
    """Evenly spread over all of them."""
    return [found[i * len(found) // count] for i in range(count)] if len(found) > count else found


def each_once(points: Sequence[T], kinds: Sequence[U]) -> Sequence[tuple[T, U]]:
    """Every kind of fault, at points evenly spread over all of them."""
    return list(zip(some(points, len(kinds)), kinds, strict=True))
