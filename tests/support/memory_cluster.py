"""An API server in memory with rollouts: enough of Kubernetes that a rotation cannot tell, and faults can strike."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from keyturn.api.kinds import CredentialProviderSpec, PlanStatus, RotationPlanSpec, RotationSpec, RotationStatus
from keyturn.core.delivery import Delivery, Way
from keyturn.core.evidence import RunsAs
from keyturn.core.model import ConsumerRef, ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.ports import (
    Announcement,
    ApprovalRecord,
    Conflict,
    Escrow,
    PlanRecord,
    PodRecord,
    ProviderRecord,
    RotationRecord,
    SecretRecord,
    WorkloadRecord,
)
from support.faults import Switchboard
from support.memory_provider import MemoryBackend


@dataclass
class Pod:
    """A pod whose app read the credential at start (``held``), or reads it anew for each connection (``reload``)."""

    name: str
    consumer: ConsumerRef
    generation: int | None
    address: str
    held: Sealed | None = None
    port: int | None = None  # its open session
    ready: bool = False
    terminating: bool = False
    crashed: bool = False


@dataclass
class Workload:
    """A Deployment: its template's generation, and pods that follow it one at a time (surge one, unavailable none)."""

    ref: ConsumerRef
    replicas: int
    reload: bool = False
    generation: int | None = None
    crash_with: str = ""  # new pods crash when they read this user name
    overridden: Sealed | None = None  # the template sets the variable to this value instead
    pods: list[Pod] = field(default_factory=list)
    unsaid_user: RunsAs | None = None  # whom its image runs as, where its template does not say; the kubelet tells
    shown: dict[str, object] = field(default_factory=dict)  # fields of its record that differ from the simulated ones


