"""The kinds as pydantic models. ``crds/`` is generated from them; field docs are what ``kubectl explain`` prints.

Nothing here reads the cluster or decides.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from keyturn.api.base import Condition, Duration, Model, Name, Ref, Time

# -------------------------------------------------------------------------------------- CredentialProvider


class PostgresEndpoint(Model):
    """Where consumers log in. May only repeat hosts that the admin Secret allows."""

    name: Name = "primary"
    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=5432, ge=1, le=65535)


class PostgresProvider(Model):
    """A PostgreSQL server and how the rotator reaches it."""

    admin_secret_ref: Ref = Field(
        description="Secret with user, password, host, port and ca.crt. A credential names where it may be sent."
    )
    endpoints: list[PostgresEndpoint] = Field(min_length=1, max_length=8)
    database: str = Field(min_length=1, max_length=63)
    rotator: Literal["Functions", "CreateRole"] = Field(
        default="Functions",
        description="Functions: EXECUTE on installed SECURITY DEFINER functions with a fixed slot list (smallest). "
        "CreateRole: the CREATEROLE attribute (convenient; near-superuser on 15).",
    )
    acknowledge_create_role_on_15: bool = Field(
        default=False, description="On PostgreSQL 15 CREATEROLE can alter every role but superusers. Say that you know."
    )
    insecure: bool = Field(
        default=False, description="Allow connections without TLS verification. Never for production; shown loudly."
    )


class Allow(Model):
    """What plans may ask for. Empty lists allow nothing."""

    owners: list[str] = Field(default_factory=list, max_length=64)
    slots: list[str] = Field(default_factory=list, max_length=64, description="Names, or patterns with a trailing *.")
    secrets: list[str] = Field(
        default_factory=lambda: ["*"], max_length=64, description="Names of Secrets plans may write, * for any."
    )


class CredentialProviderSpec(Model):
    """Belongs to the backend's owner: what the backend is, and what plans may ask of it."""

    postgres: PostgresProvider | None = None
    allow: Allow = Allow()


class LabelSelector(Model):
    """Which namespaces may use a ClusterCredentialProvider."""

    match_labels: dict[str, str] = Field(default_factory=dict)


class ClusterCredentialProviderSpec(CredentialProviderSpec):
    """A provider for several namespaces; its admin Secret lives in the operator's namespace."""

    namespace_selector: LabelSelector = Field(description="Namespaces whose plans may use this provider.")


# -------------------------------------------------------------------------------------------- RotationPlan


class ProviderRef(Model):
    """The provider of a plan."""

    kind: Literal["CredentialProvider", "ClusterCredentialProvider"] = "CredentialProvider"
    name: Name


class PostgresPlan(Model):
    """Two login roles that take turns, members of a common owner."""

    owner: str = Field(min_length=1, max_length=63)
    slots: list[Annotated[str, Field(min_length=1, max_length=63)]] = Field(min_length=2, max_length=2)


class SecretTarget(Model):
    """The Secret that pods consume: adopted, never owned."""

    name: Name
    keys: dict[str, Annotated[str, Field(min_length=1, max_length=1024)]] = Field(
        min_length=1,
        max_length=16,
        description="Secret key -> template. Placeholders: {username} {password} {host} {port} {database}.",
    )


class Window(Model):
    """When forward steps that change something may begin."""

    days: list[Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]] = Field(default_factory=list, max_length=7)
    start: str = Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    end: str = Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")


class Schedule(Model):
    """When to rotate by itself. None of them: only when a person asks."""

    cron: str = Field(default="", max_length=128)
    time_zone: str = Field(default="UTC", max_length=64)
    max_age: Duration | None = None
    window: list[Window] = Field(default_factory=list, max_length=16)


class Consumer(Model):
    """A workload that uses the credential."""

    kind: Literal["Deployment"] = "Deployment"
    name: Name
    reload: Literal["PerConnection", "Watch"] | None = None
    allow_unavailable: bool = Field(
        default=False, description="Required for a workload that stops pods before it starts their replacements."
    )


class Consumers(Model):
    """Who uses the credential."""

    discover: Literal["SecretReference", "None"] = "SecretReference"
    listed: list[Consumer] = Field(default_factory=list, max_length=100, alias="list")


class Rollout(Model):
    """How consumers are restarted."""

    restart: Literal["IfStale"] = "IfStale"
    progress_deadline: Duration = timedelta(minutes=10)
    max_parallel: int = Field(default=1, ge=1, le=50)


class Verify(Model):
    """What counts as proof, and how long the old credential must be seen idle."""

    require: list[Literal["Session", "Process", "Reported", "Mounted"]] = Field(
        default_factory=lambda: ["Session", "Process"], min_length=1, max_length=4
    )
    soak: Duration = timedelta(minutes=10)
    proof_deadline: Duration = timedelta(minutes=10)


