"""Numbers for Prometheus. Labels hold names of plans and our own fixed words, never values. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from keyturn.core.model import ObjectKey


class Metrics:
    """Implements ``ports.Reporter``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._moves = Counter(
            "keyturn_phase_changes",
            "Phases that rotations entered.",
            ["namespace", "plan", "phase", "reason"],
            registry=registry,
        )
        self._effects = Counter(
            "keyturn_effects",
            "Effects carried out, by outcome: ok, or the reason of the error.",
            ["namespace", "plan", "effect", "outcome"],
            registry=registry,
        )
        self._drift = Gauge(
            "keyturn_drift",
            "1 for each thing that a plan at rest found other than it was left.",
            ["namespace", "plan", "reason"],
            registry=registry,
        )
        self._drifted: dict[ObjectKey, frozenset[str]] = {}
        self._leading = Gauge("keyturn_leading", "1 where this replica holds the lease.", registry=registry)
        self._leading.set(0)

    def moved(self, plan: ObjectKey, rotation: str, before: str, after: str, reason: str) -> None:
        """A rotation entered a phase. Its name is no label: there would be one more series for every rotation."""
        del rotation, before
        self._moves.labels(plan.namespace, plan.name, after, reason).inc()

    def acted(self, plan: ObjectKey, effect: str, outcome: str) -> None:
        """An effect was carried out, or failed."""
        self._effects.labels(plan.namespace, plan.name, effect, outcome).inc()

    def drifted(self, plan: ObjectKey, reasons: Sequence[str]) -> None:
        """What a look at a plan at rest found; what is over has no series any more."""
        for over in self._drifted.pop(plan, frozenset()) - set(reasons):
            self._drift.remove(plan.namespace, plan.name, over)
        if reasons:
            self._drifted[plan] = frozenset(reasons)
        for reason in reasons:
            self._drift.labels(plan.namespace, plan.name, reason).set(1)

    def leading(self, epoch: int) -> None:
        """The lease was won, or lost (0): then another replica tells of drift."""
        if not epoch:
            self._drift.clear()
            self._drifted.clear()
        self._leading.set(int(epoch > 0))
