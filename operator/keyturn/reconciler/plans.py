"""Between rotations: begin the next one, close the books on the last, rest, let go of a deleted plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from keyturn.api.conditions import ConditionType, Reason, condition, set_condition
from keyturn.api.plan_kinds import PlanStatus
from keyturn.api.rotation_kinds import RotationSpec
from keyturn.core.model import Phase, Problem
from keyturn.core.rendering import Place
from keyturn.core.rotation import FINISHED
from keyturn.core.schedule import due
from keyturn.ports import (
    Announcement,
    Clock,
    Cluster,
    Escrow,
    Misconfigured,
    PlanRecord,
    Probes,
    Provider,
    Reporter,
    RotationRecord,
)
from keyturn.reconciler import approvals, checklist, record
from keyturn.reconciler.adopt import readiness
from keyturn.reconciler.drift import Lookout
from keyturn.reconciler.pacing import AGAIN

LOOK_AGAIN = timedelta(seconds=5)  # at a freeze that keeps somebody waiting: namespaces are not watched
LET_GO_AFTER = timedelta(minutes=10)  # a deleted plan's rotation may take this long to go back
_MOST_NAMES = 1000  # of rotations that ran; older ones are far beyond any history


class Desk:
    """The paperwork around rotations."""

    def __init__(self, cluster: Cluster, probes: Probes, clock: Clock, reporter: Reporter) -> None:
        self._cluster, self._probes, self._clock = cluster, probes, clock
        self._lookout = Lookout(cluster, clock, reporter)
        self._tidy: dict[str, int] = {}  # rebuildable: the plan's generation when surplus rotations were forgotten

    # ---------------------------------------------------------------------------------- between rotations

    async def next(
        self,
        plan: PlanRecord,
        rotations: Sequence[RotationRecord],
        ended: RotationRecord | None,
        provider: Provider,
        place: Place,
    ) -> timedelta | None:
        """Close the books on the one that ended, refuse replays, begin the next one, or wait for the schedule."""
        if plan.status.active_rotation:
            await self._close_books(plan, ended)
            return timedelta()
        for replay in (r for r in rotations if not r.status.phase and r.key.name in plan.status.ran):
            await self._refuse(replay)
            self._tidy.pop(plan.uid, None)
        await self._forget_oldest(plan)
        plan = await self._lookout.look(plan, provider, place)
        if (held := await self._held(plan)) is not None:
            rest = await self._rest(plan, held, None)
            asked = held.reason == Reason.FROZEN and _waiting(plan, rotations)
            return min(rest, LOOK_AGAIN) if asked else rest
        if waiting := _waiting(plan, rotations):
            return await self._activate(plan, waiting[0])
        when = self._due(plan)
        if when is not None and when <= self._clock.now():
            try:
                name = _free_name(plan, await self._cluster.rotations(plan.key))
            except Misconfigured as error:
                return await self._rest(plan, error.problem, None)
            spec = RotationSpec.model_validate({"planRef": {"name": plan.key.name}, "reason": "Scheduled"})
            await self._cluster.create_rotation(plan, name, spec)
            return timedelta()
        return await self._rest(plan, _resting(plan.status, plan), when)

    async def _held(self, plan: PlanRecord) -> Problem | None:
        """Suspended or frozen: nothing begins."""
        if plan.spec.suspend:
            return Problem(Reason.SUSPENDED, "suspend: true; no rotation will start")
        frozen = await self._cluster.frozen(plan)
        return Problem(Reason.FROZEN, frozen) if frozen else None

    def _due(self, plan: PlanRecord) -> datetime | None:
        if _needs_a_look(plan.status, plan):
            return None
        since = plan.status.last_rotation_time or plan.status.adopted_at or self._clock.now()
        return due(checklist.schedule(plan.spec), since)

    def begun(self, plan: PlanRecord, active: RotationRecord) -> RotationRecord:
        """With its first status, not yet written: the plan as it is now, the generation that was reserved."""
        now = self._clock.now()
        status = record.begin(plan.spec, plan.status.current_id, plan.status.generation - 1, active.generation, now)
        status = status.model_copy(update={"plan_generation": plan.generation})
        return replace(active, status=status)

    async def _activate(self, plan: PlanRecord, chosen: RotationRecord) -> timedelta:
        """By one compare-and-set: exactly one active rotation a plan, with two generations of its own."""
        status = plan.status.model_copy(
            update={
                "active_rotation": chosen.key.name,
                "active_uid": chosen.uid,
                "active_mode": chosen.spec.mode,
                "generation": plan.status.generation + 2,
                "ran": [*plan.status.ran, chosen.key.name][-_MOST_NAMES:],
                "last_rotation": chosen.key.name,
                "last_rotation_phase": Reason.IN_PROGRESS,
            }
        )
        now, why = self._clock.now(), Problem(Reason.IN_PROGRESS, f"Rotation {chosen.key.name} is under way")
        status = readiness(status, plan, now, why, ready=True, busy=True)
        await self._cluster.save_plan(plan, _held_up(status, plan, now, why, frozen=False))
        return timedelta()

    async def _close_books(self, plan: PlanRecord, ended: RotationRecord | None) -> None:
        """After the end: the plan's current credential, and an escrow that holds that one only."""
        self._tidy.pop(plan.uid, None)
        current = plan.status.current_id
        phase, why, when = "", "", self._clock.now()
        if ended is not None:
            phase, when = ended.status.phase, ended.status.completed_at or when
            why = ended.status.turned_back.reason if ended.status.turned_back else ""
            if ended.status.phase == Phase.COMPLETE:
                current = ended.status.new_id
                if ended.status.plan_generation == plan.generation and approvals.people_edited(plan):
                    await self._cluster.begin_record(plan)
                    plan = await self._cluster.plan(plan.key) or plan
        escrow = await self._cluster.escrow(plan.uid)
        if escrow is not None and current in escrow.values and escrow.closed != plan.status.generation:
            # Written though it may hold that one only: a write of a stopped leader finds another version.
            kept = {current: escrow.values[current]}
            await self._cluster.save_escrow(plan, Escrow(kept, {}, escrow.resource_version, plan.status.generation))
        await self._probes.arm(plan, {}, plan.spec.secret.name)
        status = plan.status.model_copy(
            update={
                "active_rotation": "",
                "active_uid": "",
                "active_mode": "",
                "current_id": current,
                "last_rotation_phase": phase,
                "last_rotation_reason": why,
                "last_rotation_time": when,
            }
        )
        await self._cluster.save_plan(plan, _at_rest(status, plan, self._clock.now(), _resting(status, plan)))

    async def _refuse(self, replay: RotationRecord) -> None:
        """A Rotation replayed from Git or a backup never runs again."""
        now = self._clock.now()
        words = "a Rotation of this name ran already and is not run again; make one with another name"
        status = replay.status.model_copy(
            update={"phase": Phase.REFUSED, "completed_at": now, "observed_generation": replay.generation}
        )
        found = status.conditions
        for type_, value in ((ConditionType.READY, False), (ConditionType.STALLED, True)):
            found = set_condition(found, type_, value, "AlreadyRan", words, replay.generation, now)
        await self._cluster.save_rotation(replay, status.model_copy(update={"conditions": found}))

    async def _forget_oldest(self, plan: PlanRecord) -> None:
        """After each rotation, and when the plan was edited: to list them at every look would cost most of it."""
        if self._tidy.get(plan.uid) == plan.generation:
            return
        try:
            rotations = await self._cluster.rotations(plan.key)
        except Misconfigured:  # another version's: kept, and no reason to stop
            rotations = ()
        finished = sorted((r for r in rotations if r.status.phase in FINISHED), key=_age)
        for surplus in finished[: max(0, len(finished) - plan.spec.history_limit)]:
            await self._cluster.delete_rotation(surplus)
        self._tidy[plan.uid] = plan.generation

    async def _rest(self, plan: PlanRecord, why: Problem, when: datetime | None) -> timedelta:
        now = self._clock.now()
        status = plan.status.model_copy(update={"next_rotation_time": when})
        status = _at_rest(status, plan, now, why)
        if status.model_dump() != plan.status.model_dump():
            await self._cluster.save_plan(plan, status)
        rest = self._lookout.rest(plan)
        return min(rest, max(when - now, timedelta(seconds=1))) if when is not None else rest

    # --------------------------------------------------------------------------------------- letting go

    async def release(self, plan: PlanRecord) -> None:
        """Deleted with nothing under way: the Secret holds what the escrow holds, so nobody is locked out."""
        self._forget(plan)
        await self._cluster.drop_escrow(plan.uid)
        await self._cluster.hold_plan(plan, hold=False)

    def _forget(self, plan: PlanRecord) -> None:
        self._lookout.forget(plan)
        self._tidy.pop(plan.uid, None)

    def overdue(self, plan: PlanRecord) -> bool:
        """Has going back taken longer than a deletion may wait?"""
        return plan.deleted_at is not None and self._clock.now() - plan.deleted_at > LET_GO_AFTER

    async def give_up(self, plan: PlanRecord) -> timedelta:
        """Release the plan but keep its escrow: an orphan on record, so that no credential is lost."""
        words = "deleted in the middle of a rotation that could not go back in time; its escrow is kept"
        news = Announcement("EscrowKept", words, warning=True)
        self._forget(plan)
        await self._cluster.announce(plan.key, "RotationPlan", plan.uid, news)
        await self._cluster.hold_plan(plan, hold=False)
        return AGAIN


