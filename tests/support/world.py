"""A whole world with a virtual clock: pods that log in, rollouts, other writers, faults; and what must always hold.

The core and the reconciler are the real ones. Each tick: the operator works, then the world moves on by the time the
operator asked to wait, then every invariant is checked.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from keyturn.api.kinds import PlanStatus, RotationSpec
from keyturn.core.evidence import Connection, Sight, Testimony
from keyturn.core.model import ConsumerRef, Kind, ObjectKey, Phase, Verdict
from keyturn.core.rotation import FINISHED
from keyturn.core.sealed import Sealed
from keyturn.ports import PlanRecord, PodRecord, Provider, ProviderRecord, SecretRecord
from keyturn.reconciler import Reconciler
from support.faults import Crash, Switchboard
from support.memory_cluster import MemoryCluster, Pod, Workload, spec
from support.memory_provider import MemoryBackend, MemoryProvider, Role

START = datetime(2026, 3, 21, 12, tzinfo=UTC)
PLAN = ObjectKey("shop", "orders")
OLD_URL = Sealed("postgresql://orders_a:the-old-value-of-orders@db.shop.svc:5432/shop")


class VirtualClock:
    """Moves only when told."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time


class Silence:
    """A reporter that tells nobody."""

    def moved(self, plan: ObjectKey, rotation: str, before: str, after: str, reason: str) -> None: ...
    def acted(self, plan: ObjectKey, effect: str, outcome: str) -> None: ...
    def drifted(self, plan: ObjectKey, reasons: Sequence[str]) -> None: ...


