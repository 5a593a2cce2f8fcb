"""Which approvals count: by whom, for what, and who may not approve his own work. Pure; reading is ``Asking``.

An approval binds a digest of everything that would be carried out. What the API server guarantees (a name is its
writer's) rests on the admission policies of ``api.policies``; without them in place nothing counts.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pydantic import BaseModel
from pydantic.types import JsonValue

from keyturn.api.labels import EDITED_BY
from keyturn.api.plan_kinds import RotationPlanSpec
from keyturn.api.provider_kinds import CredentialProviderSpec
from keyturn.core.model import Consent, Mode, Phase, Problem
from keyturn.ports import ApprovalRecord, Cluster, PlanRecord, ProviderRecord, RotationRecord, WorkloadRecord

ASKED = frozenset({Phase.SOAK, Phase.APPROVE, Phase.DISABLE, Phase.WATCH, Phase.DELETE})  # the pods have proved
ASKED_TO_CONTAIN = frozenset({Phase.APPROVE, Phase.CREATE})  # before anything is changed
_TWO_PEOPLE = 2


def asked_in(mode: str) -> frozenset[Phase]:
    """The phases in which people are asked."""
    return ASKED_TO_CONTAIN if mode == Mode.CONTAINMENT else ASKED


def is_person(user: str) -> bool:
    """Names that start with ``system:`` are Kubernetes' own: service accounts, nodes, the anonymous user."""
    return bool(user) and not user.startswith("system:")


def needed(plan: RotationPlanSpec, terms: CredentialProviderSpec, requested_by: str) -> int:
    """How many people must agree: the larger wish, and two where no person asked for the rotation."""
    wished = max(plan.retire.approvals, terms.approvals.minimum)
    return max(wished, _TWO_PEOPLE) if wished and not is_person(requested_by) else wished


def editors(annotations: Mapping[str, str]) -> frozenset[str]:
    """Who edited a plan or provider while approvals were asked for; the admission policy keeps the list truthful."""
    return frozenset(user for name, user in annotations.items() if name.startswith(EDITED_BY))


def people_edited(plan: PlanRecord) -> bool:
    """Is there anybody on the plan's record?"""
    return any(map(is_person, editors(plan.annotations)))


def identities(workloads: Iterable[WorkloadRecord]) -> tuple[str, ...]:
    """Consumers as the digest knows them: a workload made anew under its old name is another."""
    return tuple(sorted(f"{workload.ref}@{workload.uid}" for workload in workloads))


def digest(record: RotationRecord, terms: CredentialProviderSpec, plan: PlanRecord, consumers: Sequence[str]) -> str:
    """SHA-256, hex, of what would be carried out. ``plan`` carries the spec as it was when the rotation began."""
    told: dict[str, JsonValue] = {
        "rotation": record.uid,
        "mode": record.spec.mode,
        "acceptLoss": [*sorted(record.spec.accept_loss)],
        "plan": _plain(plan.spec),
        "provider": _plain(terms),
        "old": record.status.old_id,
        "new": record.status.new_id,
        "system": plan.status.system_id,
        "consumers": list(consumers),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _plain(model: BaseModel) -> JsonValue:
    """What was written down: defaults are left out, so that a version with more fields sees the same."""
    return model.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def counted(
    asked: Consent, approvals: Iterable[ApprovalRecord], rotation_uid: str, involved: Mapping[str, str]
) -> Consent:
    """The same question with its answers. ``involved``: who asked or edited, and which of it he did."""
    agreed: dict[str, ApprovalRecord] = {}
    void: dict[str, None] = {}
    for approval in sorted(approvals, key=lambda found: found.key):
        if approval.spec.rotation_ref.uid != rotation_uid or approval.deleting:
            continue  # of another run of that name, or taken back
        why = _why_void(approval, asked.digest, involved)
        if why:
            void[f"the approval of {approval.spec.approver} does not count: {why}"] = None
        else:
            agreed.setdefault(approval.spec.approver, approval)
    named = Counter(stranger for approval in agreed.values() for stranger in approval.spec.strangers)
    return replace(
        asked,
        approvers=tuple(sorted(agreed)),
        strangers=tuple(sorted(id_ for id_, times in named.items() if times >= asked.needed)),
        void=tuple(Problem("ApprovalVoid", words) for words in void),
    )


def _why_void(approval: ApprovalRecord, digest_now: str, involved: Mapping[str, str]) -> str:
    who = approval.spec.approver
    if not is_person(who):
        return "only people approve"
    if who in involved:
        return f"this person {involved[who]}"
    if approval.spec.digest != digest_now:
        return "something it was about has changed since; look again and approve anew"
    return ""


def involved(requested_by: str, plan: PlanRecord, provider: ProviderRecord) -> dict[str, str]:
    """Everyone who had a hand in what would be carried out."""
    edited = dict.fromkeys(editors(provider.annotations), "edited the provider")
    edited |= dict.fromkeys(editors(plan.annotations), "edited the plan")
    return edited | ({requested_by: "asked for the rotation"} if requested_by else {})


class Asking:
    """Reads what people said, anew at each look: an approval that is taken back counts no more."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def consent(
        self,
        phase: Phase,
        record: RotationRecord,
        plan: PlanRecord,
        provider: ProviderRecord,
        workloads: Sequence[WorkloadRecord],
    ) -> Consent:
        """How far people agreed. Where nobody is asked yet, nobody has agreed, and no approval is read.

        ``provider`` as it was read in this tick: what is carried out goes by the same record.
        """
        asked = Consent(needed(plan.spec, provider.spec, record.spec.requested_by))
        if not asked.needed or phase not in asked_in(record.spec.mode):
            return asked
        consumers = identities(workloads)
        asked = replace(asked, digest=digest(record, provider.spec, plan, consumers), consumers=consumers)
        hindrance = await self._hindrance(plan, provider)
        if hindrance is not None:
            return replace(asked, barred=hindrance)
        found = await self._cluster.approvals(record.key)
        return counted(asked, found, record.uid, involved(record.spec.requested_by, plan, provider))

    async def hindrances(
        self, record: RotationRecord, plan: PlanRecord, provider: ProviderRecord
    ) -> tuple[Problem, ...]:
        """For Preflight: why approvals that will be asked for could never count. Empty: nothing hinders them."""
        if not needed(plan.spec, provider.spec, record.spec.requested_by):
            return ()
        hindrance = await self._hindrance(plan, provider)
        return () if hindrance is None else (hindrance,)

    async def _hindrance(self, plan: PlanRecord, provider: ProviderRecord) -> Problem | None:
        missing = await self._cluster.unguarded(plan.key.namespace)
        if missing:
            return Problem("PolicyMissing", f"no approval can count: {missing}; install the chart's admission policies")
        for what, marks in (("plan", plan.annotations), ("provider", provider.annotations)):
            if not editors(marks):
                return Problem(
                    "EditorsUnknown",
                    f"no approval can count, because the {what} does not say who edited it; look at it, and annotate "
                    f"it with {EDITED_BY}me: YOUR-USER-NAME",
                )
        return None