def _at_rest(status: PlanStatus, plan: PlanRecord, now: datetime, why: Problem) -> PlanStatus:
    """Ready, and whether anybody, or a failure, keeps the next rotation from beginning."""
    status = readiness(status, plan, now, why, ready=True)
    return _held_up(status, plan, now, why, frozen=why.reason in (Reason.FROZEN, Reason.LAST_ROTATION_FAILED))


def _held_up(status: PlanStatus, plan: PlanRecord, now: datetime, why: Problem, *, frozen: bool) -> PlanStatus:
    """With the condition Frozen, which a plan that nobody ever held up has not."""
    if not frozen and condition(status.conditions, ConditionType.FROZEN) is None:
        return status
    told = (ConditionType.FROZEN, frozen, why.reason, why.message, plan.generation, now)
    return status.model_copy(update={"conditions": set_condition(status.conditions, *told)})


def _waiting(plan: PlanRecord, rotations: Sequence[RotationRecord]) -> list[RotationRecord]:
    """Asked for and not begun, oldest first; after a failure only what was asked for since."""
    ended = plan.status.last_rotation_time if _needs_a_look(plan.status, plan) else None
    found = (r for r in rotations if not r.status.phase and r.key.name not in plan.status.ran)
    return sorted((r for r in found if ended is None or r.created >= ended.replace(microsecond=0)), key=_age)


