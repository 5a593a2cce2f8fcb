"""What the reconciler needs of the world, as protocols and plain records.

Adapters live in ``providers``, ``kube`` and ``reporters``; fakes that pass the same contract suites live in the tests.
Nothing here does anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from keyturn.api.kinds import (
    CredentialProviderSpec,
    PlanStatus,
    RotationPlanSpec,
    RotationSpec,
    RotationStatus,
)
from keyturn.core.delivery import Delivery
from keyturn.core.evidence import Connection, Session, Sight, Testimony
from keyturn.core.model import ConsumerRef, Existence, Idle, ObjectKey, Op, Problem, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed

__all__ = ["Connection", "Session", "Sight", "Testimony"]  # defined in core.evidence, spoken of here

# ---------------------------------------------------------------------------------------------------- errors


class KeyturnError(Exception):
    """Ours. ``reason`` is CamelCase, ``message`` fixed safe text with the way out; never a driver's words."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message

    @property
    def problem(self) -> Problem:
        """As a value."""
        return Problem(self.reason, self.message)


class Unavailable(KeyturnError):
    """Nobody can tell: connection refused, timeout, server starting. Try again; conclude nothing."""


class Denied(KeyturnError):
    """The backend or the API server definitely refused. Trying again the same way will not help."""


class Misconfigured(KeyturnError):
    """What the user wrote cannot work; the message says which field and what to do."""


class Conflict(KeyturnError):
    """A compare-and-set lost: somebody wrote in between. Look again, then decide again."""


class OutcomeUnknown(KeyturnError):
    """A write may or may not have happened: read back before anything else."""


# -------------------------------------------------------------------------------------------------- provider


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do, honestly."""

    reversible_disable: bool
    tells_disabled_from_wrong: bool  # expect_refused can say DISABLED
    sees_refused_attempts: bool  # else Watch is blind and the plan must accept that
    lists_sessions: bool
    disable_delay: timedelta = timedelta()  # worst case until a disable bites; watch >= 2x this
    usage_lag: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where consumers log in."""

    name: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Credential:
    """A principal and the value that opens a session as it."""

    id: str
    value: Sealed


@dataclass(frozen=True, slots=True)
class Principal:
    """One entry of the backend's inventory."""

    id: str
    state: Existence
    plan: str = ""  # the plan whose tag it carries, "" if none of ours
    tag: str = ""  # our tag's public part: rotation uid and generation
    stranger: bool = False  # can reach the data, and nobody declared it
    why: str = ""  # of a stranger: how it reaches the data, and how to declare it


@dataclass(frozen=True, slots=True)
class Usage:
    """Who uses a credential right now. ``idle`` is NOT_SEEN only if the positive control was seen in the same list."""

    idle: Idle
    sessions: tuple[Session, ...] = ()
    blind: str = ""  # why UNKNOWN, in words


