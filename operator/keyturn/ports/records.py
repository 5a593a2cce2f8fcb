"""What is read from the API server, as plain slotted records. Secrets are sealed the moment they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from keyturn.api.kinds import (
    CredentialProviderSpec,
    PlanStatus,
    RotationApprovalSpec,
    RotationPlanSpec,
    RotationSpec,
    RotationStatus,
)
from keyturn.core.delivery import Delivery
from keyturn.core.evidence import RunsAs
from keyturn.core.model import ConsumerRef, ObjectKey, Problem
from keyturn.core.sealed import Sealed
from keyturn.ports.backend import Pending

STATUS_UNREADABLE = "StatusUnreadable"  # reason of a plan whose status another version wrote


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

    @property
    def secret_key(self) -> ObjectKey:
        """The consumers' Secret."""
        return ObjectKey(self.key.namespace, self.spec.secret.name)


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
    """A CredentialProvider or ClusterCredentialProvider as read."""

    kind: str
    key: ObjectKey  # namespace "" for the cluster-scoped kind
    uid: str
    generation: int
    spec: CredentialProviderSpec
    admits_namespace: bool = True  # namespaceSelector of the cluster-scoped kind
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    secrets_in: str = ""  # where its Secrets live, of the cluster-scoped kind: the operator's namespace

    @property
    def admin_key(self) -> ObjectKey | None:
        """The Secret with the rotator's own credential; None where there is none to log in with."""
        name = self.spec.backend.admin_secret if self.spec.backend is not None else ""
        return ObjectKey(self.secrets_in or self.key.namespace, name) if name else None


@dataclass(frozen=True, slots=True)
class ApprovalRecord:
    """A RotationApproval as read."""

    key: ObjectKey
    uid: str
    spec: RotationApprovalSpec
    deleting: bool = False


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
    tag: str = ""  # of our last write, ``rotation uid/generation``


@dataclass(frozen=True, slots=True)
class Escrow:
    """Both values of a plan, kept in the operator's namespace. ``slots`` maps a credential id to its value."""

    values: Mapping[str, Sealed]
    secret_before: Mapping[str, Sealed]  # the consumers' managed keys as they were before Stage, byte for byte
    resource_version: str = ""
    closed: int = 0  # the plan's generation when the books of its last rotation were closed
    pending: Pending | None = None  # a create that was asked for, or is about to be, and was not answered yet


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
    probe_awaited: bool = False  # it has a sidecar of ours, which may not run yet, or no longer
    probe_altered: bool = False  # it would not run as the injector writes it: another program may answer
    unsaid_users: Mapping[str, RunsAs | None] = field(default_factory=dict[str, RunsAs | None])
    """Containers whose user or group the spec leaves to the image, and what the kubelet tells (None: nothing)."""


@dataclass(frozen=True, slots=True)
class SigningWish:
    """A certificate that somebody else shall sign. Nothing of it is secret."""

    csr: bytes  # PKCS 10, in PEM
    issuer: str  # of cert-manager.io, in the namespace of the request if it is an Issuer
    issuer_kind: str  # Issuer or ClusterIssuer
    usages: tuple[str, ...]  # as CertificateRequest has them: "server auth"
    validity: timedelta


@dataclass(frozen=True, slots=True)
class SigningAnswer:
    """What became of it so far."""

    csr: bytes  # that it is for
    certificate: bytes = b""  # in PEM, with what is between; empty while nothing is signed
    root: bytes = b""  # as far as the issuer tells
    refused: str = ""  # Denied, InvalidRequest or Failed: it will not be signed any more


@dataclass(frozen=True, slots=True)
class Announcement:
    """An Event for people."""

    reason: str
    message: str
    warning: bool = False
