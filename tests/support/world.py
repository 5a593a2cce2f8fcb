"""A whole world with a virtual clock: the real core and reconciler over a cluster, a backend, pods, people and faults.

    world = World()
    world.ask_for_rotation()
    world.run(400)

Each tick: faults that are due begin or end, the operator works once, time passes as long as the operator asked to wait,
pods move, other writers and people act; and after every event the promises are checked (``promises.py``).
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from keyturn.api.kinds import PlanStatus, RotationSpec, RotationStatus
from keyturn.core.evidence import Connection, Sight, Testimony
from keyturn.core.memory import CLOCKED
from keyturn.core.model import ConsumerRef, Kind, ObjectKey, Verdict
from keyturn.core.rotation import FINISHED
from keyturn.core.sealed import Sealed
from keyturn.ports import PlanRecord, PodRecord, Provider, ProviderRecord, RotationRecord, SecretRecord
from keyturn.reconciler import Reconciler
from support.memory_backend import MemoryBackend, Role
from support.memory_cluster import MemoryCluster, spec
from support.memory_issuer import MemoryIssuer
from support.memory_provider import MemoryProvider
from support.people import People
from support.pods import Pod, Workload
from support.promises import Promises
from support.said import Ears
from support.switchboard import Crash, Switchboard

if TYPE_CHECKING:
    from support.schedules import Conductor

START = datetime(2026, 3, 21, 12, tzinfo=UTC)
PLAN = ObjectKey("shop", "orders")
OLD_URL = Sealed("postgresql://orders_a:the-old-value-of-orders@db.shop.svc:5432/shop")
SPEC = spec()
API, WORKER, READER = (ConsumerRef("Deployment", "shop", name) for name in ("api", "worker", "reader"))
LONGEST_TICK = timedelta(seconds=10)
INSIDE = timedelta(milliseconds=1)  # what others do within or right after a look comes after its beginning
DULL = 4  # ticks in which nothing happened, until time passes faster
_LOOPS: dict[int, asyncio.AbstractEventLoop] = {}  # by process: a loop does not survive a fork


class VirtualClock:
    """Moves only when told. The operator's clock may be off by ``skew``."""

    def __init__(self) -> None:
        self.true = START
        self.skew = timedelta()

    def now(self) -> datetime:
        return self.true + self.skew


