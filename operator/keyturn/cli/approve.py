"""``kubectl keyturn approve|withdraw ROTATION``: say in one's own name that the old credential may go, or take it back.

What is shown is what is approved: the digest is computed here again from what is shown, and compared with the
operator's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pydantic import ValidationError

from keyturn.api.base import API_VERSION
from keyturn.api.kinds import (
    APPROVAL,
    ROTATION,
    ClusterCredentialProviderSpec,
    CredentialProviderSpec,
    RotationApprovalSpec,
)
from keyturn.cli.session import Session
from keyturn.cli.views.standing import finished, going_back, phase_of
from keyturn.core.model import ObjectKey, Phase
from keyturn.kube.approvals import approval_of
from keyturn.kube.paths import APPROVALS, CLUSTER_PROVIDERS, PROVIDERS, ours
from keyturn.kube.raw import Json, mapping, strings, text
from keyturn.ports import ApprovalRecord, Misconfigured, PlanRecord, ProviderRecord, RotationRecord
from keyturn.reconciler.approvals import asked_in, digest, involved, is_person


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that one person is asked to agree to."""

    record: RotationRecord
    plan: PlanRecord  # with the spec that this rotation carries out
    provider: ProviderRecord
    digest: str
    needed: int
    consumers: tuple[str, ...]
    me: str
    agreed: tuple[str, ...]
    strangers: tuple[str, ...] = ()
    editors: dict[str, str] = field(default_factory=dict[str, str])  # who had a hand in it -> what he did


async def question(session: Session, name: str, strangers: Sequence[str] = ()) -> Question:
    """What there is to approve.

    Raises:
        Misconfigured: nobody is asked (yet, or any more), it changed in between, or it is the asker's own work.
    """
    record = await session.rotation(name)
    asked, snapshot = record.status.approval, record.status.plan
    if finished(record.status) or going_back(record.status):
        raise Misconfigured("NotAsked", f"{name} is in {phase_of(record.status)}; there is nothing left to approve")
    if asked is None or snapshot is None or record.status.phase not in asked_in(record.spec.mode):
        raise Misconfigured("NotAsked", _not_asked(record))
    live = await session.plan(record.spec.plan_ref.name)
    plan = replace(live, spec=snapshot)
    provider = await _provider(session, plan)
    shown = digest(record, provider.spec, plan, asked.consumers)
    if shown != asked.digest:
        raise Misconfigured(
            "Changed", f"something changed this very moment; look again: kubectl keyturn approve {name}"
        )
    me, hands = await session.who(), involved(record.spec.requested_by, plan, provider)
    _must_be_another(me, hands)
    consumers, agreed = tuple(asked.consumers), tuple(asked.approvers)
    return Question(
        record, plan, provider, shown, asked.needed, consumers, me, agreed, tuple(sorted(set(strangers))), hands
    )


def _not_asked(record: RotationRecord) -> str:
    name, phase = record.key.name, phase_of(record.status)
    if record.status.phase in asked_in(record.spec.mode):
        return f"{name} asks nobody: neither plan nor provider want approvals"
    return f"{name} is in {phase}, where nobody is asked; look when it is in Approve: kubectl keyturn watch {name}"


def _must_be_another(me: str, hands: dict[str, str]) -> None:
    if not is_person(me):
        raise Misconfigured("NotAPerson", f"only people approve, and {me} is none; use an account of your own")
    if me in hands:
        raise Misconfigured("OwnWork", f"you ({me}) {hands[me]}; somebody else must approve it")


async def _provider(session: Session, plan: PlanRecord) -> ProviderRecord:
    ref, namespace = plan.spec.provider_ref, plan.key.namespace
    clustered = ref.kind == "ClusterCredentialProvider"
    path = ours(CLUSTER_PROVIDERS, None, ref.name) if clustered else ours(PROVIDERS, namespace, ref.name)
    found = await session.api.read(path)
    if found is None:
        raise Misconfigured("NotFound", f"there is no {ref.kind} {ref.name}")
    model = ClusterCredentialProviderSpec if clustered else CredentialProviderSpec
    try:
        spec = model.model_validate(mapping(found, "spec"))
    except ValidationError:
        raise Misconfigured(
            "OtherVersion", f"{ref.kind} {ref.name} was written by another version of Keyturn"
        ) from None
    key = ObjectKey("" if clustered else namespace, ref.name)
    marks = strings(found, "metadata", "annotations")
    return ProviderRecord(ref.kind, key, text(found, "metadata", "uid"), 0, spec, annotations=marks)


async def approve(session: Session, asked: Question, comment: str) -> str:
    """Say yes to exactly what was shown. One line about what happens now."""
    key = asked.record.key
    if any(found.spec.digest == asked.digest for found in await _mine(session, asked.record, asked.me)):
        return f"you approved {key.name} before; take it back with: kubectl keyturn withdraw {key.name}"
    spec = RotationApprovalSpec.model_validate(
        {
            "rotationRef": {"name": key.name, "uid": asked.record.uid},
            "digest": asked.digest,
            "approver": asked.me,
            "comment": comment,
            "strangers": list(asked.strangers),
        }
    )
    await session.api.create(ours(APPROVALS, key.namespace), _body(asked, spec))
    return f"approved; take it back with: kubectl keyturn withdraw {key.name}"


def _body(asked: Question, spec: RotationApprovalSpec) -> Json:
    key, uid = asked.record.key, asked.record.uid
    mine = hashlib.sha256(f"{uid} {asked.digest} {asked.me}".encode()).hexdigest()[:10]
    owner = {"apiVersion": API_VERSION, "kind": ROTATION.name, "name": key.name, "uid": uid}
    return {
        "apiVersion": API_VERSION,
        "kind": APPROVAL.name,
        "metadata": {"name": f"{key.name[:200]}-{mine}", "namespace": key.namespace, "ownerReferences": [owner]},
        "spec": spec.model_dump(mode="json", by_alias=True, exclude_defaults=True),
    }


async def withdraw(session: Session, name: str) -> str:
    """Take one's approvals back. Raises Misconfigured when there are none, or it is too late."""
    record = await session.rotation(name)
    if finished(record.status):
        raise Misconfigured("Finished", f"{name} is over ({record.status.phase}), and who approved it stays on record")
    mine = await _mine(session, record, await session.who())
    if not mine:
        raise Misconfigured("NotFound", f"you have not approved {name}; see: kubectl get rotationapprovals")
    for found in mine:
        await session.api.delete(ours(APPROVALS, found.key.namespace, found.key.name), found.uid)
    if record.status.phase in (Phase.DISABLE, Phase.WATCH, Phase.DELETE):
        old = record.status.old_id
        return f"taken back: {old}, disabled already, is not deleted; go back with: kubectl keyturn abort {name}"
    return f"taken back: {name} waits for approval again"


async def _mine(session: Session, record: RotationRecord, me: str) -> list[ApprovalRecord]:
    found = await session.api.collect(ours(APPROVALS, record.key.namespace), approval_of)
    return [said for said in found if said.spec.approver == me and said.spec.rotation_ref.uid == record.uid]
