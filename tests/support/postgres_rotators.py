"""A real server on which a break-glass rotator turns the shop's rotator, as the page of PostgreSQL tells to set it up.

The core and the reconciler are the real ones, the API server is in memory, and time passes as it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from keyturn.api.kinds import CredentialProviderSpec, PlanStatus, RotationPlanSpec, RotationSpec, RotationStatus
from keyturn.core.model import ObjectKey
from keyturn.core.rotation import FINISHED
from keyturn.core.sealed import Sealed
from keyturn.ports import PlanRecord, Provider, ProviderRecord, SecretRecord
from keyturn.providers import OpenProviders
from keyturn.reconciler import Reconciler
from support.memory_backend import MemoryBackend
from support.memory_cluster import MemoryCluster
from support.postgres_plan import OWNER, ROTATOR, ROTATOR_PASSWORD, SLOT_A, SLOT_B, SQL, make_ready
from support.postgres_server import PostgresServer
from support.rotator_world import replica
from support.switchboard import Switchboard

GLASS, GLASS_PASSWORD = "keyturn_breakglass", "break-glass-password-of-a-test"
ROTATOR_A, ROTATOR_B = f"{ROTATOR}_a", f"{ROTATOR}_b"
DATABASE = "rotators"
PLAN, ORDERS = ObjectKey("shop", "rotators"), ObjectKey("shop", "orders-db")
START = datetime(2026, 3, 21, 12, tzinfo=UTC)


def make_glass(server: PostgresServer, form: str) -> None:
    """The shop's database and its rotator, then a database of its own for the break-glass one."""
    make_ready(server, "Functions")
    server.sql(f"CREATE DATABASE {DATABASE}")
    roles = {"rotator": GLASS, "plan": str(PLAN), "owner": ROTATOR, "slot_a": ROTATOR_A, "slot_b": ROTATOR_B}
    if form == "Functions":
        server.script(SQL / "functions.sql", DATABASE, **roles)
    else:
        del roles["plan"]
        server.script(SQL / "createrole-16.sql", DATABASE, **roles)
    server.sql(f"ALTER ROLE {GLASS} PASSWORD '{GLASS_PASSWORD}'")


