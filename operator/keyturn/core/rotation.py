"""The rotation on one screen.

Two tables say what a rotation does, ``decide`` walks them. Those of a rotation whose old credential somebody else may
know, where nothing goes back, are in ``compromised``. Nothing here touches the world: the reconciler observes,
calls ``decide``, saves the rotation it returns, and only then carries out the effects.

Backward is a table of its own, not forward read in reverse: read in reverse, consumers would restart before their
Secret had been put back.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from keyturn.core import compromised
from keyturn.core.answers import YES, Answer, Fail, Pass, Wait
from keyturn.core.convergence import pods_prove, rolled
from keyturn.core.effects import (
    DisableCredential,
    Effect,
    EnableCredential,
    EndSessions,
    EnsureCredential,
    EscrowCredential,
)
from keyturn.core.gates import (
    approved,
    backend_reachable,
    discarded,
    gone,
    idle_for_soak,
    may_begin,
    new_works,
    nothing_blocks,
    old_idle,
    old_refused,
    old_serves_again,
    old_works,
    quiet_for_watch,
    secret_holds,
    secret_restored,
)
from keyturn.core.memory import back_again, heed_people, remember, run_clock, shows_old
from keyturn.core.model import (
    Existence,
    Mode,
    Observation,
    OnFailure,
    Phase,
    Problem,
    Rotation,
    Side,
    Trial,
    Verdict,
)
from keyturn.core.planning import discard, do, put, refresh, restart, retire
from keyturn.core.steps import Decision, Step, enter, to

NEW, OLD = Side.NEW, Side.OLD


#        phase            what is still to be done                  we may leave when        and must stay so
FORWARD = (
    Step(Phase.PREFLIGHT, do(),                                     nothing_blocks),
    Step(Phase.CREATE,    do(EscrowCredential(), EnsureCredential(NEW)), new_works),
    Step(Phase.STAGE,     put(NEW),                                 secret_holds(NEW),       secret_holds(NEW)),
    Step(Phase.ROLL,      restart(NEW),                             rolled(NEW)),
    Step(Phase.VERIFY,    refresh(NEW),                             pods_prove(NEW),         pods_prove(NEW)),
    Step(Phase.SOAK,      do(),                                     idle_for_soak,           old_idle),
    Step(Phase.APPROVE,   do(),                                     approved,                approved),
    Step(Phase.DISABLE,   do(DisableCredential(OLD), EndSessions(OLD)), old_refused,         old_refused),
    Step(Phase.WATCH,     do(),                                     quiet_for_watch),
    Step(Phase.DELETE,    retire(OLD),                              gone(OLD)),              # no way back
)  # fmt: skip
BACKWARD = (
    Step(Phase.ENABLE,    do(EnableCredential(OLD)),                old_serves_again,        old_works),
    Step(Phase.RESTORE,   put(OLD),                                 secret_restored,         secret_holds(OLD)),
    Step(Phase.UNROLL,    restart(OLD),                             rolled(OLD)),
    Step(Phase.CONFIRM,   refresh(OLD),                             pods_prove(OLD),         pods_prove(OLD)),
    Step(Phase.DISCARD,   discard,                                  discarded),
)  # fmt: skip

AFTER = {a.phase: b.phase for table in (FORWARD, BACKWARD) for a, b in pairwise(table)} | {
    Phase.DELETE: Phase.COMPLETE,
    Phase.DISCARD: Phase.ROLLED_BACK,
}
FINISHED = frozenset({Phase.COMPLETE, Phase.ROLLED_BACK, Phase.REFUSED})
CHANGED = frozenset(s.phase for s in FORWARD[1:-1])  # something was changed, and there is a way back
OLD_IS_OFF = frozenset({Phase.DISABLE, Phase.WATCH})
STAGED = frozenset(s.phase for s in FORWARD[3:-1])


def decide(rotation: Rotation, seen: Observation, now: datetime) -> Decision:
    """One tick: from where we are and what was seen, to where we go and what to do.

    Phases whose gates this observation passes are walked through at once; entering one does nothing yet: its first
    effect needs a fresh look, and so does every step after turning back, because pods are then asked about OLD.
    """
    decision = _once(rotation, seen, now)
    entered: list[Phase] = []
    while decision.rotation.phase not in (rotation.phase, *entered):
        entered.append(decision.rotation.phase)
        turned = decision.rotation.turned_back is not rotation.turned_back
        further = decision if turned or decision.effects else _once(decision.rotation, seen, now)
        if further.rotation.phase is not decision.rotation.phase:
            decision = further
    return _thawed(replace(decision, entered=tuple(entered)), seen)


def _once(rotation: Rotation, seen: Observation, now: datetime) -> Decision:
    if rotation.phase in FINISHED:
        return Decision(rotation)
    if seen.abort and rotation.phase is Phase.PREFLIGHT:  # nothing was changed: there is nothing to ask about
        return enter(Phase.ROLLED_BACK, rotation, now, Problem("Aborted", "aborted before anything was changed"))
    if seen.unreadable is not None:
        return Decision(rotation, (), Wait(seen.unreadable.reason, seen.unreadable.message))
    if not isinstance(down := backend_reachable(rotation, seen, now), Pass):
        return Decision(replace(rotation, down_since=rotation.down_since or now), (), down)
    rotation = heed_people(back_again(rotation, now), seen, now)
    rotation = remember(run_clock(rotation, seen, now), seen, now)
    follow = _once_gracefully if rotation.policy.mode is Mode.GRACEFUL else compromised.once
    return follow(rotation, seen, now)


def _once_gracefully(rotation: Rotation, seen: Observation, now: datetime) -> Decision:
    for rule in STANDING_RULES:
        if (decision := rule(rotation, seen, now)) is not None:
            return decision
    return _step(rotation, seen, now)


def turn_back(rotation: Rotation, seen: Observation, now: datetime) -> Decision | None:
    """An abort, or a working backend that refuses NEW, goes back."""
    if seen.abort and rotation.phase in CHANGED:
        return enter(Phase.ENABLE, rotation, now, Problem("Aborted", "aborted on request; the old credential serves"))
    refused = seen.trials.get(NEW) in (Trial.REFUSED, Trial.DISABLED, Trial.LACKING)
    if rotation.phase in STAGED and refused:
        why = "the backend works but refuses the new credential; the old one serves again"
        return enter(Phase.ENABLE, rotation, now, Problem("NewCredentialRefused", why))
    return None


def pause_on_request(rotation: Rotation, seen: Observation, now: datetime) -> Decision | None:
    """A person may stop everything but the way back to a working OLD, and the end of what cannot be undone."""
    if not seen.pause or rotation.paused is not None or rotation.phase in (Phase.ENABLE, Phase.DELETE):
        return None
    problem = Problem(
        "PausedOnRequest", "paused on request, both credentials stay valid; set spec.pause to false to go on"
    )
    return _pause(problem, rotation, now, Wait(problem.reason, problem.message))


def stay_paused(rotation: Rotation, seen: Observation, _now: datetime) -> Decision | None:
    """Paused means that a person must look; both credentials stay open meanwhile."""
    if rotation.paused is None:
        return None
    wait = Wait(rotation.paused.reason, rotation.paused.message)
    return Decision(rotation, _open_old(rotation, seen), wait)


def reopen_if_missed(rotation: Rotation, seen: Observation, now: datetime) -> Decision | None:
    """Once OLD is off, any evidence of it, or rightful use, opens it again at once."""
    if rotation.phase not in OLD_IS_OFF or (missed := _old_is_missed(seen)) is None:
        return None
    return _reopen(rotation, now, missed)


def keep_old_open(rotation: Rotation, seen: Observation, _now: datetime) -> Decision | None:
    """Until Disable, OLD must open sessions: whoever disabled it, it is enabled again from escrow."""
    if not (effects := _open_old(rotation, seen)):
        return None
    return Decision(rotation, effects, Wait("OldCredentialClosed", "the old credential was disabled too early"))


def prove_again(rotation: Rotation, seen: Observation, now: datetime) -> Decision | None:
    """What was proved is asked again, never remembered.

    In Delete there is no way back any more, but the proof must be fresh: what is lost is repaired forward or waited
    for, and Delete waits with it. A NEW that the backend has forgotten, restored from a copy, is made again.
    """
    last = rotation.phase is Phase.DELETE
    if last and (new := seen.trials.get(NEW)) in (Trial.REFUSED, Trial.DISABLED):
        again = Wait("CreatingCredential", f"the new credential does not work any more ({new}); it is made again")
        return Decision(rotation, (EnsureCredential(NEW),), again)
    closed = seen.states.get(OLD) is Existence.DISABLED
    for step in _locate(rotation.phase)[1]:
        if step.keep is None or (last and step.phase is Phase.DISABLE) or (step.phase is Phase.SOAK and closed):
            continue  # once OLD is closed, Disable's own gate asks for idleness, and ends what is left
        if not isinstance(lost := step.keep(rotation, seen, now), Pass):
            effects = step.effects(rotation, seen, now) if step.phase is not Phase.VERIFY else ()
            return Decision(rotation, effects, lost) if last else _lost(step, lost, rotation, seen, now)
    return None


STANDING_RULES = (turn_back, pause_on_request, stay_paused, reopen_if_missed, keep_old_open, prove_again)


def _step(rotation: Rotation, seen: Observation, now: datetime) -> Decision:
    here, _ = _locate(rotation.phase)
    match here.gate(rotation, seen, now):
        case Pass():
            further = AFTER[here.phase]
            barred = may_begin(further, rotation, seen)
            return enter(further, rotation, now) if barred is YES else Decision(rotation, (), barred)
        case Fail() as fail if rotation.phase in CHANGED:
            return _failed(fail, rotation, now)
        case Fail() as fail:  # going back, or past the point of no return: a person must look
            return Decision(rotation, here.effects(rotation, seen, now), fail)
        case Wait() as wait if wait.reason == "SecretForeign" and rotation.phase in CHANGED:
            return _failed(Fail(wait.reason, wait.message), rotation, now)
        case Wait() as wait:
            return Decision(rotation, here.effects(rotation, seen, now), wait)


def _failed(fail: Fail, rotation: Rotation, now: datetime) -> Decision:
    problem = Problem(fail.reason, fail.message)
    if rotation.policy.on_failure is OnFailure.PAUSE:
        return _pause(problem, rotation, now, fail)
    return enter(Phase.ENABLE, rotation, now, problem)


def _pause(problem: Problem, rotation: Rotation, now: datetime, answer: Answer) -> Decision:
    """A person must look, with both credentials open: once OLD is off it is enabled first."""
    if rotation.phase in OLD_IS_OFF:
        return Decision(replace(to(Phase.VERIFY, rotation, now), paused=problem), (EnableCredential(OLD),), answer)
    return Decision(replace(rotation, paused=problem), (), answer)


def _lost(step: Step, lost: Answer, rotation: Rotation, seen: Observation, now: datetime) -> Decision:
    """Something that was proved before does not hold any more."""
    if isinstance(lost, Fail) and rotation.phase in CHANGED:
        return _failed(lost, rotation, now)
    if step.phase in (Phase.STAGE, Phase.RESTORE):
        return _secret_lost(step, lost, rotation, seen, now)
    if rotation.phase is Phase.APPROVE and shows_old(seen):
        return replace(enter(Phase.SOAK, rotation, now), answer=lost)
    return Decision(rotation, step.effects(rotation, seen, now), lost)


def _secret_lost(step: Step, lost: Answer, rotation: Rotation, seen: Observation, now: datetime) -> Decision:
    """Repaired once. Put back again by the same field manager it is contested: pause, both valid, name the writer."""
    writer = seen.secret.writer or "an unnamed writer"
    if seen.secret.holds is Verdict.NONE:
        return Decision(rotation, (), lost)
    if seen.secret.holds is Verdict.OTHER or rotation.repaired_from == writer:
        problem = Problem(
            "SecretContested",
            f"{writer} keeps writing the Secret; both credentials stay valid. Stop it, then retry",
        )
        return _pause(problem, rotation, now, lost)
    repaired = replace(rotation, repaired_from=writer)
    if rotation.phase in OLD_IS_OFF:
        reverted = Problem("SecretReverted", f"{writer} put the old credential back into the Secret")
        return _reopen(rotation, now, reverted)  # repaired, and remembered as that, once OLD opens sessions
    return Decision(repaired, step.effects(rotation, seen, now), lost)


def _old_is_missed(seen: Observation) -> Problem | None:
    """Evidence or use of OLD by a known consumer, or use that those who judge it have found good."""
    for pod in seen.pods:
        if pod.proves in (Verdict.OLD, Verdict.MIXED):
            return Problem("PodHoldsOldCredential", f"{pod.name} of {pod.consumer} holds the old credential")
    for use in (*seen.old_sessions, *seen.old_attempts):
        if use.consumer:
            return Problem("OldCredentialMissed", f"{use.consumer} ({use.pod or use.client}) uses the old credential")
    if seen.old_accepted_by:
        who = ", ".join(seen.old_accepted_by)
        return Problem("OldCredentialMissed", f"somebody uses the old credential, and was let in by {who}")
    return None


def _reopen(rotation: Rotation, now: datetime, why: Problem) -> Decision:
    """Enable OLD and verify again: once. The second time a person must look, with OLD enabled."""
    back = replace(to(Phase.VERIFY, rotation, now), reopened=True)
    if rotation.reopened:
        back = replace(back, paused=Problem(why.reason, f"{why.message}, again; both credentials stay valid"))
    return Decision(back, (EnableCredential(OLD),), Wait(why.reason, why.message))


def _open_old(rotation: Rotation, seen: Observation) -> tuple[Effect, ...]:
    closed = seen.states.get(OLD) in (Existence.DISABLED, Existence.RETIRED)
    return (EnableCredential(OLD),) if closed and rotation.phase in CHANGED - OLD_IS_OFF else ()


def _thawed(decision: Decision, seen: Observation) -> Decision:
    """A freeze stops every change but never a re-enable."""
    allowed = tuple(e for e in decision.effects if isinstance(e, EnableCredential))
    if not seen.frozen or allowed == decision.effects:
        return decision
    return replace(decision, effects=allowed, answer=Wait("Frozen", seen.frozen))


# -------------------------------------------------------------------------------------------------- small moves


def _locate(phase: Phase) -> tuple[Step, tuple[Step, ...]]:
    for table in (FORWARD, BACKWARD):
        for i, step in enumerate(table):
            if step.phase is phase:
                return step, table[:i]
    raise LookupError(phase)


def tries(phase: Phase, old: Existence, mode: Mode = Mode.GRACEFUL) -> frozenset[Side]:
    """Which credentials to log in with in this phase, OLD being like this in the inventory.

    OLD only where an answer needs it: a login is a use. Whether it is refused is not asked before it is off: where the
    backend keeps no more than the last use, our own would pass for somebody's, and Disable would wait for itself.
    """
    if mode is not Mode.GRACEFUL:
        asked = compromised.tries(phase, mode)
    elif phase in (Phase.PREFLIGHT, Phase.ENABLE, Phase.RESTORE, Phase.UNROLL, Phase.CONFIRM, Phase.DISCARD):
        return frozenset({OLD})
    else:
        asked = frozenset({OLD, NEW}) if phase in OLD_IS_OFF else frozenset({NEW})
    return asked - {OLD} if NEW in asked and old is Existence.ACTIVE else asked
