"""Between a Rotation's status, which is the only memory, and the core's values. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from keyturn.api.base import Condition
from keyturn.api.conditions import ConditionType, Reason, condition, set_condition
from keyturn.api.plan_kinds import RotationPlanSpec
from keyturn.api.rotation_kinds import (
    ApprovalState,
    Blocker,
    ObservedClock,
    PhaseEntry,
    PodCount,
    PodLine,
    RollStart,
    RotationStatus,
    SessionLine,
    Unchecked,
)
from keyturn.core import convergence, gates
from keyturn.core.model import (
    Clock,
    Consent,
    Existence,
    Kind,
    Mode,
    ObjectKey,
    Observation,
    OnFailure,
    Phase,
    PodProof,
    Policy,
    Problem,
    Rotation,
    Side,
    Trial,
)
from keyturn.core.rotation import BACKWARD, FINISHED, FORWARD, Decision
from keyturn.core.steps import enter
from keyturn.ports import PlanRecord, RotationRecord

MOST_LINES = 50
_BACKWARD_PHASES = frozenset(s.phase for s in BACKWARD) | {Phase.ROLLED_BACK}
_ORDER = {phase: i for i, phase in enumerate([s.phase for s in FORWARD] + [Phase.COMPLETE])}
_ALL_AT_ONCE = 1000  # contained, consumers are cut off until they have rolled: nobody waits for another
_SAMPLE_LEAST, _SAMPLE_MOST = timedelta(seconds=1), timedelta(seconds=5)


def target(phase: Phase) -> Side:
    """What pods shall prove in this phase."""
    return Side.OLD if phase in _BACKWARD_PHASES else Side.NEW


def policy(spec: RotationPlanSpec, mode: str = Mode.GRACEFUL) -> Policy:
    """The plan's wishes as plain values. Samples are close enough together that a soak has at least six."""
    shortest = min(spec.verify.soak, spec.retire.watch)
    return Policy(
        require=frozenset(Kind(kind) for kind in spec.verify.require),
        soak=spec.verify.soak,
        watch=spec.retire.watch,
        progress_deadline=spec.rollout.progress_deadline,
        proof_deadline=spec.verify.proof_deadline,
        sample_every=min(_SAMPLE_MOST, max(_SAMPLE_LEAST, shortest / 6)),
        max_parallel=spec.rollout.max_parallel if mode != Mode.CONTAINMENT else _ALL_AT_ONCE,
        on_failure=OnFailure(spec.on_failure),
        approvals=spec.retire.approvals,
        mode=Mode(mode),
    )


def begin(spec: RotationPlanSpec, old_id: str, generation: int, observed: int, now: datetime) -> RotationStatus:
    """The first status of a Rotation: the plan as it is now, and the generation reserved for it."""
    return RotationStatus(
        observed_generation=observed,
        phase=Phase.PREFLIGHT,
        entered_at=now,
        plan=spec,
        generation=generation,
        old_id=old_id,
        history=[PhaseEntry(phase=Phase.PREFLIGHT, at=now)],
    )


def recovered(
    found: RotationRecord, plan: PlanRecord, new_id: str, old: Existence | None, now: datetime
) -> RotationStatus:
    """The status of a Rotation made anew, when the one that ran was deleted in the middle, and its memory with it.

    It goes back; if OLD is retired already, or somebody else may know it, it goes on, and everything is asked again.
    """
    first = begin(plan.spec, plan.status.current_id, plan.status.generation - 1, found.generation, now)
    rotation = replace(load(replace(found, status=first), plan.key), new_id=new_id, staged_at=now)  # it may have been
    gone = old in (Existence.RETIRED, Existence.ABSENT, None)
    phase = Phase.DELETE if gone else Phase.ENABLE if rotation.policy.mode is Mode.GRACEFUL else Phase.CREATE
    why = Problem("RotationLost", "the Rotation was deleted in the middle; the old credential serves again")
    decision = enter(phase, rotation, now, why if phase is Phase.ENABLE else None)
    return store(first, replace(decision, entered=(phase,)), None, None, found.generation, now)


def load(record: RotationRecord, plan: ObjectKey) -> Rotation:
    """The core's view of a stored status. Raises ValueError for a phase this version does not know."""
    status = record.status
    if status.plan is None:
        raise ValueError("a rotation without its plan's snapshot")
    return Rotation(
        uid=record.uid,
        name=record.key.name,
        plan=plan,
        policy=policy(status.plan, record.spec.mode),
        phase=Phase(status.phase),
        entered=status.entered_at,
        generation=status.generation,
        old_id=status.old_id,
        new_id=status.new_id,
        staged_at=status.staged_at,
        disabled_at=status.disabled_at,
        connected_before=tuple(status.connected_before),
        roll_started={f"{r.consumer}@{r.generation}": r.at for r in status.roll_started},
        clock=Clock(status.clock.observed, status.clock.last),
        reopened=status.reopened,
        repaired_from=status.repaired_from,
        retried=status.retried,
        down_since=status.down_since,
        paused=Problem(status.paused.reason, status.paused.message) if status.paused else None,
        turned_back=Problem(status.turned_back.reason, status.turned_back.message) if status.turned_back else None,
    )


