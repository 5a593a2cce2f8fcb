"""A plan at rest over any provider, in a cluster in memory: what a look at it says, each time one interval later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from keyturn.api.base import Condition
from keyturn.api.conditions import condition
from keyturn.api.kinds import PlanStatus
from keyturn.core.rendering import Login, Place, render
from keyturn.ports import Announcement, Credential, Escrow, PlanRecord, Provider
from keyturn.reconciler.drift import Lookout
from support.memory_backend import MemoryBackend
from support.memory_cluster import MemoryCluster, spec
from support.switchboard import Switchboard
from support.world import PLAN, Silence, VirtualClock

ANYWHERE = Place("db.shop.svc", 5432, "shop")
EVERY = timedelta(minutes=5)


def plan_of(current: Credential, system: str) -> PlanRecord:
    """Adopted with this credential on this system; what backend it names matters to nobody here."""
    return PlanRecord(PLAN, "plan-uid", 1, "1", spec(), PlanStatus(current_id=current.id, system_id=system))


class DriftDesk:
    """Looks, with a provider that is opened anew each time."""

    def __init__(
        self,
        current: Credential,
        plan: PlanRecord,
        opened: Callable[[], Provider],
        now: datetime,
        place: Place = ANYWHERE,
    ) -> None:
        self.current, self.place, self._opened = current, place, opened
        self.clock = VirtualClock()
        self.clock.true = now
        self.cluster = MemoryCluster(Switchboard(), MemoryBackend(), now)
        self.cluster.the_plan = replace(plan, status=plan.status.model_copy(update={"current_id": current.id}))
        self.cluster.edit_secret(render(plan.spec.secret.keys, Login(current.id, current.value), place), "kubectl")
        self.lookout = Lookout(self.cluster, self.clock, Silence())

    @property
    def plan(self) -> PlanRecord:
        """As it is stored."""
        assert self.cluster.the_plan is not None
        return self.cluster.the_plan

    @property
    def verdict(self) -> Condition:
        """DriftDetected, without the moment."""
        found = condition(self.plan.status.conditions, "DriftDetected")
        assert found is not None
        return found.model_copy(update={"last_transition_time": self.cluster.created})

    @property
    def events(self) -> Sequence[Announcement]:
        """Everything that was announced, in order."""
        return self.cluster.said

    async def escrowed(self) -> None:
        """As adoption leaves it."""
        await self.cluster.save_escrow(self.plan, Escrow({self.current.id: self.current.value}, {}))

    async def look(self) -> Sequence[str]:
        """The reasons, one interval later."""
        provider = self._opened()
        await self.lookout.look(self.plan, provider, self.place)
        self.clock.true += EVERY
        plan = await self.lookout.look(self.plan, provider, self.place)
        await provider.close()
        return [line.reason for line in plan.status.drift]
