"""Acceptors in memory: their Secret, the pods that read it at their start, and what their probes answer.

As much of the Cluster and Probes ports as a ring asks for. Pods are replaced at once, or only when a test lets them.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from keyturn.core.delivery import Delivery, Way
from keyturn.core.evidence import Sight, Testimony
from keyturn.core.model import ConsumerRef, Kind, ObjectKey, Verdict
from keyturn.core.sealed import Sealed
from keyturn.kube.secrets import refuse_hollow
from keyturn.ports import Conflict, Credential, Escrow, PlanRecord, PodRecord, SecretRecord, Unavailable, WorkloadRecord

SECRET, KEY = "orders-ring", "keys"
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class AcceptingPod:
    """One pod: what its process read when it started."""

    name: str
    workload: str
    held: Sealed
    terminating: bool = False
    silent: bool = False
    ready: bool = True
    consumer: ConsumerRef | None = None
    address: str = "10.0.0.9"
    started: datetime | None = None  # its container; not told where it does not matter


@dataclass
class RingPods:
    """The acceptors' Secret, and Deployments that read it."""

    data: dict[str, Sealed]
    names: tuple[str, ...] = ("gate",)
    prompt: bool = True  # a restart replaces all pods of a workload at once
    tag: str = ""
    version: int = 1
    down: bool = False
    marks: dict[str, int] = field(default_factory=dict[str, int])
    shown: dict[str, object] = field(default_factory=dict[str, object])  # fields of every workload's record that differ
    secret_shown: dict[str, object] = field(default_factory=dict[str, object])
    values: dict[str, Sealed] = field(default_factory=dict[str, Sealed])  # the escrow
    others: list[PlanRecord] = field(default_factory=list[PlanRecord])
    restarts: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    writes: list[str] = field(default_factory=list[str])
    armed: list[str] = field(default_factory=list[str])
    rolling: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self.pods_there = [pod for name in self.names for pod in self._fresh(name)]

    # ------------------------------------------------------------------------------------------ what others do

    def edit(self, key: str, value: Sealed) -> None:
        """Somebody's write, behind our back."""
        self.data[key] = value
        self.version += 1

    def roll(self, name: str) -> None:
        """All pods of a workload are replaced."""
        self.rolling.discard(name)
        others = [pod for pod in self.pods_there if pod.workload != name]
        self.pods_there = [*others, *self._fresh(name)]

    def _fresh(self, name: str) -> list[AcceptingPod]:
        ref = ConsumerRef("Deployment", "shop", name)
        return [AcceptingPod(f"{name}-{next(self._numbers)}", name, self.data[KEY], consumer=ref) for _ in range(2)]

    def keep(self, credential: Credential) -> None:
        """Into the escrow."""
        self.values[credential.id] = credential.value

    def accepted(self) -> list[dict[str, str]]:
        """What each pod accepts, of a ring in JSON."""
        return [json.loads(pod.held.reveal_text()) for pod in self.pods_there]

    # ---------------------------------------------------------------------------------------------- the ports

    def _ask(self) -> None:
        if self.down:
            raise Unavailable("ApiServerDown", "the API server is down")

    async def secret(self, key: ObjectKey) -> SecretRecord | None:
        self._ask()
        if key.name != SECRET or not self.data:
            return None
        record = SecretRecord(key, "ring-uid", str(self.version), dict(self.data), {}, tag=self.tag)
        return replace(record, **self.secret_shown)  # type: ignore[arg-type]  # fields by name

    async def write_secret(self, record: SecretRecord, data: Mapping[str, Sealed], tag: str) -> None:
        self._ask()
        refuse_hollow(data)
        if record.resource_version != str(self.version):
            raise Conflict("Changed", "the Secret was changed in between")
        self.data.update(data)
        self.tag = tag
        self.version += 1
        self.writes.append("keys" if data else "tag")

    async def escrow(self, plan_uid: str) -> Escrow | None:
        self._ask()
        return Escrow(dict(self.values), {}) if plan_uid == "uid-plan" else None

    async def plans(self, namespace: str | None = None) -> Sequence[PlanRecord]:
        del namespace
        self._ask()
        return self.others

    async def consumers(
        self, namespace: str, secret: str, listed: Sequence[ConsumerRef], *, discover: bool, plan: ObjectKey
    ) -> Sequence[WorkloadRecord]:
        self._ask()
        assert (namespace, secret, listed, discover) == ("shop", SECRET, (), True)
        assert plan.name.endswith("/acceptors"), "the plan's own annotation is the presenters'"
        return [self._workload(name) for name in self.names]

    def _workload(self, name: str) -> WorkloadRecord:
        record = WorkloadRecord(
            ref=ConsumerRef("Deployment", "shop", name),
            uid=f"uid-{name}",
            template={},
            selector=f"app={name}",
            generation_mark=self.marks.get(name),
            deliveries=(),
            settled=name not in self.rolling,
            healthy=True,
            stuck="",
            replicas=2,
            kills_first=False,
            paused=False,
            injected=True,
        )
        return replace(record, **self.shown)  # type: ignore[arg-type]  # fields by name

    async def pods(self, workloads: Sequence[WorkloadRecord], namespace: str, secret: str) -> Sequence[PodRecord]:
        self._ask()
        assert (len(workloads), namespace, secret) == (len(self.names), "shop", SECRET)
        return [self._pod(pod) for pod in self.pods_there]

    def _pod(self, pod: AcceptingPod) -> PodRecord:
        return PodRecord(
            namespace="shop",
            name=pod.name,
            uid=f"uid-{pod.name}",
            address=pod.address,
            consumer=pod.consumer,
            node="node",
            phase="Running",
            ready=pod.ready,
            terminating=pod.terminating,
            created=START,
            host_network=False,
            probe_image="probe",
            probe_port=9901,
            deliveries=(Delivery("app", init=False, secret=SECRET, key=KEY, way=Way.ENV, place="KEYS"),),
            container_starts={"app": pod.started} if pod.started is not None else {},
        )

    async def restart(self, workload: WorkloadRecord, plan: ObjectKey, generation: int) -> None:
        self._ask()
        name = workload.ref.name
        if (self.marks.get(name) or 0) >= generation:
            return
        assert plan.name.endswith("/acceptors"), "the plan's own annotation is the presenters'"
        self.marks[name] = generation
        self.restarts.append((name, generation))
        self.rolling.add(name)
        if self.prompt:
            self.roll(name)

    async def arm(self, plan: PlanRecord, generations: Mapping[int, Mapping[str, Sealed]], secret: str) -> None:
        self._ask()
        assert secret == SECRET
        assert not generations, "the readiness gate stays open"
        self.armed.append(plan.key.name)

    async def challenge(
        self,
        plan: PlanRecord,
        pods: Sequence[PodRecord],
        generation: int,
        expected: Mapping[str, Mapping[str, Sealed]],
    ) -> Mapping[str, Testimony]:
        assert self.armed, f"nobody has a key to answer {plan.key} {generation}"
        known = {f"uid-{pod.name}": pod for pod in self.pods_there}
        return {pod.uid: _testify(known[pod.uid], expected) for pod in pods}


def _testify(pod: AcceptingPod, expected: Mapping[str, Mapping[str, Sealed]]) -> Testimony:
    if pod.silent:
        return Testimony(silent="its probe does not answer")
    sides = [side for side, values in expected.items() if values.get(KEY) == pod.held]
    verdict = Verdict(sides[0]) if sides else Verdict.OTHER
    return Testimony((Sight("app", KEY, Kind.PROCESS, verdict),))