class Provider(Protocol):
    """One backend, for one plan. Every mutation is preceded by ``identify`` and followed by a read-back.

    Connection-class failures raise ``Unavailable``; definite refusals ``Denied``; wrong settings ``Misconfigured``.
    ``op`` names the step: the same op always has the same outcome.
    """

    capabilities: Capabilities

    async def reach(self) -> Reach:
        """Does the rotator's own login work? Never raises."""
        ...

    async def same_system(self, current: Credential) -> Sameness:
        """Is the target the system that ``current`` opens through the consumers' endpoints? Proved live."""
        ...

    async def inventory(self) -> tuple[Principal, ...]:
        """All principals that matter to this plan: slots, owner, and strangers."""
        ...

    async def preflight(self, current: Credential | None) -> tuple[Problem, ...]:
        """The backend's own checklist, without changing anything. Empty: nothing blocks."""
        ...

    async def next_id(self, current_id: str) -> str:
        """The free slot NEW will use. Pure planning. Raises Misconfigured when no slot is free."""
        ...

    def mint(self) -> Sealed:
        """A fresh value this backend accepts."""
        ...

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        """NEW exists, enabled, tagged, with this value and the rights of ``like``; one transaction where possible."""
        ...

    async def test(self, credential: Credential) -> Trial:
        """Log in for real at every endpoint: right system, identity, rights, real write path. Never raises."""
        ...

    async def usage(self, ids: Sequence[str], control: Credential) -> Mapping[str, Usage]:
        """Sessions right now, with a positive control: a labelled session of ``control`` must show."""
        ...

    async def disable(self, op: Op, id_: str) -> None:
        """Logins are refused from now on. Open sessions live on."""
        ...

    async def enable(self, op: Op, credential: Credential) -> None:
        """Logins work again, with this value (its holder may have changed it)."""
        ...

    async def end_sessions(self, op: Op, id_: str) -> int:
        """End the open sessions of a disabled principal; how many were told to end."""
        ...

    async def refused_attempts(self, id_: str, since: datetime) -> tuple[Session, ...]:
        """Correct but refused logins since then, where ``capabilities.sees_refused_attempts``; else empty."""
        ...

    async def delete(self, op: Op, id_: str) -> None:
        """Irreversible. Denied unless disabled and without sessions, asked again at the moment of the call."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


# --------------------------------------------------------------------------------------------------- cluster


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """A RotationPlan as read."""

    key: ObjectKey
    uid: str
    generation: int
    resource_version: str
    spec: RotationPlanSpec
    status: PlanStatus
    deleting: bool = False
    deleted_at: datetime | None = None  # metadata.deletionTimestamp
    finalizers: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    invalid: Problem | None = None  # the stored object does not parse (an older or newer version wrote it)


@dataclass(frozen=True, slots=True)
class RotationRecord:
    """A Rotation as read."""

    key: ObjectKey
    uid: str
    generation: int
    resource_version: str
    created: datetime
    spec: RotationSpec
    status: RotationStatus
    deleting: bool = False
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """A CredentialProvider or ClusterCredentialProvider as read, with the namespace its Secret lives in."""

    kind: str
    key: ObjectKey  # namespace "" for the cluster-scoped kind
    uid: str
    generation: int
    spec: CredentialProviderSpec
    admits_namespace: bool = True  # namespaceSelector of the cluster-scoped kind


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """A Secret read by name. Values are sealed at once."""

    key: ObjectKey
    uid: str
    resource_version: str
    data: Mapping[str, Sealed]
    writers: Mapping[str, str]  # data key -> field manager that owns it
    immutable: bool = False
    controlled_by: str = ""  # "ExternalSecret/orders-db (external-secrets.io)": another controller's, by owner or mark
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Escrow:
    """Both values of a plan, kept in the operator's namespace. ``slots`` maps a credential id to its value."""

    values: Mapping[str, Sealed]
    secret_before: Mapping[str, Sealed]  # the consumers' managed keys as they were before Stage, byte for byte
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class WorkloadRecord:
    """A consumer as the API server tells it."""

    ref: ConsumerRef
    uid: str
    template: Mapping[str, Any]  # the pod template, for deliveries
    selector: str  # label selector of its pods, "a=b,c in (d)"
    generation_mark: int | None  # our annotation in the template
    deliveries: tuple[Delivery, ...]
    settled: bool
    healthy: bool
    stuck: str
    replicas: int
    kills_first: bool  # its strategy takes a pod away before the new one is ready
    paused: bool
    injected: bool  # the template asks for, or carries, the probe


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A pod, projected to what proof needs."""

    namespace: str
    name: str
    uid: str
    address: str
    consumer: ConsumerRef | None
    node: str
    phase: str
    ready: bool
    terminating: bool
    created: datetime
    host_network: bool
    probe_image: str  # image of our sidecar as it runs; "" if it has none
    probe_port: int
    deliveries: tuple[Delivery, ...]
    container_starts: Mapping[str, datetime]  # app containers running now


class Cluster(Protocol):
    """The API server. Reads before irreversible steps are consistent (quorum), never from a cache."""

    async def plan(self, key: ObjectKey) -> PlanRecord | None: ...
    async def plans(self, namespace: str | None = None) -> Sequence[PlanRecord]: ...
    async def rotations(self, plan: ObjectKey) -> Sequence[RotationRecord]: ...
    async def provider(self, plan: PlanRecord) -> ProviderRecord: ...

    async def create_rotation(self, plan: PlanRecord, name: str, spec: RotationSpec) -> None:
        """Owned by the plan; an existing one of that name is success."""
        ...

    async def delete_rotation(self, record: RotationRecord) -> None: ...

    async def save_plan(self, record: PlanRecord, status: PlanStatus) -> PlanRecord:
        """Compare-and-set on resourceVersion; raises Conflict."""
        ...

    async def save_rotation(self, record: RotationRecord, status: RotationStatus) -> RotationRecord:
        """Compare-and-set on resourceVersion; raises Conflict."""
        ...

    async def hold_plan(self, record: PlanRecord, *, hold: bool) -> None:
        """Put or release our finalizer."""
        ...

    async def secret(self, key: ObjectKey) -> SecretRecord | None: ...

    async def write_secret(self, record: SecretRecord, data: Mapping[str, Sealed]) -> None:
        """Managed keys only, server-side apply, compare-and-set on uid and resourceVersion; raises Conflict."""
        ...

    async def escrow(self, plan_uid: str) -> Escrow | None: ...

    async def save_escrow(self, plan: PlanRecord, escrow: Escrow) -> None:
        """Compare-and-set (``resource_version`` empty: create); raises Conflict."""
        ...

    async def drop_escrow(self, plan_uid: str) -> None: ...

    async def consumers(
        self,
        namespace: str,
        secret: str,
        listed: Sequence[ConsumerRef],
        *,
        discover: bool,
        plan: ObjectKey | None = None,
    ) -> Sequence[WorkloadRecord]:
        """Listed ones (a missing one is absent from the answer) and, if asked, all that reference the Secret.

        ``plan`` says whose annotation ``generation_mark`` is read from; without it the mark is None.
        """
        ...

    async def pods(self, workloads: Sequence[WorkloadRecord], namespace: str, secret: str) -> Sequence[PodRecord]:
        """All pods of these workloads and any other pod that references the Secret; terminating ones included."""
        ...

    async def restart(self, workload: WorkloadRecord, plan: ObjectKey, generation: int) -> None:
        """Write the generation into the template's annotation."""
        ...

    async def touch(self, pod: PodRecord, plan: ObjectKey, generation: int) -> None:
        """Annotate the pod so that the kubelet refreshes its volumes now."""
        ...

    async def announce(self, about: ObjectKey, kind: str, uid: str, event: Announcement) -> None:
        """An Event. Best effort: never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Announcement:
    """An Event for people."""

    reason: str
    message: str
    warning: bool = False


# ---------------------------------------------------------------------------------------------------- probes


class Probes(Protocol):
    """Challenges pods. Fresh nonce each time; answers bound to pod UID, container start and generation."""

    async def challenge(
        self,
        plan: PlanRecord,
        pods: Sequence[PodRecord],
        generation: int,
        expected: Mapping[str, Mapping[str, Sealed]],  # "Old"/"New" (Side values) -> Secret key -> rendered value
    ) -> Mapping[str, Testimony]:
        """By pod UID; every pod asked is in the answer."""
        ...

    async def arm(self, plan: PlanRecord, generations: Mapping[int, Mapping[str, Sealed]], secret: str) -> None:
        """Make the probes' small Secret: key for the challenges, and what the readiness gate may accept (as MACs)."""
        ...


# ------------------------------------------------------------------------------------------------ the rest


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """Aware, UTC."""
        ...


class Reporter(Protocol):
    """Told of what happened; may never fail and never decide."""

    def moved(self, plan: ObjectKey, rotation: str, before: str, after: str, reason: str) -> None: ...
    def acted(self, plan: ObjectKey, effect: str, outcome: str) -> None: ...


class Providers(Protocol):
    """Builds the provider of a plan from its record and the admin Secret."""

    def open(self, record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Provider:
        """Raises Misconfigured with the field and the way out."""
        ...
