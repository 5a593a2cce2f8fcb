"""Rotation: one run, and its record. Nothing here reads the cluster or decides."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from keyturn.api import rules
from keyturn.api.base import Condition, Duration, Model, Ref, Time
from keyturn.api.plan_kinds import RotationPlanSpec
from keyturn.api.rules import distinct, keyed, ruled


class RotationSpec(Model):
    """One run, asked for by the schedule or by a person."""

    model_config = ConfigDict(
        json_schema_extra=ruled(rules.RECORD_FIXED, rules.ABORT_STAYS, rules.RETRY_GROWS, rules.LOSS_STAYS)
    )

    plan_ref: Ref = Field(description="The plan to carry out, in the same namespace.")
    reason: str = Field(default="Requested", max_length=256, description="Why, for the record.")
    mode: Literal["Graceful", "Availability", "Containment"] = Field(
        default="Graceful",
        description="Graceful: the old credential works until every pod has proved the new one. The others are for one "
        "that somebody else may know: nothing enables it again. Availability: the same order, without window and "
        "soak. Containment: it is refused first, and pods that hold it are cut off until they have rolled.",
    )
    requested_by: str = Field(default="", max_length=512, description="Who asked: your user name. Empty: the schedule.")
    abort: bool = Field(default=False, description="Go back, if Delete was not reached. Only ever from false to true.")
    pause: bool = Field(default=False, description="Nothing moves, both credentials stay valid, until it is false.")
    retry: int = Field(
        default=0, ge=0, le=1000, description="Raise it by one to make a paused rotation try again. It only grows."
    )
    accept_loss: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        default_factory=list[str],
        max_length=100,
        description="UIDs of pods that are lost with their node and can prove nothing any more: they are waited for no "
        "longer. A pod that is ready is never taken for lost.",
        json_schema_extra=distinct(),
    )


class PodCount(Model):
    """How many pods prove what."""

    total: int = Field(default=0, description="Pods that use the credential, terminating ones included.")
    proven: int = Field(default=0, description="Pods that prove what this phase asks for.")


class Blocker(Model):
    """Who is waited for."""

    reason: str = Field(description="CamelCase, for machines.")
    message: str = Field(description="Who is waited for, why, and what to do.")
    pod: str = Field(default="", description="The pod, if it is one.")
    consumer: str = Field(default="", description="The workload as Kind/name, if it is one.")


class PodLine(Model):
    """One pod and what each kind of evidence says about it."""

    pod: str = Field(description="Its name.")
    consumer: str = Field(default="", description="Kind/name; empty for a pod that no known workload owns.")
    proves: str = Field(description="New, Old, or why neither: Mixed, None, Other, Unknown.")
    evidence: dict[str, str] = Field(
        default_factory=dict[str, str],
        description="Kind of evidence (Session, Process, Mounted) -> what it says.",
    )
    why: str = Field(default="", description="In words, when the pod does not prove what is asked for.")
    terminating: bool = Field(default=False, description="The pod is about to end.")


class SessionLine(Model):
    """One open session under the old credential, as the backend lists it."""

    principal: str = Field(description="The credential it authenticated with (public name).")
    client: str = Field(description="Address the session comes from.")
    consumer: str = Field(default="", description="Kind/name, when the address belongs to a known pod.")
    pod: str = Field(default="", description="The pod, when the address belongs to one.")
    since: Time | None = Field(default=None, description="When it was opened.")


class RollStart(Model):
    """When a consumer's restart was asked for."""

    consumer: str = Field(description="Kind/name.")
    generation: int = Field(description="The generation its pods shall carry.")
    at: Time = Field(description="When.")


class ObservedClock(Model):
    """Time that was really observed in Soak or Watch."""

    observed: Duration = Field(default=timedelta(), description="So far; starts again after a gap.")
    last: Time | None = Field(default=None, description="The last look.")