class Silence:
    """A reporter that tells nobody."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_words, **_more: None


@dataclass
class World:
    """One plan; two pods that read the environment, one that reads its file for each connection; a backend."""

    board: Switchboard = field(default_factory=Switchboard)
    clock: VirtualClock = field(default_factory=VirtualClock)
    backend: MemoryBackend = field(default_factory=MemoryBackend)
    probes_silent: bool = False
    silent_pods: set[str] = field(default_factory=set)  # consumers' names whose probes do not answer
    unsighted: bool = False  # probes answer, and cannot look into any process
    phases: list[str] = field(default_factory=list)
    abort_in: str | None = None  # a person aborts when this phase is first seen
    gitops_holds: Sealed | None = None  # another writer puts this value back whenever it differs
    active: set[str] = field(default_factory=set)  # faults that go on
    operator_down: bool = False
    wakes_late: timedelta = timedelta()
    epoch: int = 1
    people_act: bool = False
    request: dict[str, object] = field(default_factory=lambda: {"planRef": {"name": "orders"}})  # what is asked for
    overtaken: bool = False  # a leader that was stopped goes on right now
    happenings: list[Callable[[World], None]] = field(default_factory=list)  # asked before every tick

    conductor: Conductor | None = None  # of a schedule of faults
    issues: bool = False  # the backend names credentials and makes their values

    def __post_init__(self) -> None:
        self.backend.now = lambda: self.clock.true
        self.cluster = MemoryCluster(self.board, self.backend, START)
        self.provider = MemoryProvider(self.backend, ("orders_a", "orders_b"), self.board)
        if self.issues:
            self.provider = MemoryIssuer(self.backend, self.board, self.clock.now)
        self.backend.roles["orders_a"] = Role(Sealed("the-old-value-of-orders"), plan="shop/orders")
        self.secret_before = {"url": OLD_URL, "unmanaged": Sealed("stays as it is")}
        self.cluster.edit_secret(self.secret_before, "kubectl")
        self.cluster.the_plan = PlanRecord(PLAN, "plan-uid", 1, "1", SPEC, PlanStatus())
        for ref, replicas, reload in ((API, 2, False), (WORKER, 1, True)):
            self.cluster.workloads[ref] = Workload(ref, replicas, reload=reload)
        wish = self.cluster.the_plan.spec
        self.soak, self.watch = wish.verify.soak, wish.retire.watch
        self.sample = min(self.soak, self.watch) / 6
        self.promises, self.people = Promises(self), People(self)
        self.board.after_write = self.promises.wrote
        self.provider.told = self.promises.usage_told
        self.provider.skew = lambda: self.clock.skew
        self.cluster.fleet.refused = self.promises.login_refused
        self.cluster.overheard = self.promises.said
        self.dull, self.ticks_in, self.ticks = 0, dict[str, int](), 0
        self.tasks: list[asyncio.Task[object]] = []  # of operators that were stopped in the middle of a step
        self.rivals: list[Reconciler] = []  # other operators that believe to lead
        self.dice = random.Random(0)
        self.asks_pods = True
        self.restart_operator()
        for _ in range(4):
            self.cluster.fleet.move()

    # ------------------------------------------------------------------------------------------ what people do

    def restart_operator(self) -> None:
        """A new process: nothing remembered."""
        self.operator = self.new_operator(self.epoch)

    def new_operator(self, epoch: int) -> Reconciler:
        return Reconciler(self.cluster, self, self, self.clock, Ears(self.promises.said), lambda: epoch)

    def ask_for_rotation(self, name: str = "orders-1") -> None:
        self.cluster.add_rotation("shop", name, RotationSpec.model_validate(self.request))

    def abort(self, name: str = "orders-1") -> None:
        self.cluster.edit_rotation(name, abort=True)

    # ---------------------------------------------------------------------------------------------- what is so

    @property
    def happened(self) -> frozenset[str]:
        """The faults that began, by name."""
        told = self.conductor.happened if self.conductor is not None else []
        return frozenset(text.partition("@")[0] for text in told)

    @property
    def phase(self) -> str:
        return self.rotation_status.phase

    @property
    def rotation_status(self) -> RotationStatus:
        return self._latest.status if self._latest is not None else RotationStatus()

    @property
    def mode(self) -> str:
        return self._latest.spec.mode if self._latest is not None else "Graceful"

    @property
    def paused_by_people(self) -> bool:
        """Not: by itself."""
        return self._latest is not None and self._latest.spec.pause

    @property
    def losses(self) -> Sequence[str]:
        """Pods whose loss people accepted, by uid."""
        return self._latest.spec.accept_loss if self._latest is not None else ()

    @property
    def approvals(self) -> int:
        """How many people must agree, by the plan."""
        return self.cluster.the_plan.spec.retire.approvals if self.cluster.the_plan else 0

    @property
    def _latest(self) -> RotationRecord | None:
        """The rotation that runs, or ran last."""
        return self.cluster.the_rotations.get(self.plan_status.last_rotation or "orders-1")

    @property
    def plan_status(self) -> PlanStatus:
        return self.cluster.the_plan.status if self.cluster.the_plan else PlanStatus()

    def secret_of(self, id_: str) -> Mapping[str, Sealed]:
        """The consumers' Secret as it is when this credential serves."""
        if id_ == "orders_a":
            return self.secret_before
        escrow = self.cluster.the_escrow
        value = escrow.values[id_] if escrow is not None and id_ in escrow.values else self.backend.roles[id_].value
        url = Sealed(f"postgresql://{id_}:{value.reveal_text()}@db.shop.svc:5432/shop")
        return {**self.secret_before, "url": url}

    @property
    def known_values(self) -> Sequence[Sealed]:
        return (Sealed("the-old-value-of-orders"), *self.provider.minted)

    @property
    def comes(self) -> str:
        """The id of the credential that is new, or would be."""
        if not self.issues:
            return "orders_b"
        current = self.plan_status.current_id
        return self.rotation_status.new_id or (current if current != "orders_a" else "none that was issued")

    @property
    def disturbed(self) -> bool:
        return bool(self.active) or self.operator_down or bool(self.tasks)

    @property
    def ended(self) -> bool:
        return self.phase in FINISHED and self.plan_status.active_rotation == "" and not self.disturbed

    # ---------------------------------------------------------------------- the ports that are not the cluster

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
        known = {p.uid: p for p in (*self.cluster.fleet.pods(), *self.cluster.bystanders)}
        return {p.uid: self._testify(known.get(p.uid), expected) for p in pods}

    def _testify(self, pod: Pod | None, expected: Mapping[str, Mapping[str, Sealed]]) -> Testimony:
        if pod is None or pod.crashed or pod.held is None or pod.lost or self.probes_silent:
            return Testimony(silent="the probe does not answer")
        workload = self.cluster.workloads.get(pod.consumer)
        if workload is None or pod.consumer.name in self.silent_pods:
            return Testimony(silent="the probe does not answer")
        self.promises.answered.add(pod.uid)
        shown = pod.mounted if workload.reload or workload.reads_file_once else None
        sights = [] if shown is None else [Sight("app", "url", Kind.MOUNTED, _named(shown.value, expected))]
        if not workload.reload:
            sights.append(Sight("app", "url", Kind.PROCESS, self._in_process(pod, expected)))
        ports = (*pod.lingering, *([pod.port] if pod.port else []))
        connections = tuple(Connection(pod.address, port, "10.0.0.2", 5432) for port in ports)
        return Testimony(tuple(sights), connections)

    def _in_process(self, pod: Pod, expected: Mapping[str, Mapping[str, Sealed]]) -> Verdict:
        return Verdict.UNKNOWN if self.unsighted or pod.held is None else _named(pod.held.value, expected)

    async def reload(self, plan: PlanRecord, pods: Sequence[PodRecord], generation: int) -> None:
        """Nobody here waits to be told."""
        del plan, pods, generation

    async def arm(self, plan: PlanRecord, generations: Mapping[int, Mapping[str, Sealed]], secret: str) -> None:
        del plan, secret
        await self.cluster.arm(generations)

    # --------------------------------------------------------------------------------------------------- time

    async def tick(self) -> None:
        """The operator works once; then the world moves on."""
        self.ticks += 1
        self.ticks_in[self.phase] = self.ticks_in.get(self.phase, 0) + 1
        if self.conductor is not None:
            await self.conductor.before_tick()
        for happening in tuple(self.happenings):
            happening(self)
        before = self.fingerprint()
        wait = await self._step()
        self.pass_time(wait, before)
        if self.gitops_holds is not None and self.cluster.secret_data.get("url") != self.gitops_holds:
            self.clock.true += INSIDE
            self.cluster.edit_secret({"url": self.gitops_holds}, "argocd")
        if not self.phases or self.phases[-1] != self.phase:
            self.phases.append(self.phase)
        if self.people_act:
            self.people.act()
        self.promises.check()

    async def _step(self) -> timedelta | None:
        if self.operator_down:
            return timedelta(seconds=5)
        self.promises.step_begins()
        if self.board.before_write is None and not self.rivals:
            return await self._work(self.operator)
        return await self._work_apart()

    async def _work(self, operator: Reconciler) -> timedelta | None:
        try:
            return await operator.reconcile(PLAN)
        except Crash:
            if operator is self.operator:
                self.cluster.read_back()
                self.restart_operator()
            return timedelta(seconds=1)

    async def _work_apart(self) -> timedelta | None:
        """As tasks of their own: they interleave, or one is stopped in the middle of its step."""
        mine = asyncio.ensure_future(self._work(self.operator))
        others = {asyncio.ensure_future(self._work(rival)): rival for rival in self.rivals}
        while any(not t.done() and t not in self.tasks for t in (mine, *others)):  # noqa: ASYNC110 - it may be stopped
            await asyncio.sleep(0)
        for task, rival in others.items():
            if task in self.tasks:  # whoever was stopped leads no more when it wakes: it ends this step, and no other
                self.rivals.remove(rival)
            else:
                task.result()
        return timedelta(seconds=1) if mine in self.tasks else mine.result()

    async def take_turns(self) -> None:
        """Between two calls, other operators come in as often as the dice say."""
        for _ in range(self.dice.randrange(3)):
            await asyncio.sleep(0)

    def pass_time(self, wait: timedelta | None, before: object = None) -> None:
        """As long as the operator asked to wait; longer when nothing happens for a while."""
        step = min(max(wait if wait is not None else LONGEST_TICK, timedelta()), LONGEST_TICK) + self.wakes_late
        if wait is None or wait > timedelta():
            self.cluster.fleet.move()
            same = before == self.fingerprint()
            timed = {r.status.phase for r in self.cluster.the_rotations.values()} & set(CLOCKED)
            self.dull = self.dull + 1 if same and not timed else 0
            if self.dull > DULL:
                step = LONGEST_TICK + self.wakes_late
        self.clock.true += step

    def fingerprint(self) -> object:
        pods = [(p.name, p.ready, p.terminating, p.crashed > 0) for p in self.cluster.fleet.pods()]
        return (len(self.board.writes), self.cluster.secret_version, pods, len(self.active))

    def run(self, ticks: int, until: Callable[[World], bool] | None = None) -> None:
        """So many ticks, or until it ended."""

        async def go() -> None:
            for _ in range(ticks):
                if self.abort_in is not None and self.phase == self.abort_in:
                    self.abort()
                await self.tick()
                if until(self) if until is not None else self.ended:
                    break

        self.aside(go())

    def aside(self, doing: Coroutine[object, object, None]) -> None:
        """To its end, outside of a look."""
        loop = _LOOPS.get(os.getpid()) or _LOOPS.setdefault(os.getpid(), asyncio.new_event_loop())
        loop.run_until_complete(doing)


def abandon_loop() -> None:
    """What hangs in this process's loop stays there; the next world gets a loop of its own."""
    _LOOPS.pop(os.getpid(), None)


def _named(value: Sealed, expected: Mapping[str, Mapping[str, Sealed]]) -> Verdict:
    for side in ("New", "Old"):
        if expected.get(side, {}).get("url") == value:
            return Verdict(side)
    return Verdict.OTHER
