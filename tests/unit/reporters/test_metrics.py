"""Metrics and the fan-out: counted by plan, and never in the way of a rotation."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, generate_latest

from keyturn.core.model import ObjectKey
from keyturn.reporters.fanout import Fanout
from keyturn.reporters.metrics import Metrics

PLAN = ObjectKey("shop", "orders-db")


class Broken:
    def moved(self, plan: ObjectKey, rotation: str, before: str, after: str, reason: str) -> None:  # noqa: ARG002 - the port's
        raise RuntimeError("no disk")

    def acted(self, plan: ObjectKey, effect: str, outcome: str) -> None:  # noqa: ARG002 - the port's
        raise RuntimeError("no disk")

    def drifted(self, plan: ObjectKey, reasons: Sequence[str]) -> None:  # noqa: ARG002 - the port's
        raise RuntimeError("no disk")


def test_phases_and_effects_are_counted_by_plan_and_outcome():
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.moved(PLAN, "orders-db-1", "Create", "Stage", "")
    metrics.moved(PLAN, "orders-db-2", "Create", "Stage", "")
    metrics.acted(PLAN, "WriteSecret", "ok")

    phase = {"namespace": "shop", "plan": "orders-db", "phase": "Stage", "reason": ""}
    effect = {"namespace": "shop", "plan": "orders-db", "effect": "WriteSecret", "outcome": "ok"}
    assert registry.get_sample_value("keyturn_phase_changes_total", phase) == 2
    assert registry.get_sample_value("keyturn_effects_total", effect) == 1
    assert b"orders-db-1" not in generate_latest(registry), "a series for every rotation would never end"


def test_the_leader_shows_itself():
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    seen = [registry.get_sample_value("keyturn_leading")]
    for epoch in (29453776, 0):
        metrics.leading(epoch)
        seen.append(registry.get_sample_value("keyturn_leading"))

    assert seen == [0, 1, 0]


def test_a_reporter_that_fails_harms_neither_the_others_nor_the_rotation():
    registry = CollectorRegistry()
    fanout = Fanout([Broken(), Metrics(registry)])

    fanout.acted(PLAN, "WriteSecret", "ok")
    fanout.moved(PLAN, "orders-db-1", "Create", "Stage", "")

    effect = {"namespace": "shop", "plan": "orders-db", "effect": "WriteSecret", "outcome": "ok"}
    assert registry.get_sample_value("keyturn_effects_total", effect) == 1


def test_drift_is_one_series_for_each_reason_and_none_when_it_is_over():
    registry = CollectorRegistry()
    metrics = Metrics(registry)

    def shown() -> set[str]:
        samples = [sample for family in registry.collect() for sample in family.samples]
        return {sample.labels["reason"] for sample in samples if sample.name == "keyturn_drift" and sample.value == 1}

    metrics.drifted(PLAN, ["SecretDiffers", "StrangerInInventory"])
    assert shown() == {"SecretDiffers", "StrangerInInventory"}
    metrics.drifted(PLAN, ["StrangerInInventory"])
    assert shown() == {"StrangerInInventory"}
    metrics.drifted(PLAN, ())
    assert shown() == set()


def test_who_leads_no_more_tells_of_no_drift():
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.drifted(PLAN, ["SecretDiffers"])
    metrics.leading(0)
    assert b'reason="SecretDiffers"' not in generate_latest(registry)
    metrics.leading(3)
    metrics.drifted(PLAN, ["SecretDiffers"])
    assert b'reason="SecretDiffers"' in generate_latest(registry)
