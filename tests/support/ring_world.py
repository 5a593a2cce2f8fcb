"""The simulated world for keys that pods judge: some pods sign, some verify, one does both; every token is checked.

After every write and every move: whatever was signed so long ago that it is still good is accepted by every pod that
verifies. That is the promise a ring is about, and it is asked of what pods hold, not of any status.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from keyturn.api.kinds import CredentialProviderSpec, PlanStatus, RotationPlanSpec
from keyturn.core.evidence import Sight, Testimony
from keyturn.core.model import ConsumerRef, Kind, ObjectKey, Verdict
from keyturn.core.sealed import Sealed
from keyturn.kube.secrets import refuse_hollow
from keyturn.ports import Conflict, PlanRecord, PodRecord, Provider, ProviderRecord, SecretRecord, WorkloadRecord
from keyturn.providers import OpenProviders
from support.cluster_records import pod_record, workload_record
from support.memory_cluster import MemoryCluster
from support.pods import CRASH_BACK_OFF, Fleet, Pod, Template, Workload
from support.promises import Broken
from support.world import PLAN, START, World

RING, KEY = "orders-ring", "keys"
FIRST, VALUE = "2026-01", "first-key-of-the-world-0123456789"
LIFETIME = timedelta(seconds=20)
SIGNER, GATE, WEB = (ConsumerRef("Deployment", "shop", name) for name in ("signer", "gate", "web"))
SIGN, VERIFY = frozenset({SIGNER, WEB}), frozenset({GATE, WEB})
_MODE_OF_LOSS = "Containment"


class RingFleet(Fleet):
    """Pods that read the key, the ring, or both when their container starts; nobody logs in anywhere."""

    def __init__(self, cluster: RingCluster) -> None:
        super().__init__(cluster.backend, cluster._shared, cluster.backend.now)
        self.cluster = cluster
        self.rings: dict[str, Sealed] = {}  # pod -> what it verifies with
        self.broken = ""  # this workload's containers crash when they read more than one key

    def start_container(self, workload: Workload, pod: Pod) -> None:
        super().start_container(workload, pod)
        self.rings[pod.name] = self.cluster.ring[KEY]
        if workload.ref.name == self.broken and self.rings[pod.name] not in self.cluster.rings_of_one:
            pod.crashed = CRASH_BACK_OFF

    def _run(self, workload: Workload, pod: Pod) -> None:
        if pod.crashed or pod.held is None:
            pod.ready = False
            pod.crashed = max(0, pod.crashed - 1)
            if not pod.crashed:
                self.start_container(workload, pod)
            return
        signs = workload.ref in SIGN
        pod.ready = pod.ready or not signs or self._admitted(pod, pod.held.value)


class RingCluster(MemoryCluster):
    """With a second Secret, the ring, and restarts of its own for whoever reads it."""

    def __init__(self, world: RingWorld) -> None:
        super().__init__(world.board, world.backend, START)
        self.backend = world.backend
        self.ring = {KEY: world.first_ring}
        self.rings_of_one = [world.first_ring]
        self.half = world.half
        self.ring_tag, self.ring_version = "", 1
        self.fleet = RingFleet(self)

    async def provider(self, plan: PlanRecord) -> ProviderRecord:
        await self._ask("provider")
        spec = CredentialProviderSpec.model_validate({self.half: {}})
        return ProviderRecord("CredentialProvider", ObjectKey(plan.key.namespace, "keys"), "provider-uid", 1, spec)

    async def secret(self, key: ObjectKey) -> SecretRecord | None:
        if key.name != RING:
            return await super().secret(key)
        await self._ask("secret")
        return SecretRecord(key, "ring-uid", str(self.ring_version), dict(self.ring), {}, tag=self.ring_tag)

    async def write_secret(self, record: SecretRecord, data: Mapping[str, Sealed], tag: str) -> None:
        if record.key.name != RING:
            await super().write_secret(record, data, tag)
            return
        refuse_hollow(data)

        def act() -> None:
            if record.resource_version != str(self.ring_version):
                raise Conflict("Changed", "the Secret was changed in between")
            self.ring |= data
            self.ring_tag, self.ring_version = tag, self.ring_version + 1

        await self._change("write-ring", act)

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
        del namespace, listed, discover, plan
        await self._ask("consumers")
        theirs = VERIFY if secret == RING else SIGN
        found = [self.workloads[ref] for ref in sorted(theirs)]
        records = [workload_record(one, secret, lost) for one in found]
        if secret != RING:
            return records
        return [replace(r, generation_mark=_version(w.template)) for r, w in zip(records, found, strict=True)]

    async def pods(self, workloads: Sequence[WorkloadRecord], namespace: str, secret: str) -> Sequence[PodRecord]:
        del workloads
        await self._ask("pods")
        theirs = VERIFY if secret == RING else SIGN
        there = [pod for pod in self.fleet.pods() if pod.consumer in theirs]
        return [pod_record(pod, namespace, secret, self.workloads.get(pod.consumer)) for pod in there]

    async def restart(self, workload: WorkloadRecord, plan: ObjectKey, generation: int) -> None:
        if not plan.name.endswith("/acceptors"):
            await super().restart(workload, plan, generation)
            return
        mine = self.workloads[workload.ref]

        def act() -> None:
            if (_version(mine.template) or 0) < generation:
                mine.edit(Template(mine.template.mark, f"shop:1+{generation}"))

        await self._change("restart-acceptor", act, workload.ref.name)

    def follow(self, plan: ObjectKey, secret: str, consumers: Collection[ConsumerRef]) -> bool:
        del plan, secret, consumers
        return False


def _version(template: Template) -> int | None:
    """The acceptors' own annotation; the simulated template has room for one mark only."""
    written = template.image.partition("+")[2]
    return int(written) if written else None


