"""An API server in memory: compare-and-set everywhere, every call through the switchboard.

Reads are consistent, as the port promises. A check and its write are one moment here, as they are in etcd: another
writer may come before it, never in between.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from keyturn.api.kinds import PlanStatus, RotationPlanSpec, RotationSpec, RotationStatus
from keyturn.core.model import ConsumerRef, ObjectKey
from keyturn.core.rotation import FINISHED
from keyturn.core.sealed import Sealed
from keyturn.kube.secrets import refuse_hollow
from keyturn.ports import (
    Announcement,
    ApprovalRecord,
    Conflict,
    Denied,
    Escrow,
    PlanRecord,
    PodRecord,
    RotationRecord,
    SecretRecord,
    WorkloadRecord,
)
from support.cluster_records import as_stored, pod_record, spec, workload_record
from support.memory_backend import MemoryBackend
from support.neighbours import Neighbours
from support.pods import Fleet, Pod, Reading, SharedSecret, Template, Workload
from support.switchboard import Side, Switchboard

__all__ = ["MemoryCluster", "spec"]
OURS = "keyturn"  # our field manager


class MemoryCluster(Neighbours):
    """The Cluster port."""

    def __init__(self, board: Switchboard, backend: MemoryBackend, now: datetime) -> None:
        super().__init__()
        self.board, self.created = board, now
        self.the_plan: PlanRecord | None = None
        self.the_rotations: dict[str, RotationRecord] = {}
        self.uids: set[str] = set()  # names of Rotations that there ever were
        self.the_escrow: Escrow | None = None
        self.kept_ids: set[str] = set()  # every credential whose value was ever in escrow
        self.frozen_by = ""
        self.secret_data: dict[str, Sealed] = {}
        self.secret_writers: dict[str, str] = {}
        self.secret_version = 1
        self.secret_tag = ""
        self.secret_changed = now
        self.fleet = Fleet(backend, self._shared, backend.now)
        self.said: list[Announcement] = []
        self.overheard: Callable[[str], None] = lambda _words: None  # hears every Event
        self.secret_shown: dict[str, object] = {}  # fields of the consumers' Secret that differ
        self.bystanders: list[Pod] = []  # pods that reference the Secret and belong to no simulated workload
        self.admin_exists = True
        self.admin_data: dict[str, Sealed] = {}
        self.said_yes: dict[str, ApprovalRecord] = {}
        self.without_policies = ""
        self.followed: dict[ObjectKey, tuple[str, ...]] = {}
        self.heard = False
        self._numbers = itertools.count(1)

    @property
    def workloads(self) -> dict[ConsumerRef, Workload]:
        return self.fleet.workloads

    @property
    def armed(self) -> Mapping[int, Mapping[str, Sealed]]:
        return self.fleet.armed

    # ------------------------------------------------------------------------------------------ our kinds

    async def plan(self, key: ObjectKey) -> PlanRecord | None:
        await self._ask("plan")
        return self.the_plan if self.the_plan is not None and self.the_plan.key == key else None

    async def plans(self, namespace: str | None = None) -> Sequence[PlanRecord]:
        await self._ask("plans")
        found = [*([self.the_plan] if self.the_plan is not None else []), *self.other_plans]
        return [plan for plan in found if namespace in (None, plan.key.namespace)]

    async def rotation(self, key: ObjectKey) -> RotationRecord | None:
        await self._ask("rotation")
        return self.other_rotations.get(key) or self.the_rotations.get(key.name)

    async def rotations(self, plan: ObjectKey, *, finished: bool = True) -> Sequence[RotationRecord]:
        await self._ask("rotations")
        found = [r for r in self.the_rotations.values() if r.spec.plan_ref.name == plan.name]
        return [r for r in found if finished or r.status.phase not in FINISHED]

    async def approvals(self, rotation: ObjectKey) -> Sequence[ApprovalRecord]:
        await self._ask("approvals")
        return [found for found in self.said_yes.values() if found.spec.rotation_ref.name == rotation.name]

    async def unguarded(self, namespace: str) -> str:
        del namespace
        await self._ask("unguarded")
        return self.without_policies

    async def begin_record(self, plan: PlanRecord) -> None:
        """Who edited the plan is counted anew from here."""
        kept = {"edited-by.keyturn.dev/since-complete": "system:serviceaccount:keyturn-system:keyturn-operator"}

        def act() -> None:
            assert self.the_plan is not None
            wanted = kept if plan.annotations else {}
            if self.the_plan.annotations != wanted:
                self.the_plan = replace(self.the_plan, annotations=wanted, resource_version=self._version())

        await self._change("begin-record", act)

    async def create_rotation(self, plan: PlanRecord, name: str, spec: RotationSpec) -> None:
        await self._change("create-rotation", lambda: self.add_rotation(plan.key.namespace, name, spec))

    def add_rotation(self, namespace: str, name: str, spec: RotationSpec) -> None:
        if name not in self.the_rotations:
            key = ObjectKey(namespace, name)
            uid = f"uid-{name}" if name not in self.uids else f"uid-{name}-{next(self._numbers)}"
            self.uids.add(name)
            version = self._version()
            self.the_rotations[name] = RotationRecord(key, uid, 1, version, self.created, spec, RotationStatus())

    async def delete_rotation(self, record: RotationRecord) -> None:
        def act() -> None:
            stored = self.the_rotations.get(record.key.name)
            if stored is not None and stored.uid == record.uid:
                del self.the_rotations[record.key.name]

        await self._change("delete-rotation", act)

    async def save_plan(self, record: PlanRecord, status: PlanStatus) -> PlanRecord:
        def act() -> None:
            stored = _same(record.resource_version, self.the_plan)
            self.the_plan = replace(stored, status=status, resource_version=self._version())

        await self._change("save-plan", act)
        return self.the_plan or record

    async def save_rotation(self, record: RotationRecord, status: RotationStatus) -> RotationRecord:
        def act() -> None:
            stored = _same(record.resource_version, self.the_rotations.get(record.key.name))
            self.the_rotations[record.key.name] = replace(stored, status=status, resource_version=self._version())

        await self._change("save-rotation", act)
        return self.the_rotations.get(record.key.name, record)

    async def hold_plan(self, record: PlanRecord, *, hold: bool) -> None:
        if hold is bool(record.finalizers):
            return

        def act() -> None:
            plan = _same(record.resource_version, self.the_plan)
            names = ("keyturn.dev/guard",) if hold else ()
            self.the_plan = replace(plan, finalizers=names, resource_version=self._version())
            if plan.deleting and not hold:
                self.the_plan = None

        await self._change("hold-plan", act)

    def touch_plan(self) -> None:
        """Somebody annotates it."""
        if self.the_plan is not None:
            self.the_plan = replace(self.the_plan, resource_version=self._version())

    def edit_plan(self, spec: RotationPlanSpec) -> None:
        """Somebody changes the plan."""
        if self.the_plan is not None:
            generation = self.the_plan.generation + 1
            version = self._version()
            self.the_plan = replace(self.the_plan, spec=spec, generation=generation, resource_version=version)

    def delete_plan(self, now: datetime) -> None:
        """``kubectl delete``: it waits for our finalizer, if it carries one."""
        plan = self.the_plan
        if plan is not None and not plan.finalizers:
            self.the_plan = None
        elif plan is not None and not plan.deleting:
            self.the_plan = replace(plan, deleting=True, deleted_at=now, resource_version=self._version())

    def add_bystander(self, held: Sealed) -> None:
        """A pod nobody owns, which uses the Secret too."""
        ref = ConsumerRef("Pod", "shop", "bare")
        read = Reading(held, "template", self.fleet.now())
        self.bystanders.append(Pod("bare", ref, Template(), "10.1.9.99", self.fleet.now(), read))

    def edit_rotation(self, name: str, **asked: object) -> None:
        """Somebody changes the spec of a Rotation; none: an annotation only."""
        if name in self.the_rotations:
            record = self.the_rotations[name]
            spec = record.spec.model_copy(update=asked)
            generation = record.generation + (1 if asked else 0)
            fresh = replace(record, spec=spec, generation=generation, resource_version=self._version())
            self.the_rotations[name] = fresh

    # -------------------------------------------------------------------------------------------- secrets

    async def secret(self, key: ObjectKey) -> SecretRecord | None:
        await self._ask("secret")
        if key.name == "admin":
            return SecretRecord(key, "admin-uid", "1", self.admin_data, {}) if self.admin_exists else None
        if not self.secret_data:
            return None
        writers, version = dict(self.secret_writers), str(self.secret_version)
        record = SecretRecord(key, "secret-uid", version, dict(self.secret_data), writers, tag=self.secret_tag)
        return replace(record, **self.secret_shown)  # type: ignore[arg-type]  # fields by name

    async def write_secret(self, record: SecretRecord, data: Mapping[str, Sealed], tag: str) -> None:
        if record.immutable:
            raise Denied("SecretImmutable", "the Secret is immutable")
        refuse_hollow(data)

        def act() -> None:
            if not self.secret_data or record.resource_version != str(self.secret_version):
                raise Conflict("Changed", "the Secret was changed or deleted in between")
            same = all(self.secret_data.get(k) == v and self.secret_writers.get(k) == OURS for k, v in data.items())
            if not same:
                self.edit_secret(data, OURS)
            elif self.secret_tag != tag:
                self.touch_secret()
            self.secret_tag = tag

        await self._change("write-secret", act)

    def edit_secret(self, data: Mapping[str, Sealed], writer: str) -> None:
        """Anybody's write."""
        self.secret_data.update(data)
        self.secret_writers.update(dict.fromkeys(data, writer))
        self.touch_secret()
        self.secret_changed = self.fleet.now()

    def touch_secret(self) -> None:
        """Somebody annotates it."""
        self.secret_version += 1

    def delete_secret(self) -> None:
        self.secret_data.clear()
        self.secret_writers.clear()
        self.touch_secret()
        self.secret_changed = self.fleet.now()

    def _shared(self) -> SharedSecret:
        return SharedSecret(self.secret_data.get("url"), self.secret_writers.get("url", ""), self.secret_changed)

    async def escrow(self, plan_uid: str) -> Escrow | None:
        del plan_uid
        await self._ask("escrow")
        return self.the_escrow

    async def save_escrow(self, plan: PlanRecord, escrow: Escrow) -> None:
        del plan
        refuse_hollow(escrow.values)

        def act() -> None:
            if escrow.resource_version != (self.the_escrow.resource_version if self.the_escrow else ""):
                raise Conflict("Conflict", "somebody wrote in between")
            self.the_escrow = replace(escrow, resource_version=self._version())
            self.kept_ids |= set(escrow.values)

        await self._change("save-escrow", act)

    async def drop_escrow(self, plan_uid: str) -> None:
        del plan_uid

        def act() -> None:
            self.the_escrow = None

        await self._change("drop-escrow", act)

    # ------------------------------------------------------------------------------------- workloads, pods

    async def frozen(self, plan: PlanRecord) -> str:
        del plan
        await self._ask("frozen")
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
        del namespace
        await self._ask("consumers")
        asked = [w for ref, w in sorted(self.workloads.items()) if discover or ref in listed]
        found = [workload_record(w, secret, lost) for w in asked]
        return found if plan is not None else [replace(one, generation_mark=None) for one in found]

    async def pods(self, workloads: Sequence[WorkloadRecord], namespace: str, secret: str) -> Sequence[PodRecord]:
        del workloads
        await self._ask("pods")
        pods = (*self.fleet.pods(), *self.bystanders)
        return [pod_record(p, namespace, secret, self.workloads.get(p.consumer)) for p in pods]

    def follow(self, plan: ObjectKey, secret: str, consumers: Collection[ConsumerRef]) -> bool:
        """Plans of the simulated world are polled, unless a test says that changes are heard."""
        self.followed[plan] = (secret, *sorted(ref.name for ref in consumers))
        return self.heard

    def unfollow(self, plan: ObjectKey) -> None:
        self.followed.pop(plan, None)

    async def restart(self, workload: WorkloadRecord, plan: ObjectKey, generation: int) -> None:
        del plan
        mine = self.workloads.get(workload.ref)
        if mine is None:
            raise Conflict("Replaced", "the workload is gone")
        if (mine.template.mark or 0) >= generation:
            return

        def act() -> None:
            if (mine.template.mark or 0) < generation:  # a late write of a former leader cannot turn the mark back
                mine.edit(Template(generation, mine.template.image))

        await self._change("restart", act, workload.ref.name)

    async def touch(self, pod: PodRecord, plan: ObjectKey, generation: int) -> None:
        del plan
        mine = next((p for p in self.fleet.pods() if p.uid == pod.uid), None)
        if mine is None:
            raise Conflict("Replaced", "the pod is gone")
        if mine.touched == generation:
            return await self._ask("touch")

        def act() -> None:
            mine.touched = generation
            if not mine.lost:
                self.fleet.refresh(mine)

        return await self._change("touch", act, pod.name)

    async def announce(self, about: ObjectKey, kind: str, uid: str, event: Announcement) -> None:
        del about, kind, uid
        self.said.append(event)
        self.overheard(f"{event.reason}: {event.message}")

    async def arm(self, generations: Mapping[int, Mapping[str, Sealed]]) -> None:
        """The probes' own Secret: which values a pod may show. One that is right already is not written."""
        wanted = {g: dict(v) for g, v in generations.items()}
        if wanted == self.fleet.armed:
            return await self._ask("arm")

        before = self.fleet.armed

        def act() -> None:
            if self.fleet.armed is not before:
                raise Conflict("Changed", "the probes' Secret was changed in between")
            self.fleet.armed = wanted

        return await self._change("arm", act)

    def read_back(self) -> None:
        """After a crash, what was stored is all there is: through JSON and back, as the API server keeps it."""
        if self.the_plan is not None:
            self.the_plan = replace(self.the_plan, status=as_stored(self.the_plan.status))
        for name, record in self.the_rotations.items():
            self.the_rotations[name] = replace(record, status=as_stored(record.status))

    # ------------------------------------------------------------------------------------------------- inside

    async def _ask(self, name: str) -> None:
        await self.board.call(Side.API, name)

    async def _change(self, kind: str, act: Callable[[], object], about: str = "") -> None:
        await self.board.call(Side.API, kind, writes=True)
        await self.board.write(kind, act, about)

    def _version(self) -> str:
        return f"{next(self._numbers)}"


Stored = TypeVar("Stored", PlanRecord, RotationRecord)


def _same(version: str, stored: Stored | None) -> Stored:
    if stored is None or stored.resource_version != version:
        raise Conflict("Conflict", "somebody wrote in between")
    return stored
