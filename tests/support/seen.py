"""Plans and rotations as the command line sees them: built with what a test is about, the rest is ordinary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from keyturn.api.base import Condition
from keyturn.api.kinds import PlanStatus, PodLine, RotationPlanSpec, RotationSpec, RotationStatus
from keyturn.core.model import ObjectKey
from keyturn.ports import PlanRecord, RotationRecord

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

PLAN_SPEC = {
    "providerRef": {"name": "shop-postgres"},
    "postgres": {"owner": "orders_owner", "slots": ["orders_a", "orders_b"]},
    "secret": {"name": "orders-db", "keys": {"DATABASE_URL": "postgresql://{username}:{password}@{host}/{database}"}},
    "verify": {"soak": "30s"},
    "retire": {"watch": "1m"},
}


def before(**ago: float) -> datetime:
    """That long before NOW."""
    return NOW - timedelta(**ago)


def condition(type_: str, status: str, reason: str, message: str = "") -> Condition:
    return Condition(type=type_, status=status, reason=reason, message=message, last_transition_time=before(hours=1))


def plan(name: str = "orders-db", *, suspend: bool = False, deleting: bool = False, **status: object) -> PlanRecord:
    spec = RotationPlanSpec.model_validate(PLAN_SPEC | {"suspend": suspend})
    fields = {"current_id": "orders_a", "adopted_at": before(days=12)} | status
    return PlanRecord(
        ObjectKey("shop", name), f"uid-{name}", 1, "1", spec, PlanStatus.model_validate(fields), deleting=deleting
    )


def rotation(
    name: str = "orders-db-x7k2p",
    *,
    made: datetime | None = None,
    abort: bool = False,
    asked: dict[str, object] | None = None,
    **status: object,
) -> RotationRecord:
    fields: dict[str, object] = {"old_id": "orders_a", "new_id": "orders_b", "plan": PLAN_SPEC} | status
    spec = RotationSpec.model_validate({"planRef": {"name": "orders-db"}, "abort": abort, **(asked or {})})
    created = made or before(minutes=2)
    key = ObjectKey("shop", name)
    return RotationRecord(key, f"uid-{name}", 1, "1", created, spec, RotationStatus.model_validate(fields))


def history(*phases: str, every: float = 10) -> list[dict[str, object]]:
    """These phases, one after the other, the last one entered ``every`` seconds before NOW."""
    count = len(phases)
    return [{"phase": phase, "at": before(seconds=every * (count - i))} for i, phase in enumerate(phases)]


def pod(name: str, consumer: str, proves: str = "New", why: str = "", **evidence: str) -> PodLine:
    return PodLine(pod=name, consumer=f"Deployment/{consumer}", proves=proves, why=why, evidence=evidence)
