"""What the reconciler needs of the world, as protocols and plain records.

Adapters live in ``providers``, ``kube`` and ``reporters``; fakes that satisfy them live in the tests. Nothing here does
anything.
"""

from keyturn.core.evidence import Connection, Session, Sight, Testimony
from keyturn.ports.backend import (
    Capabilities,
    Checklist,
    Credential,
    Endpoint,
    Issuer,
    Pending,
    Principal,
    Provider,
    Usage,
)
from keyturn.ports.errors import (
    Awaited,
    Conflict,
    Denied,
    Forbidden,
    KeyturnError,
    Misconfigured,
    OutcomeUnknown,
    Unavailable,
)
from keyturn.ports.records import (
    Announcement,
    ApprovalRecord,
    Escrow,
    PlanRecord,
    PodRecord,
    ProviderRecord,
    RotationRecord,
    SecretRecord,
    SigningAnswer,
    SigningWish,
    WorkloadRecord,
)
from keyturn.ports.world import Clock, Cluster, Probes, Providers, Reporter, Signing

__all__ = [
    "Announcement",
    "ApprovalRecord",
    "Awaited",
    "Capabilities",
    "Checklist",
    "Clock",
    "Cluster",
    "Conflict",
    "Connection",
    "Credential",
    "Denied",
    "Endpoint",
    "Escrow",
    "Forbidden",
    "Issuer",
    "KeyturnError",
    "Misconfigured",
    "OutcomeUnknown",
    "Pending",
    "PlanRecord",
    "PodRecord",
    "Principal",
    "Probes",
    "Provider",
    "ProviderRecord",
    "Providers",
    "Reporter",
    "RotationRecord",
    "SecretRecord",
    "Session",
    "Sight",
    "Signing",
    "SigningAnswer",
    "SigningWish",
    "Testimony",
    "Unavailable",
    "Usage",
    "WorkloadRecord",
]