@dataclass
class World:
    """One plan, an env consumer of two pods, a reloading one of one pod, and a backend."""

    board: Switchboard = field(default_factory=Switchboard)
    clock: VirtualClock = field(default_factory=VirtualClock)
    backend: MemoryBackend = field(default_factory=MemoryBackend)
    probes_silent: bool = False
    locked_out: list[str] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    abort_in: str | None = None  # a person aborts when this phase is first seen
    gitops_holds: Sealed | None = None  # another writer puts this value back whenever it differs
    _addresses: itertools.count[int] = field(default_factory=lambda: itertools.count(10))

    def __post_init__(self) -> None:
        self.cluster = MemoryCluster(self.board, self.backend, START)
        self.provider = MemoryProvider(self.backend, ("orders_a", "orders_b"), self.board)
        self.backend.roles["orders_a"] = Role(Sealed("the-old-value-of-orders"), plan="shop/orders")
        self.cluster.edit_secret({"url": OLD_URL, "unmanaged": Sealed("stays as it is")}, "kubectl")
        self.cluster.the_plan = PlanRecord(PLAN, "plan-uid", 1, "1", spec(), PlanStatus())
        for name, replicas, reload in (("api", 2, False), ("worker", 1, True)):
            ref = ConsumerRef("Deployment", "shop", name)
            self.cluster.workloads[ref] = Workload(ref, replicas, reload=reload)
        self.board.watch = self._after_write
        self.backend.now = self.clock.now
        self.restart_operator()
        for _ in range(4):
            self.move_pods()

    def restart_operator(self) -> None:
        """A new process: nothing remembered."""
        self.operator = Reconciler(self.cluster, self, self, self.clock, Silence(), lambda: 1)

    def ask_for_rotation(self, name: str = "orders-1") -> None:
        request = RotationSpec.model_validate({"planRef": {"name": "orders"}})
        self.cluster.add_rotation("shop", name, request)

    def abort(self, name: str = "orders-1") -> None:
        if name in self.cluster.the_rotations:
            record = self.cluster.the_rotations[name]
            self.cluster.the_rotations[name] = replace(record, spec=record.spec.model_copy(update={"abort": True}))

    @property
    def phase(self) -> str:
        rotation = self.cluster.the_rotations.get("orders-1")
        return rotation.status.phase if rotation is not None else ""

    # ---------------------------------------------------------------------- the ports that are not cluster

    def open(self, record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Provider:
        del record, plan, admin
        return self.provider

    async def challenge(
        self,
        plan: PlanRecord,
        pods: Sequence[PodRecord],
        generation: int,
        expected: Mapping[str, Mapping[str, Sealed]],
    ) -> Mapping[str, Testimony]:
        del plan, generation
        known = {f"uid-{p.name}": p for w in self.cluster.workloads.values() for p in w.pods}
        return {p.uid: self._testify(known.get(p.uid), expected) for p in pods}

    def _testify(self, pod: Pod | None, expected: Mapping[str, Mapping[str, Sealed]]) -> Testimony:
        if pod is None or self.probes_silent or pod.crashed:
            return Testimony(silent="the probe does not answer")
        reload = self.cluster.workloads[pod.consumer].reload
        shown = self.cluster.secret_data["url"] if reload else pod.held
        verdict = Verdict.OTHER
        for side in ("New", "Old"):
            if shown is not None and expected.get(side, {}).get("url") == shown:
                verdict = Verdict(side)
        kind = Kind.MOUNTED if reload else Kind.PROCESS
        connections = (Connection(pod.address, pod.port, "10.0.0.2", 5432),) if pod.port else ()
        return Testimony((Sight("app", "url", kind, verdict),), connections)

    async def reload(self, plan: PlanRecord, pods: Sequence[PodRecord], generation: int) -> None:
        """Nobody here waits to be told."""
        del plan, pods, generation

    async def arm(self, plan: PlanRecord, generations: Mapping[int, Mapping[str, Sealed]], secret: str) -> None:
        del plan, secret
        self.cluster.armed = generations

    # --------------------------------------------------------------------------------------------- time

    async def tick(self) -> None:
        """The operator works once; then the world moves on."""
        try:
            wait = await self.operator.reconcile(PLAN)
        except Crash:
            self.restart_operator()
            wait = timedelta(seconds=1)
        self.clock.time += min(
            max(wait if wait is not None else timedelta(minutes=1), timedelta(0)), timedelta(seconds=10)
        )
        if wait is None or wait > timedelta():
            self.move_pods()
        if self.gitops_holds is not None and self.cluster.secret_data["url"] != self.gitops_holds:
            self.cluster.edit_secret({"url": self.gitops_holds}, "argocd")
        if not self.phases or self.phases[-1] != self.phase:
            self.phases.append(self.phase)
        self.check()

    def run(self, ticks: int, fault: Mapping[int, str] | None = None) -> None:
        """So many ticks, with faults at some of them."""

        async def go() -> None:
            for number in range(ticks):
                for at, name in (fault or {}).items():
                    if at == number:
                        FAULTS[name](self)
                    if at + 3 == number and name in HEALS:
                        HEALS[name](self)
                if self.abort_in is not None and self.phase == self.abort_in:
                    self.abort()
                await self.tick()
                if (
                    self.phase in FINISHED
                    and self.plan_status.active_rotation == ""
                    and number > max(fault or {0: ""}) + 6
                ):
                    break

        asyncio.run(go())

    @property
    def plan_status(self) -> PlanStatus:
        return self.cluster.the_plan.status if self.cluster.the_plan else PlanStatus()

    # --------------------------------------------------------------------------------------------- pods

    def move_pods(self) -> None:
        """One step of every rollout, and one new login of every pod with what it holds."""
        for workload in self.cluster.workloads.values():
            self._roll(workload)
            for pod in workload.pods:
                self._use(workload, pod)

    def _roll(self, workload: Workload) -> None:
        for gone in [p for p in workload.pods if p.terminating]:
            if gone.port is not None:
                self.backend.hang_up(gone.port)
            workload.pods.remove(gone)
        current = [p for p in workload.pods if p.generation == workload.generation]
        former = [p for p in workload.pods if p.generation != workload.generation]
        if former and all(p.ready for p in current):
            if len(current) >= workload.replicas or len(workload.pods) > workload.replicas:
                former[0].terminating = True
            else:
                self._start(workload)
        elif len(workload.pods) < workload.replicas:
            self._start(workload)
        broken = [p for p in workload.pods if not p.ready and p.generation != workload.generation]
        for pod in broken:
            pod.terminating = True

    def _start(self, workload: Workload) -> None:
        held = workload.overridden or self.cluster.secret_data["url"]
        number = next(self._addresses)
        crashed = bool(workload.crash_with) and workload.crash_with in held.reveal_text()
        pod = Pod(f"{workload.ref.name}-{number}", workload.ref, workload.generation, f"10.1.0.{number}", held)
        pod.crashed = crashed
        workload.pods.append(pod)

    def _use(self, workload: Workload, pod: Pod) -> None:
        if pod.crashed or self.backend.down:
            return
        value = self.cluster.secret_data["url"] if workload.reload else pod.held
        assert value is not None
        name, password = value.reveal_text().removeprefix("postgresql://").split("@")[0].split(":")
        port = self.backend.login(name, Sealed(password), pod.address)
        if port is None:
            self.locked_out.append(f"{pod.name} as {name} in {self.phase}")
            return
        if pod.port is not None:
            self.backend.hang_up(pod.port)
        pod.port = port
        pod.ready = pod.ready or self._admitted(pod, value)

    def _admitted(self, pod: Pod, value: Sealed) -> bool:
        """The readiness gate: a new pod that shows positively another value than its generation's stays unready."""
        if not self.cluster.armed or pod.generation is None:
            return True
        mine = {g: v for g, v in self.cluster.armed.items() if g >= pod.generation}
        return not mine or any(v.get("url") == value for v in mine.values())

    # ---------------------------------------------------------------------------------------- invariants

    def _after_write(self, name: str) -> None:
        holders = [p for w in self.cluster.workloads.values() if not w.reload for p in w.pods if not p.crashed]
        if name in ("disable", "delete"):  # I3: nobody holds what was just taken away
            off = {i for i, r in self.backend.roles.items() if not r.enabled}
            held = {p.name for p in holders for i in off if p.held and f"//{i}:" in p.held.reveal_text()}
            assert not held, f"I3: {name} while {held} hold it, in {self.phase}"
        if name == "delete":
            gone = [i for i, r in self.backend.roles.items() if r.retired]
            assert all(f"//{i}:" not in self.cluster.secret_data["url"].reveal_text() for i in gone), (
                "I3: the Secret holds it"
            )

    def check(self) -> None:
        """I1 no lock-out, I2 nothing lost, I5 bounded."""
        assert not self.locked_out, f"I1: {self.locked_out[0]}"
        enabled = {i for i, r in self.backend.roles.items() if r.enabled and r.declared}
        assert len(enabled) <= 2, f"I5: {enabled}"
        if self.plan_status.adopted_at is not None and self.cluster.the_escrow is not None:
            values = self.cluster.the_escrow.values
            for id_ in (i for i in enabled if self.backend.roles[i].plan):
                assert id_ in values, f"I2: {id_} is enabled and not in escrow"


def _revert(world: World) -> None:
    """Another writer puts the old value back; once OLD is gone that is drift, not a fault of this rotation."""
    if world.backend.roles["orders_a"].retired:
        return
    world.cluster.edit_secret({"url": OLD_URL}, "argocd")


def _scale_up(world: World) -> None:
    world.cluster.workloads[ConsumerRef("Deployment", "shop", "api")].replicas = 3


def _restart_pod(world: World) -> None:
    """A container restarts in place and reads the Secret again."""
    pod = world.cluster.workloads[ConsumerRef("Deployment", "shop", "api")].pods[0]
    pod.held = world.cluster.secret_data["url"]


def _close_early(world: World) -> None:
    """Somebody disables the old role by hand while its pods are idle enough not to notice within the tick."""
    if world.phase in (Phase.SOAK, Phase.APPROVE):
        world.backend.roles["orders_a"].enabled = False


def _stranger(world: World) -> None:
    if world.backend.down:
        return
    world.backend.login("orders_a", Sealed("the-old-value-of-orders"), "10.9.9.9")


def _stranger_leaves(world: World) -> None:
    for number, session in list(world.backend.sessions.items()):
        if session.client_address == "10.9.9.9":
            world.backend.hang_up(number)


def _down(world: World) -> None:
    world.backend.down = True


def _up(world: World) -> None:
    world.backend.down = False


def _mute(world: World) -> None:
    world.probes_silent = True


def _speak(world: World) -> None:
    world.probes_silent = False


def _blind(world: World) -> None:
    world.backend.blind = True


def _see(world: World) -> None:
    world.backend.blind = False


def _gap(world: World) -> None:
    world.clock.time += timedelta(days=1)


FAULTS = {
    "abort": World.abort,
    "operator restarts": World.restart_operator,
    "secret reverted": _revert,
    "scale up": _scale_up,
    "pod restarts": _restart_pod,
    "old closed early": _close_early,
    "stranger connects": _stranger,
    "backend down": _down,
    "probes silent": _mute,
    "usage blind": _blind,
    "a day passes": _gap,
}
HEALS = {"stranger connects": _stranger_leaves, "backend down": _up, "probes silent": _speak, "usage blind": _see}
