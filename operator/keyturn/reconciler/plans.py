"""Everything about a plan but the rotation itself: open its provider, adopt, begin the next rotation, close the books,
let go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from keyturn.api.conditions import ConditionType, Reason, set_condition
from keyturn.api.plan_kinds import PlanStatus
from keyturn.api.rotation_kinds import RotationSpec
from keyturn.core.model import ObjectKey, Phase, Problem, Sameness, Trial
from keyturn.core.rendering import Place, TemplateMismatch, extract, unknown_placeholders
from keyturn.core.rotation import FINISHED
from keyturn.core.schedule import InvalidSchedule, check, due
from keyturn.ports import (
    Announcement,
    Clock,
    Cluster,
    Credential,
    Escrow,
    KeyturnError,
    Misconfigured,
    PlanRecord,
    Probes,
    Provider,
    ProviderRecord,
    Providers,
    RotationRecord,
    SecretRecord,
)
from keyturn.reconciler import checklist, record

AGAIN = timedelta(seconds=10)  # a blocked plan is looked at this often
IDLE = timedelta(minutes=10)  # drift of an idle plan is looked for this often
LET_GO_AFTER = timedelta(minutes=10)  # a deleted plan's rotation may take this long to go back
_MOST_NAMES = 1000  # of rotations that ran; older ones are far beyond any history


class Desk:
    """The paperwork around rotations."""

    def __init__(self, cluster: Cluster, providers: Providers, probes: Probes, clock: Clock) -> None:
        self._cluster, self._providers, self._probes, self._clock = cluster, providers, probes, clock

    # ------------------------------------------------------------------------------------------- provider

    async def open(self, plan: PlanRecord, active: RotationRecord | None) -> tuple[Provider, Place] | None:
        """The plan's provider, or None with the reason in the plan's conditions."""
        spec = active.status.plan if active is not None and active.status.plan is not None else plan.spec
        asked = replace(plan, spec=spec)
        try:
            found = await self._cluster.provider(asked)
            admin = await self._admin(found)
            self._admit(found, asked, admin)
            return self._providers.open(found, asked, admin), _place(found)
        except KeyturnError as error:
            await self._say(plan, error.problem)
            return None

    async def _admin(self, found: ProviderRecord) -> SecretRecord:
        backend = found.spec.postgres
        if backend is None:
            raise Misconfigured("ProviderWithoutBackend", "the provider names no backend; set spec.postgres")
        key = ObjectKey(found.key.namespace, backend.admin_secret_ref.name)
        admin = await self._cluster.secret(key)
        if admin is None:
            raise Misconfigured(
                "AdminSecretMissing", f"Secret {key.name} of the provider's adminSecretRef does not exist; create it"
            )
        return admin

    def _admit(self, found: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> None:
        name = plan.spec.secret.name
        if not found.admits_namespace:
            raise Misconfigured(
                "NamespaceNotAdmitted", "the provider's namespaceSelector does not match this namespace"
            )
        if not checklist.secret_allowed(found.spec.allow.secrets, name):
            raise Misconfigured("SecretNotAllowed", f"the provider's allow.secrets does not list {name}; ask its owner")
        if admin.key == ObjectKey(plan.key.namespace, name):
            raise Misconfigured(
                "SecretIsAdmin", "secret.name is the provider's own admin Secret; name the consumers' one"
            )

    # ------------------------------------------------------------------------------------------- adoption

    async def adopt(self, plan: PlanRecord, provider: Provider, place: Place) -> timedelta:
        """Take over the current credential without changing anything: it must render back, and it must work."""
        now = self._clock.now()
        try:
            credential = await self._current(plan, provider, place)
        except KeyturnError as error:
            await self._say(plan, error.problem)
            return AGAIN
        await self._cluster.hold_plan(plan, hold=True)
        plan = await self._cluster.plan(plan.key) or plan
        escrow = await self._cluster.escrow(plan.uid) or Escrow({}, {})
        kept = replace(escrow, values={**escrow.values, credential.id: credential.value})
        await self._cluster.save_escrow(plan, kept)
        await self._probes.arm(plan, {}, plan.spec.secret.name)
        status = plan.status.model_copy(update={"current_id": credential.id, "adopted_at": now})
        words = f"{credential.id} is what the Secret holds, and it works; nothing was changed"
        status = _ready(status, plan, now, Problem(Reason.ADOPTED, words), ready=True)
        await self._cluster.save_plan(plan, status)
        await self._cluster.announce(plan.key, "RotationPlan", plan.uid, Announcement(Reason.ADOPTED, words))
        return timedelta()

    async def _current(self, plan: PlanRecord, provider: Provider, place: Place) -> Credential:
        spec = plan.spec
        for key, template in spec.secret.keys.items():
            if unknown := unknown_placeholders(template):
                raise Misconfigured(
                    "UnknownPlaceholder", f"secret.keys.{key} names {{{unknown[0]}}}, which nobody fills"
                )
        secret = await self._cluster.secret(checklist.secret_key(plan))
        blocking = [*checklist.secret_problems(spec, secret), *await checklist.shared(self._cluster, plan)]
        if blocking or secret is None:
            raise Misconfigured(blocking[0].reason, blocking[0].message)
        try:
            login = extract(spec.secret.keys, secret.data, place)
            check(checklist.schedule(spec))
        except TemplateMismatch as error:
            raise Misconfigured("TemplateMismatch", f"secret.keys: {error}") from None
        except InvalidSchedule as error:
            raise Misconfigured("InvalidSchedule", str(error)) from None
        credential = Credential(login.username, login.password)
        same = await provider.same_system(credential)
        if same is Sameness.DIFFERENT:
            raise Misconfigured(
                "WrongSystem",
                "the provider's endpoint is not the system that the Secret's credential opens; fix the provider",
            )
        trial = await provider.test(credential)
        if trial is not Trial.WORKS or same is Sameness.UNKNOWN:
            raise Misconfigured(
                "CurrentCredentialDoesNotWork", f"a login with the Secret's credential ({credential.id}): {trial}"
            )
        if blocked := await provider.preflight(credential):
            raise Misconfigured(blocked[0].reason, blocked[0].message)
        return credential

    # ---------------------------------------------------------------------------------- between rotations

    async def next(
        self, plan: PlanRecord, rotations: Sequence[RotationRecord], ended: RotationRecord | None
    ) -> timedelta | None:
        """Close the books on the one that ended, refuse replays, begin the next one, or wait for the schedule."""
        if plan.status.active_rotation:
            await self._close_books(plan, ended)
            return timedelta()
        for replay in (r for r in rotations if not r.status.phase and r.key.name in plan.status.ran):
            await self._refuse(replay)
        waiting = sorted((r for r in rotations if not r.status.phase and r.key.name not in plan.status.ran), key=_age)
        await self._forget_oldest(plan, rotations)
        if plan.spec.suspend:
            return await self._rest(plan, Problem(Reason.SUSPENDED, "suspend: true; no rotation will start"), None)
        if waiting:
            return await self._activate(plan, waiting[0])
        when = due(
            checklist.schedule(plan.spec), plan.status.last_rotation_time or plan.status.adopted_at or self._clock.now()
        )
        if when is not None and when <= self._clock.now():
            name = _free_name(plan, rotations)
            spec = RotationSpec.model_validate({"planRef": {"name": plan.key.name}, "reason": "Scheduled"})
            await self._cluster.create_rotation(plan, name, spec)
            return timedelta()
        return await self._rest(plan, _resting(plan.status), when)

    async def begin(self, plan: PlanRecord, active: RotationRecord) -> None:
        """Write the first status: the plan as it is now, the generation that was reserved."""
        now = self._clock.now()
        status = record.begin(plan.spec, plan.status.current_id, plan.status.generation - 1, active.generation, now)
        await self._cluster.save_rotation(active, status)

    async def _activate(self, plan: PlanRecord, chosen: RotationRecord) -> timedelta:
        """By one compare-and-set: exactly one active rotation a plan, with two generations of its own."""
        status = plan.status.model_copy(
            update={
                "active_rotation": chosen.key.name,
                "generation": plan.status.generation + 2,
                "ran": [*plan.status.ran, chosen.key.name][-_MOST_NAMES:],
                "last_rotation": chosen.key.name,
                "last_rotation_phase": Phase.PREFLIGHT,
            }
        )
        words = f"Rotation {chosen.key.name} is under way"
        status = _ready(status, plan, self._clock.now(), Problem(Reason.IN_PROGRESS, words), ready=True, busy=True)
        await self._cluster.save_plan(plan, status)
        return timedelta()

    async def _close_books(self, plan: PlanRecord, ended: RotationRecord | None) -> None:
        """After the end: the plan's current credential, and an escrow that holds that one only."""
        current = plan.status.current_id
        phase, when = "", self._clock.now()
        if ended is not None:
            phase, when = ended.status.phase, ended.status.completed_at or when
            if ended.status.phase == Phase.COMPLETE:
                current = ended.status.new_id
        escrow = await self._cluster.escrow(plan.uid)
        if escrow is not None and current in escrow.values and (len(escrow.values) > 1 or escrow.secret_before):
            await self._cluster.save_escrow(
                plan, replace(escrow, values={current: escrow.values[current]}, secret_before={})
            )
        await self._probes.arm(plan, {}, plan.spec.secret.name)
        status = plan.status.model_copy(
            update={
                "active_rotation": "",
                "current_id": current,
                "last_rotation_phase": phase,
                "last_rotation_time": when,
            }
        )
        status = _ready(status, plan, self._clock.now(), _resting(status), ready=True)
        await self._cluster.save_plan(plan, status)

    async def _refuse(self, replay: RotationRecord) -> None:
        """A Rotation replayed from Git or a backup never runs again."""
        now = self._clock.now()
        words = "a Rotation of this name ran already and is not run again; make one with another name"
        status = replay.status.model_copy(
            update={"phase": Phase.REFUSED, "completed_at": now, "observed_generation": replay.generation}
        )
        found = set_condition(
            status.conditions, ConditionType.READY, False, "AlreadyRan", words, replay.generation, now
        )
        found = set_condition(found, ConditionType.STALLED, True, "AlreadyRan", words, replay.generation, now)
        await self._cluster.save_rotation(replay, status.model_copy(update={"conditions": found}))

    async def _forget_oldest(self, plan: PlanRecord, rotations: Sequence[RotationRecord]) -> None:
        finished = sorted((r for r in rotations if r.status.phase in FINISHED), key=_age)
        for surplus in finished[: max(0, len(finished) - plan.spec.history_limit)]:
            await self._cluster.delete_rotation(surplus)

    async def _rest(self, plan: PlanRecord, why: Problem, when: datetime | None) -> timedelta:
        now = self._clock.now()
        status = plan.status.model_copy(update={"next_rotation_time": when})
        status = _ready(status, plan, now, why, ready=True)
        if status.model_dump() != plan.status.model_dump():
            await self._cluster.save_plan(plan, status)
        return min(IDLE, max(when - now, timedelta(seconds=1))) if when is not None else IDLE

    # --------------------------------------------------------------------------------------- letting go

    async def release(self, plan: PlanRecord) -> None:
        """The plan is deleted and nothing is under way: the Secret holds what the escrow holds; nobody is locked out."""
        await self._cluster.drop_escrow(plan.uid)
        await self._cluster.hold_plan(plan, hold=False)

    def overdue(self, plan: PlanRecord) -> bool:
        """Has going back taken longer than a deletion may wait?"""
        return plan.deleted_at is not None and self._clock.now() - plan.deleted_at > LET_GO_AFTER

    async def give_up(self, plan: PlanRecord) -> timedelta:
        """Release the plan but keep its escrow: an orphan on record, so that no credential is lost."""
        words = "deleted in the middle of a rotation that could not go back in time; its escrow is kept"
        news = Announcement("EscrowKept", words, warning=True)
        await self._cluster.announce(plan.key, "RotationPlan", plan.uid, news)
        await self._cluster.hold_plan(plan, hold=False)
        return AGAIN

    async def _say(self, plan: PlanRecord, problem: Problem) -> None:
        status = _ready(plan.status, plan, self._clock.now(), problem, ready=False)
        if status.model_dump() != plan.status.model_dump():
            await self._cluster.save_plan(plan, status)


