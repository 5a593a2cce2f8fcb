"""An incident played again: the simulated cluster and the real reconciler, over a real provider and a server beside it.

    pods ──requests──► the server's data plane   (S3, or an app behind Access)
    Keyturn ─────────► the server's API, and the same data plane for its trials

Time is the server's clock. What happens is told line by line, and a page of docs/incidents shows exactly that.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from keyturn.api.kinds import PlanStatus, RotationPlanSpec
from keyturn.core.model import ConsumerRef
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, PlanRecord, Provider, ProviderRecord, SecretRecord
from support.cloudflare_server import CloudflareServer
from support.memory_backend import MemoryBackend
from support.memory_cluster import MemoryCluster
from support.pods import Pod, Workload
from support.world import PLAN, VirtualClock, World

LONGEST = timedelta(minutes=5)
LATE = {"Soak": timedelta(seconds=14), "Watch": timedelta(seconds=14), "Disable": timedelta(minutes=1),
        "Roll": timedelta(seconds=30), "Enable": timedelta(seconds=30), "Unroll": timedelta(seconds=30)}  # fmt: skip
"""An operator may look as rarely as that and miss nothing: observed time bears a gap of three samples."""


class Account(Protocol):
    """One backend of an incident, as the world needs it."""

    server: CloudflareServer
    current: Credential
    scheme: str

    def record(self) -> ProviderRecord:
        """What its provider says."""
        ...

    def wish(self) -> dict[str, object]:
        """The plan's spec."""
        ...

    def open(self, plan: PlanRecord) -> Provider:
        """Keyturn's provider for this plan."""
        ...

    def request(self, credential: Credential) -> bool:
        """One request as an app makes it: was it let in?"""
        ...


class ServersClock(VirtualClock):
    """The server's, and so everybody's."""

    def __init__(self, server: CloudflareServer) -> None:
        self._server, self.skew = server, timedelta()

    @property
    def true(self) -> datetime:  # type: ignore[override]
        return self._server.clock.at

    @true.setter
    def true(self, at: datetime) -> None:
        self._server.clock.at = at


class DataPlane(MemoryBackend):
    """What pods log in to: each time one request over the wire."""

    def __init__(self, account: Account) -> None:
        super().__init__(now=account.server.clock.now)
        self.account, self.served, self.turned_away = account, 0, list[tuple[datetime, str]]()
        self._ports = itertools.count(40000)

    def login(self, id_: str, value: Sealed, address: str, *, ours: bool = False) -> int | None:
        del ours
        if not self.account.request(Credential(id_, value)):
            self.turned_away.append((self.now(), address))
            return None
        self.served += 1
        return next(self._ports)


class NoPromises:
    """The promises of the simulated world are kept over its own backend; here the server's log is asked."""

    def __init__(self) -> None:
        self.answered: set[str] = set()

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_words, **_more: None


@dataclass
class Replay(World):
    """Consumers by name, all of one Secret; each has two pods that read it when they start."""

    account: Account | None = None
    names: tuple[str, ...] = ("gateway",)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        assert self.account is not None
        self.clock = ServersClock(self.account.server)
        self.plane = DataPlane(self.account)
        self.cluster = MemoryCluster(self.board, self.plane, self.clock.now())
        self.cluster.provider = self._provider  # type: ignore[method-assign]
        self.secret_before = {"url": self.url(self.account.current), "unmanaged": Sealed("stays as it is")}
        self.cluster.edit_secret(self.secret_before, "kubectl")
        wish = {"secret": {"name": "orders", "keys": {"url": self.account.scheme + "://{username}:{password}@{host}"}},
                "consumers": {"list": [{"kind": "Deployment", "name": name} for name in self.names]},
                **self.account.wish()}  # fmt: skip
        self.cluster.the_plan = PlanRecord(
            PLAN, "plan-uid", 1, "1", RotationPlanSpec.model_validate(wish), PlanStatus()
        )
        for name in self.names:
            ref = ConsumerRef("Deployment", "shop", name)
            self.cluster.workloads[ref] = Workload(ref, 2)
        self.promises = NoPromises()  # type: ignore[assignment]
        self.tasks, self.rivals, self.ticks_in, self.ticks, self.dull = [], [], {}, 0, 0
        self.restart_operator()
        for _ in range(4):
            self.cluster.fleet.move()

    # ------------------------------------------------------------------------------------------------ the world

    async def _provider(self, plan: PlanRecord) -> ProviderRecord:
        assert self.account is not None
        return replace(self.account.record(), key=replace(plan.key, name="provider"))

    def open(self, record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Provider:
        del record, admin
        assert self.account is not None
        return self.account.open(plan)

    def pass_time(self, wait: timedelta | None, before: object = None) -> None:
        """As long as the operator asked to wait, or as late as it may come; pods make their requests before."""
        del before
        self.cluster.fleet.move()
        least = LATE.get(self.phase, timedelta(seconds=1))
        self.clock.true += min(max(wait if wait is not None else LONGEST, least), LONGEST)

    def url(self, credential: Credential) -> Sealed:
        assert self.account is not None
        place = self.account.record().spec.backend
        assert place is not None
        return Sealed(f"{self.account.scheme}://{credential.id}:{credential.value.reveal_text()}@{place.place.host}")

    def workload(self, name: str) -> Workload:
        return self.cluster.workloads[ConsumerRef("Deployment", "shop", name)]

    def pods(self, name: str) -> list[Pod]:
        return self.workload(name).pods

    def later(self, time: timedelta, *, step: timedelta = timedelta(minutes=1)) -> None:
        """So much time without Keyturn; pods go on."""
        end = self.clock.true + time
        while self.clock.true < end:
            self.clock.true += min(step, end - self.clock.true)
            self.cluster.fleet.move()

    # ---------------------------------------------------------------------------------------------- what is told

    def tell(self, words: str) -> None:
        """A line of the account, with the time of day."""
        self.told.append(f"{self.clock.true:%H:%M:%S}  {words}")

    @property
    def account_of_it(self) -> str:
        """All of it, as the page shows it."""
        return "\n".join(self.told) + "\n"