class PhaseEntry(Model):
    """One line of the record."""

    phase: str = Field(description="The phase that was entered.")
    at: Time = Field(description="When.")
    reason: str = Field(default="", description="Why, CamelCase.")
    message: str = Field(default="", description="Why, in words.")


class Unchecked(Model):
    """Something that Preflight could not ask the backend."""

    reason: str = Field(description="CamelCase, for machines.")
    message: str = Field(description="What nobody looked at, and how to look yourself.")


class ApprovalState(Model):
    """What people are asked to agree to, and who did."""

    needed: int = Field(default=0, description="Distinct people that must agree.")
    digest: str = Field(
        default="",
        description="Of plan, provider, both credentials, system and consumers. An approval binds it; a change voids "
        "the approval.",
    )
    consumers: list[str] = Field(default_factory=list[str], description="Workloads in the digest, Kind/name@uid.")
    approvers: list[str] = Field(default_factory=list[str], description="Whose approvals count.")
    void: list[str] = Field(default_factory=list[str], description="Approvals that do not count, and why.")


class RotationStatus(Model):
    """The audit record and the operator's only memory. Written by the operator alone."""

    observed_generation: int = Field(default=0, description="The generation of the Rotation that this status is about.")
    conditions: list[Condition] = Field(default_factory=list[Condition], json_schema_extra=keyed("type"))
    phase: str = Field(default="", description="A cursor for people; machines read conditions.")
    entered_at: Time | None = Field(default=None, description="When the present phase began.")
    plan: RotationPlanSpec | None = Field(default=None, description="The plan as it was when this rotation began.")
    plan_generation: int = Field(default=0, description="The generation of the plan that it was then.")
    generation: int = Field(default=0, description="Of the staged value and of the roll; a rollback's is one more.")
    old_id: str = Field(default="", description="The credential that leaves (public name).")
    new_id: str = Field(default="", description="The credential that comes (public name).")
    staged_at: Time | None = Field(default=None, description="When the Secret was first asked to hold the new one.")
    disabled_at: Time | None = Field(default=None, description="When the old one was first refused.")
    down_since: Time | None = Field(default=None, description="Since when the backend cannot be reached.")
    completed_at: Time | None = Field(default=None, description="When the rotation ended.")
    connected_before: list[str] = Field(
        default_factory=list[str], description="Consumers seen connected before Stage: each must show a new session."
    )
    roll_started: list[RollStart] = Field(default_factory=list[RollStart], description="Restarts asked for.")
    clock: ObservedClock = Field(default=ObservedClock(), description="Observed quiet time of Soak or Watch.")
    reopened: bool = Field(default=False, description="The old one was enabled again once; a second time pauses.")
    repaired_from: str = Field(
        default="", description="The field manager whose write was repaired once; a second time pauses."
    )
    retried: int = Field(default=0, description="How many of the retries asked for were followed.")
    approval: ApprovalState | None = Field(default=None, description="What people are asked to agree to, and who did.")
    paused: Blocker | None = Field(default=None, description="Why nothing moves until a person acts.")
    turned_back: Blocker | None = Field(default=None, description="Why the rotation rolls back.")
    pods: PodCount = Field(default=PodCount(), description="How many pods prove what.")
    proven: str = Field(default="", description="Pods proven / pods, for people.")
    blocked_by: str = Field(default="", description="The first blocker, for people.")
    blockers: list[Blocker] = Field(default_factory=list[Blocker], description="At most fifty.")
    pod_proofs: list[PodLine] = Field(
        default_factory=list[PodLine], description="At most fifty, those that prove nothing yet first."
    )
    old_sessions: list[SessionLine] = Field(
        default_factory=list[SessionLine], description="Open sessions under the old credential; at most fifty."
    )
    unchecked: list[Unchecked] = Field(
        default_factory=list[Unchecked], description="What Preflight could not ask the backend: look yourself."
    )
    history: list[PhaseEntry] = Field(default_factory=list[PhaseEntry], description="Every phase that was entered.")