def _resting(status: PlanStatus, plan: PlanRecord) -> Problem:
    if _needs_a_look(status, plan):
        return Problem(Reason.LAST_ROTATION_FAILED, _failed(status, plan.key.name))
    ended = status.last_rotation_phase
    words = f"{status.current_id} serves; the last rotation ended {ended}" if ended else f"{status.current_id} serves"
    return Problem(ended or Reason.ADOPTED, words)


def _needs_a_look(status: PlanStatus, plan: PlanRecord) -> bool:
    """Did the last rotation go back by itself, and shall a person look before the schedule goes on?"""
    failed = status.last_rotation_phase == Phase.ROLLED_BACK and status.last_rotation_reason not in ("", "Aborted")
    return failed and plan.spec.after_failure == "Freeze"


def _failed(status: PlanStatus, name: str) -> str:
    return (
        f"{status.last_rotation} went back by itself ({status.last_rotation_reason}), so the schedule waits; "
        f"look at it, then ask for another one: kubectl keyturn rotate {name}"
    )


def _age(rotation: RotationRecord) -> tuple[datetime, str]:
    return rotation.created, rotation.key.name


def _free_name(plan: PlanRecord, rotations: Sequence[RotationRecord]) -> str:
    taken = {r.key.name for r in rotations} | set(plan.status.ran)
    number = plan.status.generation // 2 + 1
    while f"{plan.key.name}-{number}" in taken:
        number += 1
    return f"{plan.key.name}-{number}"
