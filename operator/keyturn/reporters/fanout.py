"""Several reporters as one. What fails in one of them is dropped: reporting may never fail a rotation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from keyturn.core.model import ObjectKey
from keyturn.ports import Reporter


class Fanout:
    """Implements ``ports.Reporter``."""

    def __init__(self, reporters: Sequence[Reporter]) -> None:
        self._reporters = tuple(reporters)

    def moved(self, plan: ObjectKey, rotation: str, before: str, after: str, reason: str) -> None:
        """A rotation entered a phase."""
        self._tell(lambda reporter: reporter.moved(plan, rotation, before, after, reason))

    def acted(self, plan: ObjectKey, effect: str, outcome: str) -> None:
        """An effect was carried out, or failed."""
        self._tell(lambda reporter: reporter.acted(plan, effect, outcome))

    def drifted(self, plan: ObjectKey, reasons: Sequence[str]) -> None:
        """What a look at a plan at rest found."""
        self._tell(lambda reporter: reporter.drifted(plan, reasons))

    def _tell(self, told: Callable[[Reporter], None]) -> None:
        for reporter in self._reporters:
            with suppress(Exception):
                told(reporter)
