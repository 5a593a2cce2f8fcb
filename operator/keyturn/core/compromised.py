"""A rotation whose old credential somebody else may know: nothing enables OLD again, and nothing goes back.

Two tables, both forward only. Availability keeps the order of an ordinary rotation, without window and soak.
Containment cuts OLD off first: pods that hold it cannot open new sessions until they have rolled. Failure stops with
what is valid then, and a person decides; a retry goes on forward. Rights of NEW come from the baseline that the plan
declares, never from what OLD has now: whoever holds OLD may have changed that.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from keyturn.core.answers import YES, Answer, Blocker, Fail, Pass, Wait
from keyturn.core.convergence import pods_prove, rolled
from keyturn.core.effects import (
    ContainCredential,
    DisableCredential,
    Effect,
    EndSessions,
    EnsureCredential,
    EscrowCredential,
)
from keyturn.core.gates import (
    approved,
    gone,
    may_begin,
    new_works,
    old_idle,
    quiet_for_watch,
    secret_holds,
    told,
    waiting,
)
from keyturn.core.model import Existence, Mode, Observation, Phase, Problem, Rotation, Sameness, Side, Trial, Verdict
from keyturn.core.planning import do, put, refresh, restart, retire
from keyturn.core.steps import Decision, Step, enter

NEW, OLD = Side.NEW, Side.OLD

# What blocks an ordinary rotation and must not block this one: whoever holds OLD could bring it about, or it can wait.
_EXCUSED = frozenset({
    "StrangerInInventory",
    "UnknownSession",
    "BlindSoak",
    "BlindWatch",
    "WatchTooShort",
    "RotatorTurning",
    "RotatorInUse",
})  # fmt: skip
_EXCUSED_IN_CONTAINMENT = _EXCUSED | {
    "ConsumerMissing",
    "ConsumerPaused",
    "ConsumerRolling",
    "ConsumerUnhealthy",
    "ConsumerWouldBeUnavailable",
    "NoConsumer",
    "ProbeSilent",
    "RotatorUnproven",
}


def nothing_forbids(rotation: Rotation, seen: Observation, _now: datetime) -> Answer:
    """The target is not another system, and nothing stands in the way that is not this rotation's very reason."""
    if seen.system is Sameness.DIFFERENT:
        return Wait("WrongSystem", "the provider's endpoint is not the system of the Secret; fix the provider")
    excused = _EXCUSED_IN_CONTAINMENT if rotation.policy.mode is Mode.CONTAINMENT else _EXCUSED
    problems = [p for p in seen.problems if p.reason not in excused]
    if not problems:
        return YES
    blockers = tuple(Blocker(p.reason, p.message) for p in problems)
    return Wait(problems[0].reason, problems[0].message, blockers)


def cut_off(rotation: Rotation, seen: Observation, now: datetime) -> tuple[Effect, ...]:
    """NEW and the end of OLD in one transaction; for the first time only while the approvals hold."""
    first = rotation.disabled_at is None
    if first and not isinstance(approved(rotation, seen, now), Pass):
        return ()
    return (EscrowCredential(), ContainCredential(seen.consent.strangers))


def contained(rotation: Rotation, seen: Observation, now: datetime) -> Answer:
    """OLD is off at the backend and opens nothing, NEW works and is in escrow, and no session of OLD is left."""
    off = seen.states.get(OLD) in (Existence.DISABLED, Existence.RETIRED, Existence.ABSENT)
    old = seen.trials.get(OLD, Trial.NOT_ASKED)  # its holder may have changed the value: then it is "wrong"
    if not off or old not in (Trial.DISABLED, Trial.REFUSED):
        words = f"cutting off the old credential; a login with it: {told(seen, OLD)}"
        return waiting(seen, OLD, "OldCredentialNotRefused", words)
    if not isinstance(works := new_works(rotation, seen, now), Pass):
        return works
    return old_idle(rotation, seen, now)


