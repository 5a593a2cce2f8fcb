"""The API server as the reconciler sees it: ``ports.Cluster``, put together from one part for each kind of thing.

Only delegation here, one line each; what things mean is in the parts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from keyturn.api.kinds import PlanStatus, RotationSpec, RotationStatus
from keyturn.core.model import ConsumerRef, ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.kube.announcements import Announcements
from keyturn.kube.approvals import Approvals
from keyturn.kube.client import KubeClient
from keyturn.kube.escrow import EscrowStore
from keyturn.kube.following import Following
from keyturn.kube.freezes import Freezes
from keyturn.kube.plans import Plans
from keyturn.kube.pods import Pods
from keyturn.kube.secrets import Secrets
from keyturn.kube.signing import SigningRequests
from keyturn.kube.workloads import Workloads
from keyturn.ports import (
    Announcement,
    ApprovalRecord,
    Clock,
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


class KubeCluster:
    """Implements ``ports.Cluster`` on a real API server. Every read is consistent, every write compared-and-set."""

    def __init__(
        self,
        client: KubeClient,
        *,
        operator_namespace: str,
        identity: str,
        clock: Clock,
        namespaces: Sequence[str] = (),  # that are served; none: all
        following: Following | None = None,  # None: nothing is watched, and plans are polled
    ) -> None:
        pods = Pods(client)
        self._plans = Plans(client, operator_namespace, namespaces)
        self._home = operator_namespace
        self._approvals = Approvals(client)
        self._secrets = Secrets(client)
        self._escrow = EscrowStore(client, operator_namespace)
        self._freezes = Freezes(client, operator_namespace)
        self._pods = pods
        self._signing = SigningRequests(client)
        self._workloads = Workloads(client, pods)
        self._following = following
        self._announcements = Announcements(client, identity, clock)

    async def plan(self, key: ObjectKey) -> PlanRecord | None:
        """See ``ports.Cluster``, here and below."""
        return await self._plans.plan(key)

    async def plans(self, namespace: str | None = None) -> Sequence[PlanRecord]:
        """All of a namespace, or of all that are served."""
        return await self._plans.plans(namespace)

    async def rotation(self, key: ObjectKey) -> RotationRecord | None:
        """Raises Misconfigured if it cannot be understood."""
        return await self._plans.rotation(key)

    async def rotations(self, plan: ObjectKey, *, finished: bool = True) -> Sequence[RotationRecord]:
        """All that name this plan."""
        return await self._plans.rotations(plan, finished=finished)

    async def provider(self, plan: PlanRecord) -> ProviderRecord:
        """Raises Misconfigured if there is none."""
        return await self._plans.provider(plan)

    async def providers(self, admin: ObjectKey) -> Sequence[ProviderRecord]:
        """Those that log in with what this Secret holds."""
        return await self._plans.providers(admin)

    async def approvals(self, rotation: ObjectKey) -> Sequence[ApprovalRecord]:
        """All that name this rotation."""
        return await self._approvals.of(rotation)

    async def unguarded(self, namespace: str) -> str:
        """Which admission policy does not hold there."""
        return await self._approvals.unguarded(namespace)

    async def begin_record(self, plan: PlanRecord) -> None:
        """Raises Conflict."""
        await self._approvals.begin_record(plan)

    async def create_rotation(self, plan: PlanRecord, name: str, spec: RotationSpec) -> None:
        """An existing one of that name is success."""
        await self._plans.create_rotation(plan, name, spec)

    async def delete_rotation(self, record: RotationRecord) -> None:
        """One that is gone is success."""
        await self._plans.delete_rotation(record)

    async def save_plan(self, record: PlanRecord, status: PlanStatus) -> PlanRecord:
        """Raises Conflict."""
        return await self._plans.save_plan(record, status)

    async def save_rotation(self, record: RotationRecord, status: RotationStatus) -> RotationRecord:
        """Raises Conflict."""
        return await self._plans.save_rotation(record, status)

    async def frozen(self, plan: PlanRecord) -> str:
        """Asked of the API server each time."""
        return await self._freezes.frozen(plan)

    async def hold_plan(self, record: PlanRecord, *, hold: bool) -> None:
        """Raises Conflict."""
        await self._plans.hold_plan(record, hold=hold)

    async def secret(self, key: ObjectKey) -> SecretRecord | None:
        """By name only."""
        return await self._secrets.read(key)

    async def write_secret(self, record: SecretRecord, data: Mapping[str, Sealed], tag: str) -> None:
        """Raises Conflict."""
        await self._secrets.write(record, data, tag)

    async def escrow(self, plan_uid: str) -> Escrow | None:
        """From the operator's namespace."""
        return await self._escrow.read(plan_uid)

    async def save_escrow(self, plan: PlanRecord, escrow: Escrow) -> None:
        """Raises Conflict."""
        await self._escrow.save(plan, escrow)

    async def drop_escrow(self, plan_uid: str) -> None:
        """One that is gone is success."""
        await self._escrow.drop(plan_uid)

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
        """Listed ones that exist and, if asked, all that reference the Secret."""
        return await self._workloads.consumers(namespace, secret, listed, discover=discover, plan=plan, lost=lost)

    async def pods(self, workloads: Sequence[WorkloadRecord], namespace: str, secret: str) -> Sequence[PodRecord]:
        """Of these workloads, and any other that references the Secret."""
        return await self._pods.records(workloads, namespace, secret)

    async def operators(self) -> Sequence[PodRecord]:
        """Every replica."""
        return await self._pods.operators(self._home)

    def follow(self, plan: ObjectKey, secret: str, consumers: Collection[ConsumerRef]) -> bool:
        """True if a change would wake the plan."""
        return self._following is not None and self._following.follow(plan, secret, consumers)

    def unfollow(self, plan: ObjectKey) -> None:
        """Nothing of it is under way."""
        if self._following is not None:
            self._following.unfollow(plan)

    async def restart(self, workload: WorkloadRecord, plan: ObjectKey, generation: int) -> None:
        """Raises Conflict."""
        await self._workloads.restart(workload, plan, generation)

    async def touch(self, pod: PodRecord, plan: ObjectKey, generation: int) -> None:
        """Raises Conflict."""
        await self._pods.touch(pod, plan, generation)

    async def signing(self, key: ObjectKey) -> SigningAnswer | None:
        """None if it was not asked for."""
        return await self._signing.read(key)

    async def ask_to_sign(self, key: ObjectKey, wish: SigningWish) -> None:
        """Raises Conflict where it was asked for already."""
        await self._signing.ask(key, wish)

    async def forget_signing(self, key: ObjectKey) -> None:
        """One that is gone is success."""
        await self._signing.forget(key)

    async def announce(self, about: ObjectKey, kind: str, uid: str, event: Announcement) -> None:
        """Never raises."""
        await self._announcements.announce(about, kind, uid, event)

    async def apply_secret(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        """A small Secret of our own in the consumers' namespace (the probes'). Raises Denied if the name is taken."""
        sealed = {key: Sealed(value) for key, value in data.items()}
        await self._secrets.apply(ObjectKey(namespace, name), sealed)