def store(
    before: RotationStatus,
    decision: Decision,
    seen: Observation | None,
    trouble: Problem | None,
    generation: int,
    now: datetime,
) -> RotationStatus:
    """The status after a decision: memory, record and what people read. ``trouble``: why the last effect failed."""
    rotation = decision.rotation
    blockers = [*([b] if (b := _as_blocker(trouble)) is not None else []), *_blockers(decision)]
    pods = seen.pods if seen is not None else ()
    proven = [p for p in pods if p.proves is gates.wanted(target(rotation.phase))]
    changes: dict[str, object] = {
        "observed_generation": generation,
        "phase": rotation.phase,
        "entered_at": rotation.entered,
        "old_id": rotation.old_id,
        "new_id": rotation.new_id,
        "staged_at": rotation.staged_at,
        "disabled_at": rotation.disabled_at,
        "connected_before": list(rotation.connected_before),
        "roll_started": [_roll(k, at) for k, at in sorted(rotation.roll_started.items())],
        "clock": ObservedClock(observed=rotation.clock.observed, last=rotation.clock.last),
        "reopened": rotation.reopened,
        "repaired_from": rotation.repaired_from,
        "retried": rotation.retried,
        "down_since": rotation.down_since,
        "paused": _as_blocker(rotation.paused),
        "turned_back": _as_blocker(rotation.turned_back),
        "blocked_by": blockers[0].reason if blockers else "",
        "blockers": blockers[:MOST_LINES],
        "history": _history(before, decision, now),
    }
    if seen is not None and before.phase == Phase.PREFLIGHT:
        changes["unchecked"] = [Unchecked(reason=p.reason, message=p.message) for p in seen.unchecked]
    if pods or rotation.phase not in FINISHED:
        changes["pods"] = PodCount(total=len(pods), proven=len(proven))
        changes["proven"] = f"{len(proven)}/{len(pods)}" if pods else ""
        changes["pod_proofs"] = _lines(pods, target(rotation.phase))
        changes["old_sessions"] = _sessions(rotation, seen)
    if seen is not None and seen.consent.digest:
        changes["approval"] = _approval(seen.consent)
    if rotation.phase in FINISHED:
        changes["completed_at"] = before.completed_at or now
        changes["blocked_by"] = ""
        changes["blockers"] = []
    fresh = before.model_copy(update=changes)
    return fresh.model_copy(update={"conditions": conditions(fresh, decision, seen, now)})


def unknown(status: RotationStatus, generation: int, now: datetime) -> RotationStatus:
    """The status of a rotation whose phase this version does not know: three conditions say so, nothing else moves."""
    why = Problem(
        "UnknownPhase",
        f"another version of Keyturn brought this rotation to {status.phase}; this version does nothing with it and "
        "both credentials stay as they are. Run that version, or a newer one, again",
    )
    found = status.conditions
    states = ((ConditionType.READY, False), (ConditionType.RECONCILING, False), (ConditionType.STALLED, True))
    for type_, value in states:
        found = set_condition(found, type_, value, why.reason, why.message, generation, now)
    return status.model_copy(update={"conditions": found})


def conditions(status: RotationStatus, decision: Decision, seen: Observation | None, now: datetime) -> list[Condition]:
    """For machines: kstatus' three, and one for each thing that was proved."""
    rotation, found = decision.rotation, list(status.conditions)
    finished, complete = rotation.phase in FINISHED, rotation.phase is Phase.COMPLETE
    stuck = rotation.paused is not None or (isinstance(decision.answer, gates.Fail) and not finished)
    reason, message = _headline(decision)
    if complete and status.unchecked:
        message += f". Not looked at: {', '.join(note.reason for note in status.unchecked)}"
    states: list[tuple[ConditionType, bool | None, str, str]] = [
        (ConditionType.READY, complete, reason, message),
        (ConditionType.RECONCILING, not finished and not stuck, reason, message),
        (ConditionType.STALLED, stuck, reason, message),
    ]
    if not finished and seen is not None:
        states += _proofs(rotation, seen)
    frozen = seen.frozen if seen is not None else ""
    if frozen or condition(found, ConditionType.FROZEN) is not None:
        states.append((ConditionType.FROZEN, bool(frozen), Reason.FROZEN if frozen else Reason.AS_EXPECTED, frozen))
    for type_, value, why, words in states:
        found = set_condition(found, type_, value, why, words, status.observed_generation, now)
    return found


