"""The API server, the probes, the clock and the reporters, as the reconciler sees them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from keyturn.api.kinds import PlanStatus, RotationSpec, RotationStatus
from keyturn.core.evidence import Testimony
from keyturn.core.model import ConsumerRef, ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.ports.backend import Provider
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


class Signing(Protocol):
    """Certificates that somebody else signs. Asked by a backend, never by the reconciler."""

    async def signing(self, key: ObjectKey) -> SigningAnswer | None:
        """What became of a request for a certificate, or None if there is none."""
        ...

    async def ask_to_sign(self, key: ObjectKey, wish: SigningWish) -> None:
        """Ask cert-manager for a certificate; Conflict where that was asked for already."""
        ...

    async def forget_signing(self, key: ObjectKey) -> None:
        """Remove such a request; already gone is success."""
        ...


class Cluster(Signing, Protocol):
    """The API server. Reads before irreversible steps are consistent (quorum), never from a cache."""

    async def plan(self, key: ObjectKey) -> PlanRecord | None:
        """The plan, or None if there is none."""
        ...

    async def plans(self, namespace: str | None = None) -> Sequence[PlanRecord]:
        """All plans of a namespace; None: of every namespace that is served. Of one that is not: none."""
        ...

    async def rotation(self, key: ObjectKey) -> RotationRecord | None:
        """One Rotation, or None if there is none. Raises Misconfigured if it cannot be understood."""
        ...

    async def rotations(self, plan: ObjectKey, *, finished: bool = True) -> Sequence[RotationRecord]:
        """All Rotations of a plan; without those that came to their end if asked so."""
        ...

    async def provider(self, plan: PlanRecord) -> ProviderRecord:
        """The provider of a plan. Raises Misconfigured when it does not exist."""
        ...

    async def providers(self, admin: ObjectKey) -> Sequence[ProviderRecord]:
        """Those whose rotator logs in with what this Secret holds. Whom they admit is not asked."""
        ...

    async def approvals(self, rotation: ObjectKey) -> Sequence[ApprovalRecord]:
        """All approvals that name this rotation, whether they count or not."""
        ...

    async def unguarded(self, namespace: str) -> str:
        """What is missing for names written in this namespace to be those of their writers; "" if nothing is."""
        ...

    async def begin_record(self, plan: PlanRecord) -> None:
        """Forget who edited the plan so far, and keep the record of who edits it going; raises Conflict."""
        ...

    async def create_rotation(self, plan: PlanRecord, name: str, spec: RotationSpec) -> None:
        """Owned by the plan; an existing one of that name is success."""
        ...

    async def delete_rotation(self, record: RotationRecord) -> None:
        """Remove a finished one; already gone is success."""
        ...

    async def save_plan(self, record: PlanRecord, status: PlanStatus) -> PlanRecord:
        """Compare-and-set on resourceVersion; raises Conflict."""
        ...

    async def save_rotation(self, record: RotationRecord, status: RotationStatus) -> RotationRecord:
        """Compare-and-set on resourceVersion; raises Conflict."""
        ...

    async def frozen(self, plan: PlanRecord) -> str:
        """Who froze changes and why, in words: on the plan, its namespace, or everything. Empty: nobody did."""
        ...

    async def hold_plan(self, record: PlanRecord, *, hold: bool) -> None:
        """Put or release our finalizer."""
        ...

    async def secret(self, key: ObjectKey) -> SecretRecord | None:
        """A Secret by name, or None if there is none."""
        ...

    async def write_secret(self, record: SecretRecord, data: Mapping[str, Sealed], tag: str) -> None:
        """These managed keys and our tag, by server-side apply, compared-and-set on uid and resourceVersion.

        No keys: the tag alone. Raises Conflict.
        """
        ...

    async def escrow(self, plan_uid: str) -> Escrow | None:
        """The escrow of a plan, or None if there is none."""
        ...

    async def save_escrow(self, plan: PlanRecord, escrow: Escrow) -> None:
        """Compare-and-set (``resource_version`` empty: create); raises Conflict."""
        ...

    async def drop_escrow(self, plan_uid: str) -> None:
        """Remove it; already gone is success."""
        ...

    async def consumers(
        self,
        namespace: str,
        secret: str,
        listed: Sequence[ConsumerRef],
        *,
        discover: bool,
        plan: ObjectKey | None = None,
        lost: Sequence[str] = (),
    ) -> Sequence[WorkloadRecord]:
        """Listed ones (a missing one is absent from the answer) and, if asked, all that reference the Secret.

        ``plan`` says whose annotation ``generation_mark`` is read from; without it the mark is None.
        ``lost``: uids of pods whose loss was accepted: a consumer settles without them.
        """
        ...

    async def pods(self, workloads: Sequence[WorkloadRecord], namespace: str, secret: str) -> Sequence[PodRecord]:
        """All pods of these workloads and any other pod that references the Secret; terminating ones included."""
        ...

    async def operators(self) -> Sequence[PodRecord]:
        """The pods of Keyturn's operator, every replica: from there rotators log in."""
        ...

    def follow(self, plan: ObjectKey, secret: str, consumers: Collection[ConsumerRef]) -> bool:
        """Wake this plan when one of these consumers changes, or a pod that they run or that references the Secret.

        For a rotation that is under way; ask again when the consumers have changed. A mere wake-up, never a source of
        decisions. True if a change would be heard now: then looking now and then is enough.
        """
        ...

    def unfollow(self, plan: ObjectKey) -> None:
        """Nothing of this plan is under way any more."""
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

    async def reload(self, plan: PlanRecord, pods: Sequence[PodRecord], generation: int) -> None:
        """Tell apps that declare so to read their files again: once a generation, and not before their files show it.

        Never raises for a pod; why one did not is in its next testimony.
        """
        ...

    async def arm(self, plan: PlanRecord, generations: Mapping[int, Mapping[str, Sealed]], secret: str) -> None:
        """Make the probes' small Secret: key for the challenges, and what the readiness gate may accept (as MACs)."""
        ...


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """Aware, UTC."""
        ...


class Reporter(Protocol):
    """Told of what happened; may never fail and never decide."""

    def moved(self, plan: ObjectKey, rotation: str, before: str, after: str, reason: str) -> None:
        """A rotation entered another phase."""
        ...

    def acted(self, plan: ObjectKey, effect: str, outcome: str) -> None:
        """An effect was carried out (``Done``) or not (our error's reason)."""
        ...

    def drifted(self, plan: ObjectKey, reasons: Sequence[str]) -> None:
        """What a look at a plan at rest found; none: it is as it was left, or it is gone."""
        ...


class Providers(Protocol):
    """Builds the provider of a plan from its record and the admin Secret, where its backend has one."""

    def open(self, record: ProviderRecord, plan: PlanRecord, admin: SecretRecord | None) -> Provider:
        """Raises Misconfigured with the field and the way out."""
        ...