#        phase            what is still to be done                  we may leave when        and must stay so
AVAILABILITY = (
    Step(Phase.PREFLIGHT, do(),                                     nothing_forbids),
    Step(Phase.CREATE,    do(EscrowCredential(), EnsureCredential(NEW)), new_works,          new_works),
    Step(Phase.STAGE,     put(NEW),                                 secret_holds(NEW),       secret_holds(NEW)),
    Step(Phase.ROLL,      restart(NEW),                             rolled(NEW)),
    Step(Phase.VERIFY,    refresh(NEW),                             pods_prove(NEW),         pods_prove(NEW)),
    Step(Phase.APPROVE,   do(),                                     approved,                approved),
    Step(Phase.DISABLE,   do(DisableCredential(OLD), EndSessions(OLD)), contained,           contained),
    Step(Phase.WATCH,     do(),                                     quiet_for_watch),
    Step(Phase.DELETE,    retire(OLD),                              gone(OLD)),
)  # fmt: skip
CONTAINMENT = (
    Step(Phase.PREFLIGHT, do(),                                     nothing_forbids),
    Step(Phase.APPROVE,   do(),                                     approved),
    Step(Phase.CREATE,    cut_off,                                  contained,               contained),
    Step(Phase.STAGE,     put(NEW),                                 secret_holds(NEW),       secret_holds(NEW)),
    Step(Phase.ROLL,      restart(NEW),                             rolled(NEW)),
    Step(Phase.VERIFY,    refresh(NEW),                             pods_prove(NEW),         pods_prove(NEW)),
    Step(Phase.WATCH,     do(),                                     quiet_for_watch),
    Step(Phase.DELETE,    retire(OLD),                              gone(OLD)),
)  # fmt: skip
TABLES = {Mode.AVAILABILITY: AVAILABILITY, Mode.CONTAINMENT: CONTAINMENT}


def once(rotation: Rotation, seen: Observation, now: datetime) -> Decision:
    """One step of the table of this mode. There is no other direction."""
    if (held := _held(rotation, seen, now)) is not None:
        return held
    table = TABLES[rotation.policy.mode]
    at = [step.phase for step in table].index(rotation.phase)
    for step in table[:at]:
        if step.keep is not None and not isinstance(lost := step.keep(rotation, seen, now), Pass):
            return _mend(step, lost, rotation, seen, now)
    here = table[at]
    match here.gate(rotation, seen, now):
        case Pass():
            return _onward(table[at + 1].phase if at + 1 < len(table) else Phase.COMPLETE, rotation, seen, now)
        case Fail() as fail:
            return _paused(Problem(fail.reason, fail.message), rotation)
        case Wait() as wait:
            return Decision(rotation, here.effects(rotation, seen, now), wait)


def _held(rotation: Rotation, seen: Observation, now: datetime) -> Decision | None:
    """Aborted before the first change, or paused: by itself, or on request."""
    if seen.abort and rotation.policy.mode is Mode.CONTAINMENT and rotation.phase is Phase.APPROVE:
        return enter(Phase.ROLLED_BACK, rotation, now, Problem("Aborted", "aborted before anything was changed"))
    if seen.pause and rotation.paused is None and rotation.phase is not Phase.DELETE:
        return _paused(Problem("PausedOnRequest", "paused on request; set spec.pause to false to go on"), rotation)
    return _paused(rotation.paused, rotation) if rotation.paused is not None else None


def tries(phase: Phase, mode: Mode) -> frozenset[Side]:
    """OLD is tried from the moment on that it is cut off, to the very end: its refusal is what is claimed."""
    table = [step.phase for step in TABLES[mode]]
    first = Phase.CREATE if mode is Mode.CONTAINMENT else Phase.DISABLE
    if phase is Phase.PREFLIGHT or phase not in table:
        return frozenset({OLD})
    return frozenset({OLD, NEW}) if table.index(phase) >= table.index(first) else frozenset({NEW})


def _onward(phase: Phase, rotation: Rotation, seen: Observation, now: datetime) -> Decision:
    if (barred := may_begin(phase, rotation, seen)) is not YES:
        return Decision(rotation, (), barred)
    decision = enter(phase, rotation, now)
    off = rotation.policy.mode is Mode.CONTAINMENT and rotation.phase is Phase.CREATE
    return replace(decision, rotation=replace(decision.rotation, disabled_at=now)) if off else decision


def _paused(problem: Problem, rotation: Rotation) -> Decision:
    """Nothing moves, and nothing is enabled: what is valid now stays valid until a person acts."""
    return Decision(replace(rotation, paused=problem), (), Wait(problem.reason, problem.message))


def _mend(step: Step, lost: Answer, rotation: Rotation, seen: Observation, now: datetime) -> Decision:
    """Forward only: done again, or waited for. A Secret that another writer puts back is repaired once."""
    if isinstance(lost, Fail):
        return _paused(Problem(lost.reason, lost.message), rotation)
    if step.phase is Phase.STAGE and seen.secret.holds is not Verdict.NONE:
        writer = seen.secret.writer or "an unnamed writer"
        if seen.secret.holds is Verdict.OTHER or rotation.repaired_from == writer:
            words = f"{writer} keeps writing the Secret; stop it from doing so, then try again"
            return _paused(Problem("SecretContested", words), rotation)
        rotation = replace(rotation, repaired_from=writer)
    return Decision(rotation, step.effects(rotation, seen, now), lost)