class Retire(Model):
    """How the old credential leaves."""

    watch: Duration = timedelta(hours=2)
    accept_blind_watch: bool = Field(
        default=False,
        description="The backend shows neither last use nor refused logins. Say that Watch may rest on pods and "
        "sessions alone.",
    )


class RotationPlanSpec(Model):
    """The policy; lives in Git."""

    provider_ref: ProviderRef
    postgres: PostgresPlan | None = None
    secret: SecretTarget
    schedule: Schedule = Schedule()
    consumers: Consumers = Consumers()
    rollout: Rollout = Rollout()
    verify: Verify = Verify()
    retire: Retire = Retire()
    on_failure: Literal["Rollback", "Pause"] = "Rollback"
    suspend: bool = Field(default=False, description="Start no rotation. One that runs goes on.")
    history_limit: int = Field(default=10, ge=1, le=100, description="Finished Rotations kept.")


class PlanStatus(Model):
    """Written by the operator alone."""

    observed_generation: int = 0
    conditions: list[Condition] = Field(default_factory=list)
    current_id: str = Field(default="", description="The credential the Secret holds (public name).")
    generation: int = Field(default=0, description="Counter: every staged value and every roll has its own.")
    active_rotation: str = ""
    last_rotation: str = ""
    last_rotation_phase: str = ""
    last_rotation_time: Time | None = None
    adopted_at: Time | None = None
    next_rotation_time: Time | None = None
    ran: list[str] = Field(default_factory=list, description="Names of Rotations that ran; they never run again.")
    system_id: str = Field(default="", description="The backend's own identifier, as first seen.")


# ------------------------------------------------------------------------------------------------ Rotation


class RotationSpec(Model):
    """One run, asked for by the schedule or by a person."""

    plan_ref: Ref
    reason: str = Field(default="Requested", max_length=256)
    mode: Literal["Graceful"] = "Graceful"
    requested_by: str = Field(default="", max_length=512)
    abort: bool = Field(default=False, description="Go back, if Delete was not reached.")


class PodCount(Model):
    """How many pods prove what."""

    total: int = 0
    proven: int = 0


class Blocker(Model):
    """Who is waited for."""

    reason: str
    message: str
    pod: str = ""
    consumer: str = ""


class PodLine(Model):
    """One pod and what each kind of evidence says about it."""

    pod: str
    consumer: str = Field(default="", description="Kind/name; empty for a pod that no known workload owns.")
    proves: str = Field(description="New, Old, or why neither: Mixed, None, Other, Unknown.")
    evidence: dict[str, str] = Field(
        default_factory=dict, description="Kind of evidence (Session, Process, Reported, Mounted) -> what it says."
    )
    why: str = Field(default="", description="In words, when the pod does not prove what is asked for.")
    terminating: bool = False


class SessionLine(Model):
    """One open session under the old credential, as the backend lists it."""

    principal: str
    client: str = Field(description="Address the session comes from.")
    consumer: str = Field(default="", description="Kind/name, when the address belongs to a known pod.")
    pod: str = ""
    since: Time | None = None


class RollStart(Model):
    """When a consumer's restart was asked for."""

    consumer: str
    generation: int
    at: Time


class ObservedClock(Model):
    """Time that was really observed in Soak or Watch."""

    observed: Duration = timedelta()
    last: Time | None = None


class PhaseEntry(Model):
    """One line of the record."""

    phase: str
    at: Time
    reason: str = ""
    message: str = ""


class RotationStatus(Model):
    """The audit record and the operator's only memory. Written by the operator alone."""

    observed_generation: int = 0
    conditions: list[Condition] = Field(default_factory=list)
    phase: str = ""
    entered_at: Time | None = None
    plan: RotationPlanSpec | None = Field(default=None, description="The plan as it was when this rotation began.")
    generation: int = 0
    old_id: str = ""
    new_id: str = ""
    staged_at: Time | None = None
    disabled_at: Time | None = None
    completed_at: Time | None = None
    connected_before: list[str] = Field(default_factory=list)
    roll_started: list[RollStart] = Field(default_factory=list)
    clock: ObservedClock = ObservedClock()
    reopened: bool = False
    repaired_from: str = ""
    paused: Blocker | None = None
    turned_back: Blocker | None = None
    pods: PodCount = PodCount()
    proven: str = Field(default="", description="Pods proven / pods, for people.")
    blocked_by: str = Field(default="", description="The first blocker, for people.")
    blockers: list[Blocker] = Field(default_factory=list, description="At most fifty.")
    pod_proofs: list[PodLine] = Field(
        default_factory=list, description="At most fifty, those that prove nothing yet first."
    )
    old_sessions: list[SessionLine] = Field(
        default_factory=list, description="Open sessions under the old credential; at most fifty."
    )
    history: list[PhaseEntry] = Field(default_factory=list)
