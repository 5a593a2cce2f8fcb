"""The kinds under one roof: their models, and how the API server names them. ``crds/`` is generated from this table.

Field docs are what ``kubectl explain`` prints. Nothing here reads the cluster or decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from keyturn.api import rules
from keyturn.api.approval_kinds import RotationApprovalSpec, RotationRef
from keyturn.api.base import Model
from keyturn.api.plan_kinds import (
    Consumer,
    Consumers,
    PlanStatus,
    ProviderRef,
    Retire,
    Rollout,
    RotationPlanSpec,
    Schedule,
    SecretTarget,
    Verify,
    Window,
)
from keyturn.api.provider_kinds import (
    Allow,
    Approvals,
    ClusterCredentialProviderSpec,
    CredentialProviderSpec,
    LabelSelector,
)
from keyturn.api.rotation_kinds import (
    ApprovalState,
    Blocker,
    ObservedClock,
    PhaseEntry,
    PodCount,
    PodLine,
    RollStart,
    RotationSpec,
    RotationStatus,
    SessionLine,
    Unchecked,
)

__all__ = [
    "APPROVAL",
    "CLUSTER_PROVIDER",
    "KINDS",
    "PLAN",
    "PROVIDER",
    "ROTATION",
    "Allow",
    "ApprovalState",
    "Approvals",
    "Blocker",
    "ClusterCredentialProviderSpec",
    "Column",
    "Consumer",
    "Consumers",
    "CredentialProviderSpec",
    "Kind",
    "LabelSelector",
    "ObservedClock",
    "PhaseEntry",
    "PlanStatus",
    "PodCount",
    "PodLine",
    "ProviderRef",
    "Retire",
    "RollStart",
    "Rollout",
    "RotationApprovalSpec",
    "RotationPlanSpec",
    "RotationRef",
    "RotationSpec",
    "RotationStatus",
    "Schedule",
    "SecretTarget",
    "SessionLine",
    "Unchecked",
    "Verify",
    "Window",
]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of ``kubectl get``. ``wide`` ones are shown by ``-o wide`` only.

    The others fit 80 columns even in a list of two kinds, which puts ``rotation.keyturn.dev/`` before each name.
    """

    name: str
    json_path: str
    type: str = "string"
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """How the API server names a kind, and the models of its two halves."""

    name: str
    plural: str
    short: str
    summary: str
    spec: type[Model]
    status: type[Model] | None
    columns: tuple[Column, ...]
    namespaced: bool = True
    rules: tuple[rules.Rule, ...] = ()
    fields_selected: tuple[str, ...] = ()  # the API server picks objects by these


_AGE = Column("Age", ".metadata.creationTimestamp", "date")

PLAN = Kind(
    "RotationPlan",
    "rotationplans",
    "rp",
    "The policy by which one credential is rotated, and proved to be in use before the old one goes.",
    RotationPlanSpec,
    PlanStatus,
    (
        Column("Secret", ".spec.secret.name", wide=True),
        Column("Current", ".status.currentId"),
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
        Column("Phase", ".status.lastRotationPhase", wide=True),
        Column("Next", ".status.next"),
        _AGE,
    ),
    rules=(rules.PLAN_NAME,),
)
ROTATION = Kind(
    "Rotation",
    "rotations",
    "rot",
    "One run of a plan. Its status is the audit record.",
    RotationSpec,
    RotationStatus,
    (
        Column("Phase", ".status.phase"),
        Column("Proven", ".status.proven"),
        Column("Old", ".status.oldId", wide=True),
        Column("New", ".status.newId", wide=True),
        Column("Blocked-By", ".status.blockedBy"),
        _AGE,
    ),
    fields_selected=("spec.planRef.name", "status.phase"),
)
APPROVAL = Kind(
    "RotationApproval",
    "rotationapprovals",
    "rapp",
    "One person's word that the old credential of one rotation may go. Deleting it takes the approval back.",
    RotationApprovalSpec,
    None,
    (
        Column("Rotation", ".spec.rotationRef.name"),
        Column("Approver", ".spec.approver"),
        Column("Comment", ".spec.comment"),
        _AGE,
    ),
)
_PROVIDER_COLUMNS = (
    Column("Database", ".spec.*.database"),  # of whichever backend it names
    Column("Host", ".spec.*.endpoints[0].host"),
    Column("Rotator", ".spec.*.rotator"),
    _AGE,
)
PROVIDER = Kind(
    "CredentialProvider",
    "credentialproviders",
    "cprov",
    "A backend whose credentials plans of this namespace may rotate.",
    CredentialProviderSpec,
    None,
    _PROVIDER_COLUMNS,
)
CLUSTER_PROVIDER = Kind(
    "ClusterCredentialProvider",
    "clustercredentialproviders",
    "ccprov",
    "A backend whose credentials plans of several namespaces may rotate.",
    ClusterCredentialProviderSpec,
    None,
    _PROVIDER_COLUMNS,
    namespaced=False,
)
KINDS = (PLAN, ROTATION, APPROVAL, PROVIDER, CLUSTER_PROVIDER)
