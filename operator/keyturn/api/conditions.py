"""Condition types and reasons, each with its sentence, and the one way to set a condition. Pure.

Conditions are for machines; ``phase`` is a cursor for people. ``Ready``, ``Reconciling`` and ``Stalled`` follow kstatus
(https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md): the latter two are "abnormal-true".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from keyturn.api.base import Condition


class ConditionType(StrEnum):
    """What a condition is about."""

    READY = "Ready"
    """Rotation: it is Complete. RotationPlan: adopted, and nothing blocks it. ``kubectl wait`` waits for this."""

    RECONCILING = "Reconciling"
    """Work is going on: a rotation that runs, or a plan that is being adopted."""

    STALLED = "Stalled"
    """Nothing will move until a person acts; the message says what to do."""

    NEW_CREDENTIAL_WORKS = "NewCredentialWorks"
    """A login with the new credential reached the same system, with the same rights, and could write."""

    CONSUMERS_CONVERGED = "ConsumersConverged"
    """Every restarted workload finished rolling, and none of its former pods is left."""

    PODS_PROVEN = "PodsProven"
    """Every pod proved what is asked for, terminating ones included."""

    OLD_CREDENTIAL_IDLE = "OldCredentialIdle"
    """The backend shows no session under the old credential, and showed our control session in the same list."""

    APPROVED = "Approved"
    """Enough approvals were given, or none are asked for."""

    OLD_CREDENTIAL_REFUSED = "OldCredentialRefused"
    """A login with the old credential is refused for being disabled, while the new one works."""

    FROZEN = "Frozen"
    """Somebody froze changes; the message says who. A freeze never stops the old credential from being enabled."""

    DRIFT_DETECTED = "DriftDetected"
    """The Secret, the backend or a consumer differs from what this plan left there."""


class Reason(StrEnum):
    """Why a condition is as it is, where a gate has not given its own reason."""

    PENDING = "Pending"
    """This rotation has not come so far yet."""

    COMPLETE = "Complete"
    """The old credential is gone, and every pod proved the new one."""

    ROLLED_BACK = "RolledBack"
    """The old credential serves again, and the new one is gone."""

    REFUSED = "Refused"
    """This Rotation never ran: a replay, or superseded."""

    IN_PROGRESS = "InProgress"
    """A rotation is under way; its phase tells how far."""

    ADOPTING = "Adopting"
    """The current credential is being compared with what the plan says. Nothing is changed."""

    ADOPTED = "Adopted"
    """The current credential is what the Secret holds, and it works."""

    SUSPENDED = "Suspended"
    """The plan says suspend: no rotation will start."""

    FROZEN = "Frozen"
    """Somebody froze changes: the message says where and why."""

    LAST_ROTATION_FAILED = "LastRotationFailed"
    """The last rotation went back by itself: the schedule waits until a person asks for another one."""

    PAUSED = "Paused"
    """Both credentials stay valid until a person acts."""

    AS_EXPECTED = "AsExpected"
    """What was seen is what was asked for."""

    NOT_OBSERVED = "NotObserved"
    """Nobody could look; unknown is never taken for good."""


def set_condition(
    conditions: Sequence[Condition],
    type_: str,
    status: bool | None,  # noqa: FBT001 -- the value itself, not a switch
    reason: str,
    message: str,
    observed_generation: int,
    now: datetime,
) -> list[Condition]:
    """A new list with this condition in it. ``None`` is Unknown.

    ``lastTransitionTime`` moves only when the status does. Order is kept, so that a status that says the same is
    the same, byte for byte.
    """
    word = "Unknown" if status is None else str(status)
    former = condition(conditions, type_)
    since = former.last_transition_time if former and former.status == word else now
    fresh = Condition(
        type=type_,
        status=word,
        reason=reason,
        message=message,
        observed_generation=observed_generation,
        last_transition_time=since,
    )
    if former is None:
        return [*conditions, fresh]
    return [fresh if known is former else known for known in conditions]


def condition(conditions: Sequence[Condition], type_: str) -> Condition | None:
    """The condition of this type, if it was ever set."""
    return next((known for known in conditions if known.type == type_), None)
