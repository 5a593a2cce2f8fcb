"""A rotation and one look at it, everything well, for tests of single decisions. Change fields by name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from keyturn.core.model import (
    ConsumerRef,
    ConsumerView,
    Existence,
    Idle,
    Kind,
    ObjectKey,
    Observation,
    Phase,
    PodProof,
    Policy,
    Reach,
    Rotation,
    Sameness,
    SecretView,
    Side,
    Trial,
    Verdict,
)

NOW = datetime(2026, 3, 21, 12, tzinfo=UTC)
API = ConsumerRef("Deployment", "shop", "api")
POLICY = Policy(soak=timedelta(seconds=30), watch=timedelta(seconds=30), progress_deadline=timedelta(minutes=1))


def rotation(phase: Phase, **changes: object) -> Rotation:
    begun = Rotation(
        "uid", "orders-1", ObjectKey("shop", "orders"), POLICY, phase, NOW, 7, "orders_a", "orders_b", staged_at=NOW
    )
    return replace(begun, **changes)  # type: ignore[arg-type]  # fields by name


def pod(proves: Verdict = Verdict.NEW, **changes: object) -> PodProof:
    shown = PodProof("shop", "api-1", "uid-1", str(API), {Kind.PROCESS: proves}, proves, created=NOW)
    return replace(shown, **changes)  # type: ignore[arg-type]  # fields by name


def seen(**changes: object) -> Observation:
    """Everything well, towards NEW."""
    well = Observation(
        system=Sameness.SAME,
        admin=Reach.UP,
        trials={Side.NEW: Trial.WORKS, Side.OLD: Trial.WORKS},
        states={Side.OLD: Existence.ACTIVE, Side.NEW: Existence.ACTIVE},
        old_usage=Idle.NOT_SEEN,
        secret=SecretView(Verdict.NEW, "keyturn"),
        consumers=(ConsumerView(API, rolled_to=7),),
        pods=(pod(),),
        pods_asked=True,
        escrowed=True,
        new_id="orders_b",
    )
    return replace(well, **changes)  # type: ignore[arg-type]  # fields by name


def off(**changes: object) -> Observation:
    """Everything well once OLD is disabled."""
    closed = {Side.NEW: Trial.WORKS, Side.OLD: Trial.DISABLED}
    return seen(trials=closed, states={Side.OLD: Existence.DISABLED, Side.NEW: Existence.ACTIVE}, **changes)
