"""A world whose Secret is also what another plan's provider logs in with: there Keyturn itself is a consumer.

What other plans do through that provider is simulated by what the backend sees of it: before every look a session with
what the Secret holds just then, which lasts until the next look. A former leader has left one open as the old rotator.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from keyturn.api.kinds import PlanStatus
from keyturn.core.model import ConsumerRef, ObjectKey, Reach
from keyturn.core.sealed import Sealed
from keyturn.ports import Misconfigured, PlanRecord, PodRecord, Provider, ProviderRecord, SecretRecord, Unavailable
from support.cluster_records import provider_of, spec
from support.memory_provider import OURS, MemoryProvider
from support.pods import Pod, Reading, Template, parsed
from support.world import START, World

REPORTS = ObjectKey("shop", "reports")
STANDBY = "10.0.0.2"  # where the former leader runs
LINGERS = timedelta(seconds=12)  # its session, once nobody else is waited for
_MADE = datetime(2026, 1, 1, tzinfo=UTC)


def plan_of(name: str, provider: str, secret: str, **status: object) -> PlanRecord:
    """Another plan of the namespace."""
    wish = spec(
        providerRef={"name": provider},
        postgres={"owner": name, "slots": [f"{name}_a", f"{name}_b"]},
        secret={"name": secret, "keys": {"url": "{username}:{password}"}},
    )
    return PlanRecord(ObjectKey("shop", name), f"uid-{name}", 1, "1", wish, PlanStatus.model_validate(status))


def replica(name: str, address: str) -> PodRecord:
    """A pod of Keyturn's operator."""
    return PodRecord(
        namespace="keyturn-system",
        name=name,
        uid=f"uid-{name}",
        address=address,
        consumer=None,
        node="node",
        phase="Running",
        ready=True,
        terminating=False,
        created=_MADE,
        host_network=False,
        probe_image="",
        probe_port=0,
        deliveries=(),
        container_starts={},
    )


class Rotators(MemoryProvider):
    """The other plan's provider: it works as whoever the admin Secret names."""

    def __init__(self, world: RotatorWorld, admin: SecretRecord) -> None:
        super().__init__(world.backend, ("reports_a", "reports_b"), world.board, "shop/reports")
        self._world, self._login, self._port = world, parsed(admin.data["url"]), None

    async def reach(self) -> Reach:
        if self._world.phase in self._world.unreachable:
            return Reach.DOWN
        try:
            await self._ask("reach")
            self._port = self._backend.login(*self._login, OURS) if self._login is not None else None
        except Unavailable:
            return Reach.DOWN
        refused = self._port is None or self._world.refuses(self._login)
        return Reach.REFUSED if refused else Reach.UP

    async def close(self) -> None:
        if self._port is not None:
            self._backend.hang_up(self._port)


@dataclass
class RotatorWorld(World):
    """The plan ``orders`` rotates what ``reports-db`` logs in with. ``alone``: no pod uses it besides."""

    alone: bool = False
    lacking: str = ""  # this role may log in, and not do a rotator's work
    broken: str = ""  # this plan cannot be opened
    unreachable: frozenset[str] = frozenset()  # in these phases the backend does not answer the other plan's provider

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alone:
            self.cluster.workloads.clear()
            self.backend.restart()
            self.cluster.edit_plan(spec(consumers={}))
        self.cluster.other_providers = [provider_of("reports-db", "orders-db")]
        self.cluster.other_plans = [plan_of("reports", "reports-db", "reports")]
        self.cluster.replicas = [replica("keyturn-operator-0", OURS), replica("keyturn-operator-1", STANDBY)]
        self.working: int | None = None
        ref = ConsumerRef("CredentialProvider", "shop", "reports-db")
        self.itself = Pod("keyturn itself", ref, Template(), OURS, START)
        self.former = self.backend.login("orders_a", Sealed("the-old-value-of-orders"), STANDBY)
        self.awaited: datetime | None = None
        self.happenings.append(_others_work)
        self.happenings.append(_former_leader_ends)

    def open(self, record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Provider:
        if plan.key.name == self.broken:
            raise Misconfigured("SlotNotAllowed", "the provider does not allow what the plan asks for")
        return Rotators(self, admin) if record.key.name == "reports-db" else super().open(record, plan, admin)

    def refuses(self, login: tuple[str, Sealed] | None) -> bool:
        """Does the backend keep this one from a rotator's work?"""
        return login is not None and login[0] == self.lacking


def _others_work(world: World) -> None:
    """The step of another plan: with what the Secret holds now; the session before it ends."""
    assert isinstance(world, RotatorWorld)
    if world.working is not None:
        world.backend.hang_up(world.working)
    cluster, url = world.cluster, world.cluster.secret_data.get("url")
    login = parsed(url) if url is not None else None
    if url is None or login is None or world.operator_down:
        return
    try:
        world.working = world.backend.login(*login, OURS)
    except Unavailable:
        return
    if world.working is None:
        writer, later = cluster.secret_writers.get("url", ""), cluster.secret_changed > START
        world.itself.held = Reading(url, "people" if later and writer == "kubectl" else writer, cluster.secret_changed)
        world.promises.login_refused(world.itself, *login)
    else:
        world.itself.refused_since = None


def _former_leader_ends(world: World) -> None:
    """Its connection breaks at last, some time after it is the only one that is waited for."""
    assert isinstance(world, RotatorWorld)
    if world.awaited is None and world.rotation_status.blocked_by == "OldCredentialInUse":
        world.awaited = world.clock.true
    if world.former is not None and world.awaited is not None and world.clock.true - world.awaited > LINGERS:
        world.backend.hang_up(world.former)
        world.former = None
