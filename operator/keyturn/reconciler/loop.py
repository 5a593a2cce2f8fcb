"""The only loop: for one plan, what is there to do now, and when to look again.

    observe -> decide -> save -> carry out -> come round again

Status is the only memory. What is kept here between ticks is rebuildable: losing it costs observed time, never safety.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from keyturn.api.rotation_kinds import RotationStatus
from keyturn.core import model
from keyturn.core.answers import Fail
from keyturn.core.model import ObjectKey, Observation, Phase, Problem, Rotation
from keyturn.core.rotation import FINISHED, Decision, decide
from keyturn.ports import (
    Announcement,
    Clock,
    Cluster,
    KeyturnError,
    Misconfigured,
    OutcomeUnknown,
    PlanRecord,
    Probes,
    Providers,
    Reporter,
    RotationRecord,
    Unavailable,
)
from keyturn.ports.records import STATUS_UNREADABLE
from keyturn.reconciler import adopt, plans, record, recovery, users, words
from keyturn.reconciler.act import Actor
from keyturn.reconciler.adopt import Opened
from keyturn.reconciler.observe import Observer, Sight
from keyturn.reconciler.pacing import AT_REST, DURING_A_ROTATION, LATER, SOON, not_ready_since, patience
from keyturn.reconciler.scene import Scene

AT_ONCE = timedelta()
ROLLING = timedelta(seconds=2)  # while pods are waited for whose changes wake the plan
MISSED = timedelta(seconds=3)  # where refused logins can be seen: who was refused is let in again within 5 s
_MERE_NEWS = frozenset(
    {"clock", "pods", "proven", "blocked_by", "blockers", "pod_proofs", "old_sessions", "conditions"}
)
NOTE_EVERY = timedelta(seconds=10)  # blockers and counts are written this often; phases and memory at once
_ASKED = frozenset({"AwaitingApproval", "Frozen"})  # people wait to be told: written at once


class Reconciler:
    """Brings one plan one step further each time it is asked."""

    def __init__(
        self,
        cluster: Cluster,
        providers: Providers,
        probes: Probes,
        clock: Clock,
        reporter: Reporter,
        epoch: Callable[[], int],
    ) -> None:
        self._cluster, self._clock, self._reporter = cluster, clock, reporter
        self._adopter = adopt.Adopter(cluster, providers, probes, clock)
        self._desk = plans.Desk(cluster, probes, clock, reporter)
        self._observer = Observer(cluster, providers, probes, clock)
        self._recovery = recovery.Recovery(cluster, clock)
        self._actor = Actor(cluster, probes, clock, epoch)
        self._clocks: dict[str, model.Clock] = {}  # rebuildable: without it, observed time starts again
        self._noted: dict[str, datetime] = {}  # rebuildable: when blockers were last written
        self._troubles: dict[str, Problem] = {}  # rebuildable: why the last effect failed
        self._failing: dict[ObjectKey, datetime] = {}  # rebuildable: since when no step of a plan came to its end

    async def reconcile(self, key: ObjectKey) -> timedelta | None:
        """One step; returns when to look again, None for: only when woken. The ports' errors never pass here."""
        try:
            wait = await self._reconcile(key)
        except KeyturnError as error:
            self._reporter.acted(key, "reconcile", error.reason)
            since = self._failing.setdefault(key, self._clock.now())
            if isinstance(error, OutcomeUnknown):
                return SOON
            return patience(since, self._clock.now(), least=LATER, most=DURING_A_ROTATION)
        self._failing.pop(key, None)
        return wait

    async def _reconcile(self, key: ObjectKey) -> timedelta | None:
        plan = await self._cluster.plan(key)
        if plan is None:
            self._cluster.unfollow(key)
            return None
        unreadable, rotations = await self._rotations(plan)
        if unreadable is not None:
            return await self._unreadable(plan, unreadable)
        active = _following(_named(rotations, plan.status.active_rotation), plan)
        if plan.deleting and not recovery.lost(plan, active) and not _changed_something(active):
            return await self._desk.release(plan)
        if plan.deleting and self._desk.overdue(plan):
            return await self._desk.give_up(plan)
        opened = await self._adopter.open(plan, active)
        if opened is None:
            return await self._without_backend(plan, active)
        try:
            return await self._one_step(plan, rotations, active, opened)
        finally:
            await opened.provider.close()

    async def _without_backend(self, plan: PlanRecord, active: RotationRecord | None) -> timedelta:
        """Only what needs no look can be done: an abort before anything was changed."""
        rotation = None if active is None or not active.spec.abort else self._remembered(active, plan.key)
        if active is None or rotation is None or rotation.phase is not Phase.PREFLIGHT:
            most = AT_REST if active is None else DURING_A_ROTATION
            return patience(not_ready_since(plan.status), self._clock.now(), least=LATER, most=most)
        now, sight = self._clock.now(), Sight(Observation(abort=True))
        decision = decide(rotation, sight.seen, now)
        await self._tell(plan, await self._save(active, active.status, decision, sight), rotation.phase, decision)
        return AT_ONCE

    async def _one_step(
        self,
        plan: PlanRecord,
        rotations: Sequence[RotationRecord],
        active: RotationRecord | None,
        opened: Opened,
    ) -> timedelta | None:
        if not plan.status.adopted_at:
            return await self._adopter.adopt(plan, opened)
        if recovery.lost(plan, active) and await self._recovery.recover(plan, active, opened.provider):
            return SOON  # not at once: its name may be taken by a Rotation of another plan
        if active is None or not _going_on(active):
            self._cluster.unfollow(plan.key)
            return await self._desk.next(plan, rotations, active, opened.provider, opened.place)
        return await self._drive(plan, active, opened)

    async def _drive(self, plan: PlanRecord, active: RotationRecord, opened: Opened) -> timedelta:
        stored = active.status
        if stored.plan is None:  # its first status is written with the first decision
            active = self._desk.begun(plan, active)
        frozen_plan = replace(plan, spec=active.status.plan or plan.spec)
        rotation = self._remembered(active, plan.key)
        if rotation is None:
            await self._stop(active)
            return LATER
        scene = Scene(frozen_plan, active, rotation, opened.provider, opened.place, opened.terms)
        sight = await self._observer.look(scene)
        await self._remember_users(plan, sight)
        heard = self._cluster.follow(plan.key, frozen_plan.spec.secret.name, tuple(sight.workloads or ()))
        now = self._clock.now()
        decision = decide(rotation, sight.seen, now)
        active = await self._save(active, stored, decision, sight)
        if decision.entered:
            await self._tell(plan, active, rotation.phase, decision, unseen=sight.seen.use_unseen)
        await self._carry_out(replace(scene, record=active, rotation=decision.rotation), sight, decision)
        return self._pace(rotation, decision, heard=heard, blind=sight.seen.blind)

    async def _remember_users(self, plan: PlanRecord, sight: Sight) -> None:
        """The next pods' probes shall run as their apps do. Written when something was learned, which is seldom."""
        if not sight.testimonies:
            return
        consumers = frozenset(sight.workloads or ())
        learned = users.remembered(plan.status.users, consumers, sight.pods, sight.testimonies)
        if learned != plan.status.users:
            await self._cluster.save_plan(plan, plan.status.model_copy(update={"users": learned}))

    def _remembered(self, active: RotationRecord, key: ObjectKey) -> Rotation | None:
        """None: written by a version that knows other phases."""
        try:
            rotation = record.load(active, key)
        except ValueError:
            return None
        return replace(rotation, clock=self._clocks.get(f"{active.uid}/{rotation.phase}", rotation.clock))

    async def _rotations(self, plan: PlanRecord) -> tuple[Problem | None, Sequence[RotationRecord]]:
        """The one that runs; if none does, all that did not come to their end.

        A plan whose status cannot be read may be in mid-rotation: it is not even let go.
        """
        if plan.invalid is not None and not (plan.deleting and plan.invalid.reason != STATUS_UNREADABLE):
            return plan.invalid, ()
        try:
            if not plan.status.active_rotation:
                return None, await self._cluster.rotations(plan.key, finished=False)
            found = await self._cluster.rotation(ObjectKey(plan.key.namespace, plan.status.active_rotation))
        except Misconfigured as error:
            return error.problem, ()
        return None, [found] if found is not None and found.spec.plan_ref.name == plan.key.name else []

    async def _stop(self, active: RotationRecord) -> None:
        """Say that nothing is done, and change nothing of what the other version remembers."""
        fresh = record.unknown(active.status, active.generation, self._clock.now())
        if fresh.model_dump() != active.status.model_dump():
            await self._cluster.save_rotation(active, fresh)

    async def _unreadable(self, plan: PlanRecord, problem: Problem) -> timedelta:
        """Another version wrote something that this one cannot read: whoever wrote it goes on."""
        news = Announcement(problem.reason, problem.message, warning=True)
        await self._cluster.announce(plan.key, "RotationPlan", plan.uid, news)
        await self._adopter.say(plan, problem)
        return LATER

    async def _save(
        self, active: RotationRecord, stored: RotationStatus, decision: Decision, sight: Sight
    ) -> RotationRecord:
        """Before any effect, and compare-and-set: whoever lost the race carries nothing out."""
        now = self._clock.now()
        self._clocks = {k: v for k, v in self._clocks.items() if not k.startswith(f"{active.uid}/")}
        self._clocks[f"{active.uid}/{decision.rotation.phase}"] = decision.rotation.clock
        trouble = self._troubles.get(active.uid)
        fresh = record.store(active.status, decision, sight.seen, trouble, active.generation, now)
        if _same_memory(fresh, stored) and not _starts_again(fresh, stored):
            told = self._noted.get(active.uid)
            late = told is None or now - told >= NOTE_EVERY
            asking = fresh.blocked_by != stored.blocked_by and fresh.blocked_by in _ASKED
            if _same_news(fresh, stored) or not (late or asking):
                return active
        self._noted[active.uid] = now
        return await self._cluster.save_rotation(active, fresh)

    async def _tell(
        self, plan: PlanRecord, active: RotationRecord, before: Phase, decision: Decision, *, unseen: bool = False
    ) -> None:
        rotation = decision.rotation
        for phase in decision.entered:
            why = rotation.turned_back if phase in (Phase.ENABLE, Phase.ROLLED_BACK) else None
            again = phase is Phase.VERIFY and before is not Phase.ROLL
            self._reporter.moved(plan.key, active.key.name, before, phase, why.reason if why else "")
            before = phase
            if again or phase in words.MILESTONES:
                told = words.entered(rotation, phase, again=again, unseen=unseen)
                news = Announcement(why.reason if why else str(phase), told, warning=why is not None or again)
                await self._cluster.announce(active.key, "Rotation", active.uid, news)

    async def _carry_out(self, scene: Scene, sight: Sight, decision: Decision) -> None:
        for effect in decision.effects:
            name = type(effect).__name__
            try:
                await self._actor.carry_out(effect, scene, sight)
            except KeyturnError as error:
                self._reporter.acted(scene.plan.key, name, error.reason)
                self._troubles[scene.record.uid] = error.problem
                problem = Announcement(error.reason, f"{name}: {error.message}", warning=True)
                if not isinstance(error, (Unavailable, OutcomeUnknown)):
                    await self._cluster.announce(scene.record.key, "Rotation", scene.record.uid, problem)
                raise
            self._reporter.acted(scene.plan.key, name, "Done")
        self._troubles.pop(scene.record.uid, None)

    def _pace(self, before: Rotation, decision: Decision, *, heard: bool, blind: bool) -> timedelta:
        after = decision.rotation
        if after.phase is not before.phase:
            return AT_ONCE
        if after.down_since is not None:
            least = LATER if after.phase is Phase.PREFLIGHT else SOON
            return patience(after.down_since, self._clock.now(), least=least, most=DURING_A_ROTATION)
        if after.phase is Phase.WATCH and not blind:
            return min(after.policy.sample_every, MISSED)
        if after.phase in (Phase.SOAK, Phase.WATCH) or (after.phase is Phase.DISCARD and not decision.effects):
            return after.policy.sample_every
        waiting_for_people = after.paused is not None or isinstance(decision.answer, Fail)
        if waiting_for_people or after.phase in (Phase.PREFLIGHT, Phase.APPROVE):
            return LATER
        return ROLLING if heard and after.phase in (Phase.ROLL, Phase.UNROLL) else SOON