class _Stepping:
    """Moved by hand."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time


class _Nobody:
    """No pods: nobody is challenged, armed, or told anything."""

    async def challenge(self, *_: object) -> Mapping[str, Any]:
        return {}

    async def arm(self, *_: object) -> None: ...

    async def reload(self, *_: object) -> None: ...

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_words: None


@dataclass
class Glass:
    """The plan that turns the shop's rotator. Use as a context: sessions of others are closed at its end."""

    server: PostgresServer
    form: str = "Functions"
    others: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        make_glass(self.server, self.form)
        self.clock = _Stepping()
        self.cluster = cluster = MemoryCluster(Switchboard(), MemoryBackend(), START)
        cluster.workloads.clear()
        where = self._where()
        cluster.admin_data = {"user": Sealed(GLASS), "password": Sealed(GLASS_PASSWORD), **where}
        mine = {"user": Sealed(ROTATOR), "password": Sealed(ROTATOR_PASSWORD), **where}
        cluster.edit_secret(mine, "kubectl")
        cluster.other_providers = [
            self._provider("break-glass", "admin", DATABASE, [ROTATOR], [f"{ROTATOR}_*"], self.form),
            self._provider("shop-postgres", "postgres-rotator", "shop", [OWNER], ["orders_*"], "Functions"),
        ]
        cluster.the_plan = PlanRecord(PLAN, "uid-rotators", 1, "1", self._plan(), PlanStatus())
        cluster.other_plans = [PlanRecord(ORDERS, "uid-plan", 1, "1", self._orders(), PlanStatus())]
        cluster.replicas = [replica("keyturn-operator-1", "127.0.0.1")]
        nobody: Any = _Nobody()
        self.providers = OpenProviders(self.clock, cluster, nobody)
        self.operator = Reconciler(cluster, self.providers, nobody, self.clock, nobody, lambda: 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.others.close()

    def _where(self) -> dict[str, Sealed]:
        server = self.server
        place = {"host": server.host, "port": str(server.port)}
        if server.flavour.tls:
            place["ca.crt"] = server.authority.ca_pem.decode()
        return {key: Sealed(value) for key, value in place.items()}

    def _provider(
        self, name: str, admin: str, database: str, owners: list[str], slots: list[str], form: str
    ) -> ProviderRecord:
        server = self.server
        half = {
            "adminSecretRef": {"name": admin},
            "endpoints": [{"name": "primary", "host": server.host, "port": server.port}],
            "database": database,
            "rotator": form,
            "insecure": not server.flavour.tls,
        }
        wish = {"postgres": half, "allow": {"owners": owners, "slots": slots}}
        spec = CredentialProviderSpec.model_validate(wish)
        return ProviderRecord("CredentialProvider", ObjectKey("shop", name), f"uid-{name}", 1, spec)

    def _plan(self) -> RotationPlanSpec:
        return RotationPlanSpec.model_validate({
            "providerRef": {"name": "break-glass"}, "postgres": {"owner": ROTATOR, "slots": [ROTATOR_A, ROTATOR_B]},
            "secret": {"name": "postgres-rotator", "keys": {"user": "{username}", "password": "{password}"}},
            "verify": {"soak": "10s", "proofDeadline": "10s"}, "retire": {"watch": "10s", "acceptBlindWatch": True},
        })  # fmt: skip

    def _orders(self) -> RotationPlanSpec:
        return RotationPlanSpec.model_validate({
            "providerRef": {"name": "shop-postgres"}, "postgres": {"owner": OWNER, "slots": [SLOT_A, SLOT_B]},
            "secret": {"name": "orders-db", "keys": {"URL": "postgresql://{username}:{password}@{host}/{database}"}},
            "retire": {"acceptBlindWatch": True},
        })  # fmt: skip

    # ------------------------------------------------------------------------------------------------- what happens

    def ask(self, name: str = "turn-1") -> None:
        wish = RotationSpec.model_validate({"planRef": {"name": PLAN.name}})
        self.cluster.add_rotation("shop", name, wish)

    async def run(self, until: Callable[[Glass], bool] = lambda glass: glass.ended, steps: int = 120) -> None:
        """The operator takes so many steps at most; the time it asks to wait passes at once."""
        for _ in range(steps):
            wait = await self.operator.reconcile(PLAN)
            self.clock.time += min(wait or timedelta(seconds=5), timedelta(seconds=5))
            if until(self):
                return
        raise AssertionError((self.status.phase, self.status.blockers, self.plan.status.conditions))

    @property
    def plan(self) -> PlanRecord:
        assert self.cluster.the_plan is not None
        return self.cluster.the_plan

    @property
    def status(self) -> RotationStatus:
        found = self.cluster.the_rotations.get(self.plan.status.last_rotation)
        return found.status if found is not None else RotationStatus()

    @property
    def ended(self) -> bool:
        return self.status.phase in FINISHED and not self.plan.status.active_rotation

    def told(self) -> str:
        """Who is waited for."""
        return "\n".join(f"{b.reason}: {b.pod} {b.message}" for b in self.status.blockers)

    @property
    def held(self) -> tuple[str, str]:
        """User and password that the rotator's Secret holds."""
        data = self.cluster.secret_data
        return data["user"].reveal_text(), data["password"].reveal_text()

    def session(self, user: str, password: str, database: str = "shop") -> None:
        """Somebody's, until this ends or the server ends it."""
        self.others.enter_context(self.server.connect(user, password, database))

    async def shop(self) -> Provider:
        """The shop's provider, as the next step of the plan ``orders-db`` opens it."""
        found = await self.cluster.provider(self.cluster.other_plans[0])
        assert found.admin_key is not None
        admin = await self.cluster.secret(found.admin_key)
        assert isinstance(admin, SecretRecord)
        plan = replace(self.cluster.other_plans[0])
        return self.providers.open(found, plan, admin)