def _resting(status: PlanStatus) -> Problem:
    ended = status.last_rotation_phase
    words = f"{status.current_id} serves; the last rotation ended {ended}" if ended else f"{status.current_id} serves"
    return Problem(ended or Reason.ADOPTED, words)


def _ready(
    status: PlanStatus, plan: PlanRecord, now: datetime, why: Problem, *, ready: bool, busy: bool = False
) -> PlanStatus:
    found = status.conditions
    states = ((ConditionType.READY, ready), (ConditionType.RECONCILING, busy), (ConditionType.STALLED, not ready))
    for type_, value in states:
        found = set_condition(found, type_, value, why.reason, why.message, plan.generation, now)
    return status.model_copy(update={"conditions": found, "observed_generation": plan.generation})


def _place(found: ProviderRecord) -> Place:
    backend = found.spec.postgres
    if backend is None:
        raise Misconfigured("ProviderWithoutBackend", "the provider names no backend; set spec.postgres")
    return Place(backend.endpoints[0].host, backend.endpoints[0].port, backend.database)


def _age(rotation: RotationRecord) -> tuple[datetime, str]:
    return rotation.created, rotation.key.name


def _free_name(plan: PlanRecord, rotations: Sequence[RotationRecord]) -> str:
    taken = {r.key.name for r in rotations} | set(plan.status.ran)
    number = plan.status.generation // 2 + 1
    while f"{plan.key.name}-{number}" in taken:
        number += 1
    return f"{plan.key.name}-{number}"