def _proofs(rotation: Rotation, seen: Observation) -> list[tuple[ConditionType, bool | None, str, str]]:
    now = rotation.entered or datetime.min.replace(tzinfo=UTC)
    side = target(rotation.phase)
    asked = (
        (ConditionType.CONSUMERS_CONVERGED, convergence.rolled(side)),
        (ConditionType.PODS_PROVEN, convergence.pods_prove(side)),
        (ConditionType.OLD_CREDENTIAL_IDLE, gates.old_idle),
    )
    begun = rotation.staged_at is not None
    states: list[tuple[ConditionType, bool | None, str, str]] = []
    new = seen.trials.get(Side.NEW, Trial.NOT_ASKED)
    if new is not Trial.NOT_ASKED:
        told = f"a login with the new credential: {gates.told(seen, Side.NEW)}"
        states.append((ConditionType.NEW_CREDENTIAL_WORKS, new is Trial.WORKS, str(new), told))
    old = seen.trials.get(Side.OLD, Trial.NOT_ASKED)
    if old is not Trial.NOT_ASKED and rotation.phase is not Phase.PREFLIGHT:
        told = f"a login with the old credential: {gates.told(seen, Side.OLD)}"
        states.append((ConditionType.OLD_CREDENTIAL_REFUSED, old is Trial.DISABLED, str(old), told))
    if seen.consent.digest:
        asked = (*asked, (ConditionType.APPROVED, gates.approved))
    for type_, gate in asked if begun else ():
        match gate(rotation, seen, now):
            case gates.Pass() if type_ is ConditionType.OLD_CREDENTIAL_IDLE and seen.use_unseen:
                words = "the backend cannot say who uses it; the plan accepts that the pods' proof stands for it"
                states.append((type_, None, "NotObservable", words))
            case gates.Pass():
                states.append((type_, True, Reason.AS_EXPECTED, ""))
            case gates.Wait() | gates.Fail() as other:
                states.append((type_, False, other.reason, other.message))
    return states


def _headline(decision: Decision) -> tuple[str, str]:
    rotation = decision.rotation
    if rotation.phase is Phase.COMPLETE:
        return Reason.COMPLETE, f"{rotation.old_id} is retired; every pod proved {rotation.new_id}"
    if rotation.phase is Phase.ROLLED_BACK:
        why = f": {rotation.turned_back.message}" if rotation.turned_back else ""
        return Reason.ROLLED_BACK, f"{rotation.old_id} serves again{why}"
    if rotation.phase is Phase.REFUSED:
        return Reason.REFUSED, "this Rotation does not run; make one with another name"
    if rotation.paused is not None:
        return rotation.paused.reason, rotation.paused.message
    if isinstance(decision.answer, gates.Pass):
        return Reason.IN_PROGRESS, f"in {rotation.phase}"
    return decision.answer.reason, decision.answer.message


def _blockers(decision: Decision) -> list[Blocker]:
    if decision.rotation.paused is not None:
        return [Blocker(reason=decision.rotation.paused.reason, message=decision.rotation.paused.message)]
    if isinstance(decision.answer, gates.Pass):
        return []
    first = Blocker(reason=decision.answer.reason, message=decision.answer.message)
    rest = [
        Blocker(reason=b.reason, message=b.message, pod=b.pod, consumer=b.consumer) for b in decision.answer.blockers
    ]
    return [first, *(b for b in rest if (b.reason, b.message) != (first.reason, first.message))]


def _as_blocker(problem: Problem | None) -> Blocker | None:
    return Blocker(reason=problem.reason, message=problem.message) if problem else None


def _approval(consent: Consent) -> ApprovalState:
    return ApprovalState(
        needed=consent.needed,
        digest=consent.digest,
        consumers=list(consent.consumers),
        approvers=list(consent.approvers),
        void=[problem.message for problem in consent.void[:MOST_LINES]],
    )


def _roll(key: str, at: datetime) -> RollStart:
    consumer, _, generation = key.rpartition("@")
    return RollStart(consumer=consumer, generation=int(generation), at=at)


def _history(before: RotationStatus, decision: Decision, now: datetime) -> list[PhaseEntry]:
    """One line for each phase that was entered."""
    entries = list(before.history)
    former = Phase(before.phase)
    for phase in decision.entered:
        why = decision.rotation.turned_back if phase in (Phase.ENABLE, Phase.ROLLED_BACK) else None
        again = former in _ORDER and _ORDER.get(phase, 99) < _ORDER[former]
        reason = why.reason if why else "Reopened" if again else ""
        entries.append(PhaseEntry(phase=phase, at=now, reason=reason, message=why.message if why else ""))
        former = phase
    return entries


def _lines(pods: Sequence[PodProof], side: Side) -> list[PodLine]:
    unproven_first = sorted(pods, key=lambda p: (p.proves is gates.wanted(side), p.consumer, p.name))
    return [
        PodLine(
            pod=p.name,
            consumer=p.consumer,
            proves=p.proves,
            evidence={str(k): str(v) for k, v in sorted(p.evidence.items())},
            why=p.why,
            terminating=p.terminating,
        )
        for p in unproven_first[:MOST_LINES]
    ]


def _sessions(rotation: Rotation, seen: Observation | None) -> list[SessionLine]:
    if seen is None:
        return []
    return [
        SessionLine(principal=rotation.old_id, client=s.client, consumer=s.consumer, pod=s.pod, since=s.since)
        for s in sorted(seen.old_sessions, key=lambda s: (s.consumer, s.client))[:MOST_LINES]
    ]