@dataclass
class RingWorld(World):
    """One plan; a signer, a gate that verifies, and a web app that does both."""

    spec_changes: dict[str, object] = field(default_factory=dict[str, object])
    half: str = "keyring"
    first_value: Sealed = field(default_factory=lambda: Sealed(VALUE))
    first_secret: dict[str, Sealed] = field(default_factory=lambda: {"url": Sealed(f"{FIRST}.{VALUE}")})
    first_ring: Sealed = field(default_factory=lambda: Sealed(json.dumps({FIRST: VALUE})))
    first_spec: dict[str, object] = field(default_factory=lambda: PLAN_SPEC)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.promises.suspended = True  # those are about logins; values in words are still listened for
        self.cluster: RingCluster = RingCluster(self)
        self.minted: list[Sealed] = []
        self.signed: dict[str, datetime] = {}  # token -> when it was last made
        self.secret_before = {**self.first_secret, "unmanaged": Sealed("stays as it is")}
        self.ring_before = dict(self.cluster.ring)
        self.cluster.edit_secret(self.secret_before, "kubectl")
        wish = RotationPlanSpec.model_validate(self.first_spec | self.spec_changes)
        self.cluster.the_plan = PlanRecord(PLAN, "plan-uid", 1, "1", wish, PlanStatus())
        for ref in (SIGNER, GATE, WEB):
            self.cluster.workloads[ref] = Workload(ref, 2)
        self.cluster.overheard = self.promises.said
        self.board.after_write = lambda _kind, _about: self.tokens_are_accepted()
        self.providers = OpenProviders(self.clock, self.cluster, self)
        self.restart_operator()
        for _ in range(6):
            self.cluster.fleet.move()

    @property
    def known_values(self) -> Sequence[Sealed]:
        escrow = self.cluster.the_escrow
        self.minted += [v for v in (escrow.values if escrow else {}).values() if v not in self.minted]
        return (self.first_value, *self.minted)

    def open(self, record: ProviderRecord, plan: PlanRecord, admin: SecretRecord | None) -> Provider:  # type: ignore[override]
        return self.providers.open(record, plan, admin)

    async def challenge(
        self,
        plan: PlanRecord,
        pods: Sequence[PodRecord],
        generation: int,
        expected: Mapping[str, Mapping[str, Sealed]],
    ) -> Mapping[str, Testimony]:
        if not plan.key.name.endswith("/acceptors"):
            return await super().challenge(plan, pods, generation, expected)
        there = {pod.uid: pod for pod in self.cluster.fleet.pods()}
        return {pod.uid: self._verifies_with(there.get(pod.uid), expected) for pod in pods}

    def _verifies_with(self, pod: Pod | None, expected: Mapping[str, Mapping[str, Sealed]]) -> Testimony:
        if pod is None or pod.crashed or pod.consumer.name in self.silent_pods:
            return Testimony(silent="the probe does not answer")
        held = self.cluster.fleet.rings[pod.name]
        sides = [side for side, values in expected.items() if values.get(KEY) == held]
        return Testimony((Sight("app", KEY, Kind.PROCESS, Verdict(sides[0]) if sides else Verdict.OTHER),))

    async def arm(self, plan: PlanRecord, generations: Mapping[int, Mapping[str, Sealed]], secret: str) -> None:
        if not plan.key.name.endswith("/acceptors"):
            await super().arm(plan, generations, secret)

    async def tick(self) -> None:
        await super().tick()
        self.tokens_are_accepted()

    # ----------------------------------------------------------------------------------------------- the promise

    def tokens_are_accepted(self) -> None:
        """Everything signed within the last lifetime, by every pod that verifies, those that end included."""
        fleet, now = self.cluster.fleet, self.clock.true
        running = [pod for pod in fleet.pods() if not pod.crashed and pod.held is not None]
        for pod in running:
            if pod.consumer in SIGN and pod.held is not None and (pod.ready or pod.terminating):
                self.signed[pod.held.value.reveal_text()] = now
        if self.mode == _MODE_OF_LOSS:
            return
        good = [token for token, made in self.signed.items() if now - made < LIFETIME]
        for pod in (one for one in running if one.consumer in VERIFY):
            ring: dict[str, str] = json.loads(fleet.rings[pod.name].reveal_text())
            for token in good:
                kid, _, key = token.partition(".")
                if ring.get(kid) != key:
                    raise Broken(f"I1: {pod.name} does not accept what was signed as {kid}, in {self.phase}")


PLAN_SPEC: dict[str, object] = {
    "providerRef": {"name": "keys"},
    "keyring": {
        "key": "Hmac",
        "maxTokenLifetime": "20s",
        "acceptors": {"secret": {"name": RING, "key": KEY, "format": "JsonMap"}},
    },
    "secret": {"name": "orders-key", "keys": {"url": "{username}.{password}"}},
    "rollout": {"progressDeadline": "5m"},
    "verify": {"require": ["Process"], "soak": "20s", "proofDeadline": "1m", "acceptBlindSoak": True},
    "retire": {"watch": "20s", "acceptBlindWatch": True},
}