class MemoryCluster:
    """The Cluster port. Saves are compare-and-set; every write passes the switchboard."""

    def __init__(self, board: Switchboard, backend: MemoryBackend, now: datetime) -> None:
        self.board, self.backend, self.created = board, backend, now
        self.the_plan: PlanRecord | None = None
        self.the_rotations: dict[str, RotationRecord] = {}
        self.the_escrow: Escrow | None = None
        self.frozen_by = ""
        self.secret_data: dict[str, Sealed] = {}
        self.secret_writer = "kubectl"
        self.secret_version = 1
        self.workloads: dict[ConsumerRef, Workload] = {}
        self.armed: Mapping[int, Mapping[str, Sealed]] = {}
        self.said: list[Announcement] = []
        self.other_plans: list[PlanRecord] = []
        self.secret_shown: dict[str, object] = {}  # fields of the consumers' Secret that differ
        self.bystanders: list[Pod] = []  # pods that reference the Secret and belong to no simulated workload
        self.admin_exists = True
        self.provider_allows: dict[str, list[str]] = {"owners": ["orders"], "slots": ["orders_*"]}
        self.admits_namespace = True
        self.followed: dict[ObjectKey, tuple[str, ...]] = {}
        self.heard = False
        self.provider_minimum = 0  # approvals
        self.editors: dict[str, str] = {}  # annotations of the provider
        self.said_yes: dict[str, ApprovalRecord] = {}
        self.without_policies = ""
        self._numbers = itertools.count(1)

    # ------------------------------------------------------------------------------------------ our kinds

    async def plan(self, key: ObjectKey) -> PlanRecord | None:
        return self.the_plan if self.the_plan is not None and self.the_plan.key == key else None

    async def plans(self, namespace: str | None = None) -> Sequence[PlanRecord]:
        del namespace
        return [*([self.the_plan] if self.the_plan is not None else []), *self.other_plans]

    async def rotations(self, plan: ObjectKey) -> Sequence[RotationRecord]:
        return [r for r in self.the_rotations.values() if r.spec.plan_ref.name == plan.name]

    async def provider(self, plan: PlanRecord) -> ProviderRecord:
        spec = CredentialProviderSpec.model_validate(
            {
                "postgres": {
                    "adminSecretRef": {"name": "admin"},
                    "endpoints": [{"host": "db.shop.svc"}],
                    "database": "shop",
                },
                "allow": self.provider_allows,
                "approvals": {"minimum": self.provider_minimum},
            }
        )
        key = ObjectKey(plan.key.namespace, "db")
        return ProviderRecord("CredentialProvider", key, "provider-uid", 1, spec, self.admits_namespace, self.editors)

    async def approvals(self, rotation: ObjectKey) -> Sequence[ApprovalRecord]:
        return [found for found in self.said_yes.values() if found.spec.rotation_ref.name == rotation.name]

    async def unguarded(self, namespace: str) -> str:
        del namespace
        return self.without_policies

    async def begin_record(self, plan: PlanRecord) -> None:
        kept = {"edited-by.keyturn.dev/since-complete": "system:serviceaccount:keyturn-system:keyturn-operator"}
        assert self.the_plan is not None
        self.the_plan = replace(self.the_plan, annotations=kept if plan.annotations else {})

    async def create_rotation(self, plan: PlanRecord, name: str, spec: RotationSpec) -> None:
        await self.board.write("create-rotation", lambda: self.add_rotation(plan.key.namespace, name, spec))

    def add_rotation(self, namespace: str, name: str, spec: RotationSpec) -> None:
        if name not in self.the_rotations:
            key = ObjectKey(namespace, name)
            self.the_rotations[name] = RotationRecord(key, f"uid-{name}", 1, "1", self.created, spec, RotationStatus())

    async def delete_rotation(self, record: RotationRecord) -> None:
        await self.board.write("delete-rotation", lambda: self._drop(record.key.name))

    def _drop(self, name: str) -> None:
        self.the_rotations.pop(name, None)

    async def save_plan(self, record: PlanRecord, status: PlanStatus) -> PlanRecord:
        self._same(record.resource_version, self.the_plan.resource_version if self.the_plan else None)

        def act() -> None:
            self.the_plan = replace(record, status=status, resource_version=f"{next(self._numbers)}")

        await self.board.write("save-plan", act)
        return self.the_plan or record

    async def save_rotation(self, record: RotationRecord, status: RotationStatus) -> RotationRecord:
        stored = self.the_rotations.get(record.key.name)
        self._same(record.resource_version, stored.resource_version if stored else None)

        def act() -> None:
            fresh = replace(record, status=status, resource_version=f"{next(self._numbers)}")
            self.the_rotations[record.key.name] = fresh

        await self.board.write("save-rotation", act)
        return self.the_rotations[record.key.name]

    async def hold_plan(self, record: PlanRecord, *, hold: bool) -> None:
        plan = self.the_plan
        if plan is None or hold == bool(plan.finalizers):
            return

        def act() -> None:
            fresh = replace(
                plan, finalizers=("keyturn.dev/guard",) if hold else (), resource_version=f"{next(self._numbers)}"
            )
            self.the_plan = None if plan.deleting and not hold else fresh

        del record
        await self.board.write("hold-plan", act)

    # -------------------------------------------------------------------------------------------- secrets

    async def secret(self, key: ObjectKey) -> SecretRecord | None:
        if key.name == "admin":
            return SecretRecord(key, "admin-uid", "1", {}, {}) if self.admin_exists else None
        if not self.secret_data:
            return None
        writers = dict.fromkeys(self.secret_data, self.secret_writer)
        record = SecretRecord(key, "secret-uid", str(self.secret_version), dict(self.secret_data), writers)
        return replace(record, **self.secret_shown)  # type: ignore[arg-type]  # fields by name

    async def write_secret(self, record: SecretRecord, data: Mapping[str, Sealed]) -> None:
        self._same(record.resource_version, str(self.secret_version))
        await self.board.write("write-secret", lambda: self.edit_secret(data, "keyturn"))

    def edit_secret(self, data: Mapping[str, Sealed], writer: str) -> None:
        """Anybody's write."""
        self.secret_data.update(data)
        self.secret_writer = writer
        self.secret_version += 1

    async def escrow(self, plan_uid: str) -> Escrow | None:
        del plan_uid
        return self.the_escrow

    async def save_escrow(self, plan: PlanRecord, escrow: Escrow) -> None:
        del plan
        self._same(escrow.resource_version, self.the_escrow.resource_version if self.the_escrow else "")

        def act() -> None:
            self.the_escrow = replace(escrow, resource_version=f"{next(self._numbers)}")

        await self.board.write("save-escrow", act)

    async def drop_escrow(self, plan_uid: str) -> None:
        del plan_uid

        def act() -> None:
            self.the_escrow = None

        await self.board.write("drop-escrow", act)

    # ------------------------------------------------------------------------------------- workloads, pods

    async def frozen(self, plan: PlanRecord) -> str:
        del plan
        return self.frozen_by

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
        del namespace, listed, discover, plan, lost
        return [self._workload(w, secret) for w in self.workloads.values()]

    def _workload(self, workload: Workload, secret: str) -> WorkloadRecord:
        current = [p for p in workload.pods if p.generation == workload.generation and not p.terminating]
        ready = [p for p in workload.pods if p.ready and not p.terminating]
        way = Way.FILE if workload.reload else Way.ENV
        record = WorkloadRecord(
            ref=workload.ref,
            uid=f"uid-{workload.ref.name}",
            template={},
            selector=f"app={workload.ref.name}",
            generation_mark=workload.generation,
            deliveries=(Delivery("app", init=False, secret=secret, key="url", way=way, place="/x"),),
            settled=len(current) == workload.replicas == len(workload.pods) and all(p.ready for p in current),
            healthy=len(ready) >= workload.replicas,
            stuck="",
            replicas=workload.replicas,
            kills_first=False,
            paused=False,
            injected=True,
        )
        return replace(record, **workload.shown)  # type: ignore[arg-type]  # fields by name

    async def pods(self, workloads: Sequence[WorkloadRecord], namespace: str, secret: str) -> Sequence[PodRecord]:
        del workloads
        return [
            PodRecord(
                namespace=namespace,
                name=p.name,
                uid=f"uid-{p.name}",
                address=p.address,
                consumer=p.consumer,
                node="node",
                phase="Running",
                ready=p.ready,
                terminating=p.terminating,
                created=self.created,
                host_network=False,
                probe_image="probe",
                probe_port=9901,
                deliveries=(Delivery("app", init=False, secret=secret, key="url", way=Way.ENV, place="URL"),),
                container_starts={},
                unsaid_users=self._unsaid_users(p),
            )
            for p in (*(p for w in self.workloads.values() for p in w.pods), *self.bystanders)
        ]

    def _unsaid_users(self, pod: Pod) -> dict[str, RunsAs | None]:
        found = self.workloads.get(pod.consumer)
        return {} if found is None or found.unsaid_user is None else {"app": found.unsaid_user}

    def follow(self, plan: ObjectKey, secret: str, consumers: Collection[ConsumerRef]) -> bool:
        """Plans of the simulated world are polled, unless a test says that changes are heard."""
        self.followed[plan] = (secret, *sorted(ref.name for ref in consumers))
        return self.heard

    def unfollow(self, plan: ObjectKey) -> None:
        self.followed.pop(plan, None)

    async def restart(self, workload: WorkloadRecord, plan: ObjectKey, generation: int) -> None:
        del plan
        mine = self.workloads[workload.ref]
        if mine.generation == generation:
            return

        def act() -> None:
            mine.generation = generation

        await self.board.write(f"restart-{workload.ref.name}", act)

    async def touch(self, pod: PodRecord, plan: ObjectKey, generation: int) -> None:
        """Files of simulated pods are always fresh."""
        del pod, plan, generation

    async def announce(self, about: ObjectKey, kind: str, uid: str, event: Announcement) -> None:
        del about, kind, uid
        self.said.append(event)

    @staticmethod
    def _same(mine: str, theirs: str | None) -> None:
        if mine != theirs:
            raise Conflict("Conflict", "somebody wrote in between")


def spec(**changes: object) -> RotationPlanSpec:
    """The plan of the simulated world."""
    wish: dict[str, object] = {
        "providerRef": {"name": "db"},
        "postgres": {"owner": "orders", "slots": ["orders_a", "orders_b"]},
        "secret": {"name": "orders-db", "keys": {"url": "postgresql://{username}:{password}@{host}:{port}/{database}"}},
        "consumers": {"list": [{"kind": "Deployment", "name": "worker", "reload": "PerConnection"}]},
        "rollout": {"progressDeadline": "2m"},
        "verify": {"soak": "20s", "proofDeadline": "1m"},
        "retire": {"watch": "20s"},
    }
    return RotationPlanSpec.model_validate({**wish, **changes})
