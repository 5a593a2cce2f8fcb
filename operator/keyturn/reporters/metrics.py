"""Numbers for Prometheus. Labels hold names of plans and our own fixed words, never values. Decides nothing."""

from __future__ import annotations

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
        self._leading = Gauge("keyturn_leading", "1 where this replica holds the lease.", registry=registry)
        self._leading.set(0)

    def moved(self, plan: ObjectKey, rotation: str, before: str, after: str, reason: str) -> None:
        """A rotation entered a phase. Its name is no label: there would be one more series for every rotation."""
        del rotation, before
        self._moves.labels(plan.namespace, plan.name, after, reason).inc()

    def acted(self, plan: ObjectKey, effect: str, outcome: str) -> None:
        """An effect was carried out, or failed."""
        self._effects.labels(plan.namespace, plan.name, effect, outcome).inc()

    def leading(self, epoch: int) -> None:
        """The lease was won, or lost (0)."""
        self._leading.set(int(epoch > 0))
