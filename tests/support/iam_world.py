"""A whole rotation over the real AWS provider: the real core and reconciler, a cluster in memory, IAM behind HTTP.

Faults strike at calls of the backend, by phase and action: ``Create/CreateAccessKey#1``. An operator that is killed
does nothing any more, here or at the cluster; the next one remembers nothing. Time passes only when it is told to.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

from keyturn.api.kinds import CredentialProviderSpec, PlanStatus, RotationPlanSpec, RotationSpec, RotationStatus
from keyturn.core.evidence import Sight, Testimony
from keyturn.core.model import ConsumerRef, Kind, ObjectKey, Verdict
from keyturn.core.rotation import FINISHED
from keyturn.core.sealed import Sealed
from keyturn.ports import PlanRecord, PodRecord, Provider, ProviderRecord, SecretRecord, Unavailable
from keyturn.providers.awsiam.provider import opened_by
from keyturn.reconciler import Reconciler
from support.iam_account import ACCOUNT
from support.iam_plan import ROTATOR, USER, HandClock, new_account
from support.iam_server import Dropped, IamServer
from support.memory_cluster import MemoryCluster
from support.pods import Pod, Workload, parsed
from support.said import Ears, forms
from support.switchboard import Call, Crash, Strike, Switchboard

PLAN = ObjectKey("shop", "orders")
API = ConsumerRef("Deployment", "shop", "api")
SOAK, LAG = "30s", "30s"
LONGEST = timedelta(seconds=14)  # three samples are fifteen seconds: a longer gap starts observed time again
JUMP = timedelta(minutes=5)  # while the record is waited for
PROVIDER = {"adminSecretRef": {"name": "admin"}, "account": ACCOUNT, "regions": ["eu-central-1"], "insecure": True}
SPEC = RotationPlanSpec.model_validate({
    "providerRef": {"name": "db"}, "awsIam": {"user": USER},
    "secret": {"name": "orders-db", "keys": {"url": "postgresql://{username}:{password}@{host}:{port}/{database}"}},
    "consumers": {"list": [{"kind": "Deployment", "name": "api"}]}, "rollout": {"progressDeadline": "30m"},
    "verify": {"require": ["Process"], "soak": SOAK}, "retire": {"watch": "2m", "acceptBlindWatch": True},
})  # fmt: skip


class PodsOwnSts:
    """What pods see of AWS: requests that are let in, or not. A login is one request; nothing stays open."""

    down = False

    def __init__(self, server: IamServer) -> None:
        self.server, self.numbers = server, 0

    def now(self) -> object:
        return self.server.account.now()

    def login(self, id_: str, value: Sealed, address: str) -> int | None:
        del address
        with self.server.lock:
            if self.server.down:
                raise Unavailable("ServerDown", "AWS cannot be reached")
            key = self.server.account.keys.get(id_)
            if key is None or not self.server.account.opens(key) or key.secret != value.reveal_text():
                return None
            self.server.account.use(key, "s3", "eu-central-1")
            self.numbers += 1
            return self.numbers

    def hang_up(self, port: int) -> None:
        """There is nothing to hang up."""


class AwsCluster(MemoryCluster):
    """Whose provider and admin Secret speak of AWS."""

    admin: Mapping[str, Sealed]

    async def provider(self, plan: PlanRecord) -> ProviderRecord:
        found = await super().provider(plan)
        wish = {"awsIam": {**PROVIDER, "usageLag": LAG}, "allow": {"owners": [USER]}}
        return replace(found, spec=CredentialProviderSpec.model_validate(wish))

    async def secret(self, key: ObjectKey) -> SecretRecord | None:
        found = await super().secret(key)
        return replace(found, data=self.admin) if found is not None and key.name == "admin" else found


class IamWorld:
    """One plan, two pods that read their environment, an account with a rotator and a user."""

    def __init__(self, server: IamServer, strikes: Mapping[str, Strike] | None = None) -> None:
        self.server, self.strikes, self.clock = server, dict(strikes or {}), HandClock()
        server.reset(new_account(self.clock))
        self.account = server.account
        self.clock.wait(-timedelta(days=30))
        rotator, self.old = self.account.create(ROTATOR), self.account.create(USER)
        self.clock.wait(timedelta(days=30))
        server.before, server.after = self._before, self._after
        self.board, self.abort_in = Switchboard(weather={"death": self._death}), ""
        self.cluster = AwsCluster(self.board, PodsOwnSts(server), self.clock.now())  # type: ignore[arg-type]
        told = {
            "accessKeyId": rotator.id,
            "secretAccessKey": rotator.secret,
            "iam.url": server.url,
            "sts.url": server.url,
        }
        self.cluster.admin = {name: Sealed(value) for name, value in told.items()}
        self.secret_before = {
            "url": Sealed(self.url(self.old.id, self.old.secret)),
            "unmanaged": Sealed("stays as it is"),
        }
        self.cluster.edit_secret(self.secret_before, "kubectl")
        self.cluster.the_plan = PlanRecord(PLAN, "plan-uid", 1, "1", SPEC, PlanStatus())
        self.cluster.workloads[API] = Workload(API, 2)
        self.cluster.fleet.refused = self._refused
        self.said: list[str] = []
        self.cluster.overheard = self.said.append
        self.locked_out: list[str] = []
        self.points: list[str] = []  # of the backend, in order; the first of each kind in each phase
        self.struck: list[str] = []
        self.first: dict[str, datetime] = {}  # when each phase was first seen
        self.restarts, self._dead, self._counts = 0, False, Counter[str]()
        self._threads = ThreadPoolExecutor(4)
        self._new_operator()
        for _ in range(4):
            self.cluster.fleet.move()

    @staticmethod
    def url(id_: str, secret: str) -> str:
        return f"postgresql://{id_}:{secret}@sts.eu-central-1.amazonaws.com:443/eu-central-1"

    # ---------------------------------------------------------------------------------------------- what is so

    @property
    def status(self) -> RotationStatus:
        return self.cluster.the_rotations["orders-1"].status

    @property
    def plan_status(self) -> PlanStatus:
        assert self.cluster.the_plan is not None
        return self.cluster.the_plan.status

    @property
    def ended(self) -> bool:
        return self.status.phase in FINISHED and not self.plan_status.active_rotation

    # -------------------------------------------------------------------------------------- the operator's ports

    def open(self, record: ProviderRecord, plan: PlanRecord, admin: SecretRecord | None) -> Provider:
        assert admin is not None
        return self._open(record, plan, admin)

    async def challenge(
        self,
        plan: PlanRecord,
        pods: Sequence[PodRecord],
        generation: int,
        expected: Mapping[str, Mapping[str, Sealed]],
    ) -> Mapping[str, Testimony]:
        del plan, generation
        known = {pod.uid: pod for pod in self.cluster.fleet.pods()}
        return {pod.uid: _testified(known.get(pod.uid), expected) for pod in pods}

    async def reload(self, plan: PlanRecord, pods: Sequence[PodRecord], generation: int) -> None:
        """Nobody here waits to be told."""

    async def arm(self, plan: PlanRecord, generations: Mapping[int, Mapping[str, Sealed]], secret: str) -> None:
        del plan, secret
        await self.cluster.arm(generations)

    def _new_operator(self) -> None:
        self._open = opened_by(self.clock)
        self.operator = Reconciler(self.cluster, self, self, self.clock, Ears(self.said.append), lambda: 1)

    # --------------------------------------------------------------------------------------------------- faults

    def _point(self, action: str) -> str:
        started = self.cluster.the_rotations.get("orders-1")
        phase = (started.status.phase if started is not None else "") or "Start"
        kind = f"{phase}/{action}"
        return f"{kind}#{self._counts[kind]}"

    def _before(self, action: str) -> None:
        if self._dead:
            raise Dropped
        started = self.cluster.the_rotations.get("orders-1")
        phase = (started.status.phase if started is not None else "") or "Start"
        self._counts[f"{phase}/{action}"] += 1
        point = self._point(action)
        if point.endswith("#1"):
            self.points.append(point)
        if self.strikes.get(point) is Strike.KILL_BEFORE:
            self._die(point)

    def _after(self, action: str) -> None:
        point = self._point(action)
        strike = self.strikes.get(point)
        if strike is Strike.KILL_AFTER:
            self._die(point)
        if strike is Strike.LOSE_ANSWER:
            self.struck.append(point)
            raise Dropped

    def _die(self, point: str) -> None:
        self.struck.append(point)
        self._dead = True
        raise Dropped

    def _death(self, _call: Call) -> None:
        if self._dead:
            raise Crash("killed at a call of the backend")

    async def _bury(self) -> None:
        """All that the dead one had begun has ended, before another one is there."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self._threads.shutdown(wait=True)
        self._threads = ThreadPoolExecutor(4)
        asyncio.get_running_loop().set_default_executor(self._threads)
        self._dead = False
        self.restarts += 1
        self.cluster.read_back()
        self._new_operator()

    # ----------------------------------------------------------------------------------------------------- time

    async def run(self, ticks: int = 400, mode: str = "Graceful") -> None:
        """A rotation from its request to its end."""
        self._threads = ThreadPoolExecutor(4)
        asyncio.get_running_loop().set_default_executor(self._threads)
        self.cluster.add_rotation(
            "shop", "orders-1", RotationSpec.model_validate({"planRef": {"name": "orders"}, "mode": mode})
        )
        for _ in range(ticks):
            if self.abort_in and self.status.phase == self.abort_in:
                self.cluster.edit_rotation("orders-1", abort=True)
            await self.tick()
            if self.ended:
                break
        self._threads.shutdown(wait=True)

    async def tick(self) -> None:
        """The operator looks once; pods move; time passes."""
        try:
            wait = await self.operator.reconcile(PLAN)
        except Crash:
            wait = timedelta(seconds=1)
        if self._dead:
            await self._bury()
        if wait is None or wait > timedelta():
            self.cluster.fleet.move()
        self.first.setdefault(self.status.phase, self.clock.now())
        held_up = self.status.blocked_by in {"OldCredentialInUse", "UsageUnknown", "CreateUnanswered"}
        self.clock.wait(JUMP if held_up else min(wait if wait is not None else LONGEST, LONGEST))

    def _refused(self, pod: Pod, id_: str, value: Sealed) -> None:
        del value
        self.locked_out.append(f"{pod.name} with {id_} in {self.status.phase}")

    # --------------------------------------------------------------------------------------------- what must be so

    def require(self, ended: str, *, contained: bool = False) -> None:
        """It ended like this, as a run without faults does: one key, which all hold, and no other anywhere."""
        told = f"{self.status.phase}, waits for {self.status.blocked_by}; struck at {self.struck}"
        assert self.status.phase == ended, told
        assert contained or self.locked_out == []
        (left,) = self.account.keys_of(USER)
        assert left.active, told
        assert (left.id == self.old.id) is (ended == "RolledBack"), told
        assert self.plan_status.current_id == left.id
        escrow = self.cluster.the_escrow
        assert escrow is not None
        assert dict(escrow.values) == {left.id: Sealed(left.secret)}
        assert escrow.pending is None
        assert self.cluster.secret_data["url"] == Sealed(self.url(left.id, left.secret))
        assert self.cluster.secret_data["unmanaged"] == self.secret_before["unmanaged"]
        for pod in self.cluster.fleet.pods():
            assert pod.held is not None
            assert parsed(pod.held.value) == (left.id, Sealed(left.secret)), pod.name
            assert pod.ready
        assert [key.active for key in self.account.keys_of(ROTATOR)] == [True]
        words = "\n".join((*self.said, self.plan_status.model_dump_json(), self.status.model_dump_json()))
        secrets = forms(Sealed(key.secret) for key in self.account.keys.values())
        assert not [secret for secret in secrets if secret in words]


def _testified(pod: Pod | None, expected: Mapping[str, Mapping[str, Sealed]]) -> Testimony:
    if pod is None or pod.crashed or pod.held is None:
        return Testimony(silent="the probe does not answer")
    shown = next((s for s in ("New", "Old") if expected.get(s, {}).get("url") == pod.held.value), "Other")
    return Testimony((Sight("app", "url", Kind.PROCESS, Verdict(shown)),))