def _going_on(active: RotationRecord | None) -> bool:
    return active is not None and active.status.phase not in FINISHED


def _changed_something(active: RotationRecord | None) -> bool:
    return active is not None and _going_on(active) and active.status.phase not in ("", Phase.PREFLIGHT)


def _following(active: RotationRecord | None, plan: PlanRecord) -> RotationRecord | None:
    """Until something is changed a rotation follows its plan, so that mending the plan lets it go on."""
    if active is None or active.status.phase != Phase.PREFLIGHT:
        return active
    return replace(
        active, status=active.status.model_copy(update={"plan": plan.spec, "plan_generation": plan.generation})
    )


def _named(rotations: Sequence[RotationRecord], name: str) -> RotationRecord | None:
    return next((r for r in rotations if name and r.key.name == name), None)


def _same_memory(fresh: RotationStatus, stored: RotationStatus) -> bool:
    """Equal in everything a decision rests on; the clock is written with the news."""
    return _equal_but(_MERE_NEWS, fresh, stored)


def _starts_again(fresh: RotationStatus, stored: RotationStatus) -> bool:
    """Observed time is lost: a new process must not find it again."""
    return fresh.clock.observed < stored.clock.observed


def _same_news(fresh: RotationStatus, stored: RotationStatus) -> bool:
    return _equal_but(frozenset({"clock"}), fresh, stored)


def _equal_but(ignored: frozenset[str], fresh: RotationStatus, stored: RotationStatus) -> bool:
    """Field by field: to serialise both for a comparison would cost more than the whole decision."""
    fields = RotationStatus.model_fields
    return all(getattr(fresh, name) == getattr(stored, name) for name in fields if name not in ignored)
