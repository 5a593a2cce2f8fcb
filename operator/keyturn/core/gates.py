"""Questions about one observation, one sentence each: yes, not yet, no.

Gates look; they never act. What they can answer stands in ``answers``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from keyturn.core.answers import YES, Answer, Blocker, Fail, Gate, Pass, Wait
from keyturn.core.model import (
    Existence,
    Idle,
    Mode,
    Observation,
    Phase,
    Reach,
    Rotation,
    Sameness,
    SessionSeen,
    Side,
    Trial,
    Verdict,
)

NOT_ASKED = Wait("PodsUnproven", "the pods are about to be asked")
BEGINNINGS = frozenset({Phase.CREATE, Phase.STAGE, Phase.DISABLE, Phase.DELETE})  # each begins a change
UNSETTLED = 0  # in roll_started, instead of a generation: since when somebody else's change has been unfinished


def wanted(side: Side) -> Verdict:
    """The verdict that speaks for this side."""
    return Verdict.NEW if side is Side.NEW else Verdict.OLD


# ----------------------------------------------------------------------------------------------- Preflight


def nothing_blocks(_rotation: Rotation, seen: Observation, _now: datetime) -> Answer:
    """The target is the declared system, OLD works and is what the Secret holds, nothing on the checklist blocks."""
    first = _before_anything(seen)
    problems = [*first, *((p.reason, p.message) for p in seen.problems)]
    if not problems:
        return YES
    return Wait(*problems[0], tuple(Blocker(reason, message) for reason, message in problems))


def _before_anything(seen: Observation) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if seen.system is Sameness.DIFFERENT:
        found.append(
            (
                "WrongSystem",
                "the provider's endpoint is not the system that the Secret's credential opens; fix the provider",
            )
        )
    elif seen.system is Sameness.UNKNOWN:
        found.append(("SystemUnproven", "it is not proved yet that provider and Secret speak of the same system"))
    if seen.trials.get(Side.OLD) is not Trial.WORKS and seen.system is not Sameness.DIFFERENT:
        found.append(_current_not_shown_to_work(seen))
    if seen.secret.holds is not Verdict.OLD:
        found.append(
            (
                "SecretDiffers",
                "the Secret does not hold the current credential as the templates render it; nothing was changed",
            )
        )
    return found


def _current_not_shown_to_work(seen: Observation) -> tuple[str, str]:
    """Nobody shall mend the Secret because of somebody who is late: then the backend's own reason counts."""
    if awaited := seen.awaits.get(Side.OLD):
        why = f"the current credential is not proved to be accepted everywhere: {awaited.message}"
        return awaited.reason, f"{why}; nothing was changed"
    shown = told(seen, Side.OLD)
    return "CurrentCredentialDoesNotWork", f"a login with the current credential: {shown}; nothing was changed"


def may_begin(phase: Phase, rotation: Rotation, seen: Observation) -> Answer:
    """If it begins a change: nobody froze anything, and the plan's window is open, which binds only the graceful."""
    if phase not in BEGINNINGS:
        return YES
    if seen.frozen:
        return Wait("Frozen", seen.frozen)
    if seen.window_open or rotation.policy.mode is not Mode.GRACEFUL:
        return YES
    return Wait("OutsideWindow", "waiting for the plan's maintenance window")


# ------------------------------------------------------------------------------------ credentials at the backend


def new_works(rotation: Rotation, seen: Observation, now: datetime) -> Answer:
    """NEW logs in through the consumers' endpoints, to the same system, with the same rights."""
    match seen.trials.get(Side.NEW, Trial.NOT_ASKED):
        case Trial.WORKS if seen.escrowed:
            return YES
        case Trial.LACKING:
            return Fail(
                "NewCredentialLacking", "the new credential logs in, but not with the old one's rights or settings"
            )
        case Trial.WORKS:
            return Wait("NotEscrowed", "the new value is not in escrow yet")
        case trial if rotation.entered is not None and now - rotation.entered > rotation.policy.progress_deadline:
            return _too_late(trial, rotation, seen)
        case Trial.AWAITED:
            return _awaited(seen)
        case trial:
            return Wait("CreatingCredential", f"the new credential does not work yet: {trial}")


def _awaited(seen: Observation) -> Wait:
    words = f"the new credential is not accepted everywhere yet: {told(seen, Side.NEW)}"
    return waiting(seen, Side.NEW, "CreatingCredential", words)


def _too_late(trial: Trial, rotation: Rotation, seen: Observation) -> Answer:
    """Once it was accepted everywhere, whoever starts anew is waited for, however long."""
    if trial is Trial.AWAITED and rotation.phase is not Phase.CREATE:
        return _awaited(seen)
    if trial is Trial.DOWN:
        return Wait("EndpointUnreachable", "an endpoint of the provider cannot be reached with the new credential")
    why = f"the new credential was not accepted before the deadline: {told(seen, Side.NEW)}"
    return Fail("NewCredentialRefused", why)


def told(seen: Observation, side: Side) -> str:
    """How the last login went, for people; with who is waited for, where that is not clear yet."""
    shown, awaited = seen.trials.get(side, Trial.NOT_ASKED), seen.awaits.get(side)
    return f"{shown} ({awaited.message})" if awaited else str(shown)


def waiting(seen: Observation, side: Side, reason: str, words: str) -> Wait:
    """For a login that did not go as it must: for this reason, unless the backend itself names what is awaited."""
    awaited = seen.awaits.get(side)
    return Wait(awaited.reason if awaited else reason, words)


def old_works(_rotation: Rotation, seen: Observation, _now: datetime) -> Answer:
    """OLD logs in again, and nobody has closed it in a way that has not come to bite yet."""
    if seen.trials.get(Side.OLD) is not Trial.WORKS:
        words = f"the old credential does not work yet: {told(seen, Side.OLD)}"
        return waiting(seen, Side.OLD, "EnablingOldCredential", words)
    if seen.states.get(Side.OLD) is Existence.DISABLED:
        return Wait("EnablingOldCredential", "the old credential works still, but the backend has it down as disabled")
    return YES


def old_serves_again(rotation: Rotation, seen: Observation, now: datetime) -> Answer:
    """OLD logs in, and the backend knows that we go back: it refuses a forward change that is still on its way."""
    works = old_works(rotation, seen, now)
    if works is YES and seen.old_tag not in (None, rotation.tag(Side.OLD)):
        return Wait("EnablingOldCredential", "the backend is being told that the old credential serves again")
    return works


def old_idle(_rotation: Rotation, seen: Observation, _now: datetime) -> Answer:
    """Nobody is connected as OLD, and the backend can be believed when it says so."""
    if seen.old_usage is Idle.NOT_SEEN:
        return YES
    if seen.old_usage is Idle.UNKNOWN:
        why = f": {seen.old_usage_why}" if seen.old_usage_why else ""
        return Wait(
            "UsageUnknown", f"the backend cannot say who uses the old credential{why}; unknown is never taken for idle"
        )
    if not seen.old_sessions and seen.old_usage_why:
        return Wait("OldCredentialInUse", seen.old_usage_why)
    blockers = tuple(
        Blocker("OldCredentialInUse", f"a session from {s.client}", pod=s.pod, consumer=s.consumer)
        for s in seen.old_sessions
    )
    who = ", ".join(sorted({s.consumer or s.client for s in seen.old_sessions})) or "someone"
    count = len(blockers)
    words = "1 session of the old credential is" if count == 1 else f"{count} sessions of the old credential are"
    return Wait("OldCredentialInUse", f"{words} open: {who}", blockers)


def old_refused(_rotation: Rotation, seen: Observation, _now: datetime) -> Answer:
    """A login with OLD is refused for being disabled, while NEW works, and no session of OLD is left.

    If its holder changed the value meanwhile, the login is refused for that; then the inventory must say disabled.
    """
    old, new = (seen.trials.get(side, Trial.NOT_ASKED) for side in (Side.OLD, Side.NEW))
    changed = old is Trial.REFUSED and seen.states.get(Side.OLD) is Existence.DISABLED
    if old is not Trial.DISABLED and not changed:
        words = f"a login with the old credential: {told(seen, Side.OLD)}"
        return waiting(seen, Side.OLD, "OldCredentialNotRefused", words)
    if new is not Trial.WORKS:
        return waiting(
            seen, Side.NEW, "NewCredentialUnproven", f"a login with the new credential: {told(seen, Side.NEW)}"
        )
    return old_idle(_rotation, seen, _now)


def gone(side: Side) -> Gate:
    """The credential can never be used again."""

    def ask(rotation: Rotation, seen: Observation, _now: datetime) -> Answer:
        named = rotation.new_id if side is Side.NEW else rotation.old_id
        if side is Side.NEW and seen.unanswered:
            return Wait("CreateUnanswered", "looking for what a create that was never answered may have made")
        if not named or seen.states.get(side) in (Existence.RETIRED, Existence.ABSENT):
            return YES
        return Wait("CredentialNotGone", f"{named} is not retired yet")

    return ask


def still_good(rotation: Rotation, seen: Observation) -> bool:
    """Going back: may something that was made with NEW, while it was presented, be good still?

    That is what the soak is for where credentials are outlived by what was made with them, on the way back as well.
    """
    presented = seen.outlived and rotation.staged_at is not None
    return presented and rotation.clock.observed < rotation.policy.soak


def discarded(rotation: Rotation, seen: Observation, now: datetime) -> Answer:
    """NEW is gone, and stayed for as long as something that was made with it was good."""
    if still_good(rotation, seen) and seen.states.get(Side.NEW) is Existence.ACTIVE:
        soak = _seconds(rotation.policy.soak)
        return Wait("Soaking", f"what was made with {rotation.new_id} must run out first: it stays accepted for {soak}")
    return gone(Side.NEW)(rotation, seen, now)


# ---------------------------------------------------------------------------------------------- the Secret


def secret_holds(side: Side) -> Gate:
    """The Secret, read back, holds this credential in every managed key."""

    def ask(_rotation: Rotation, seen: Observation, _now: datetime) -> Answer:
        if seen.secret.holds is wanted(side):
            return YES
        match seen.secret.holds:
            case Verdict.OTHER:
                by = f" by {seen.secret.writer}" if seen.secret.writer else ""
                return Wait(
                    "SecretForeign",
                    f"the Secret holds a value that is neither credential, written{by}; both stay valid",
                )
            case Verdict.NONE:
                return Wait("SecretMissing", "the Secret is gone; both credentials stay valid until it is back")
            case _:
                return Wait("WritingSecret", f"the Secret does not hold the {side.lower()} credential yet")

    return ask


def secret_restored(rotation: Rotation, seen: Observation, now: datetime) -> Answer:
    """The Secret holds OLD, and was written on the way back: a write decided on before finds another version."""
    holds = secret_holds(Side.OLD)(rotation, seen, now)
    if holds is YES and seen.secret.tag != rotation.tag(Side.OLD):
        return Wait("WritingSecret", "the Secret holds the old credential; it is written once more on the way back")
    return holds


# ------------------------------------------------------------------------------------------------ waiting on purpose


def idle_for_soak(rotation: Rotation, seen: Observation, now: datetime) -> Answer:
    """OLD was seen idle at the backend for the whole soak time."""
    idle = old_idle(rotation, seen, now)
    if not isinstance(idle, Pass):
        return idle
    shortest = max(rotation.policy.soak, seen.usage_lag)
    if rotation.clock.observed >= shortest:
        return YES
    soak = _seconds(shortest)
    if seen.use_unseen:
        return Wait(
            "Soaking", f"nobody can say who uses the old credential; every pod must prove the new one for {soak}"
        )
    return Wait("Soaking", f"watching that the old credential stays idle for {soak}")


def quiet_for_watch(rotation: Rotation, seen: Observation, now: datetime) -> Answer:
    """Disabled, unused and unmissed for the whole watch time, and once more in this very observation."""
    quiet = nobody_misses_old(rotation, seen, now)
    if not isinstance(quiet, Pass):
        return quiet
    needed = max(rotation.policy.watch, seen.settles)
    if rotation.clock.observed >= needed:
        return YES
    shown = "what pods prove" if seen.use_unseen else "what pods prove and on who is seen to use it"
    rests = f"; the backend shows no refused logins, so this rests on {shown}" if seen.blind else ""
    return Wait(
        "Watching", f"the old credential is disabled; watching for {_seconds(needed)} that nobody misses it{rests}"
    )


def attempts_that_count(seen: Observation, mode: Mode) -> tuple[SessionSeen, ...]:
    """All of them; in a compromised rotation only known consumers', lest whoever holds OLD had a veto."""
    return seen.old_attempts if mode is Mode.GRACEFUL else tuple(a for a in seen.old_attempts if a.consumer)


def nobody_misses_old(rotation: Rotation, seen: Observation, _now: datetime) -> Answer:
    """No correct login with OLD was refused since Disable, as far as the backend can see."""
    attempts = attempts_that_count(seen, rotation.policy.mode)
    if not attempts:
        return YES
    who = ", ".join(sorted({a.consumer or a.client for a in attempts}))
    return Wait("OldCredentialMissed", f"logins with the old credential were refused: {who}")


def approved(rotation: Rotation, seen: Observation, _now: datetime) -> Answer:
    """Enough people agreed, to exactly this."""
    consent = seen.consent
    needed = max(rotation.policy.approvals, consent.needed)
    if not needed:
        return YES
    if consent.barred is not None:
        return Wait(consent.barred.reason, consent.barred.message)
    missing = needed - len(consent.approvers)
    if missing <= 0:
        return YES
    words = f"{missing} more {'person' if missing == 1 else 'people'} must agree that {rotation.old_id} goes"
    void = tuple(Blocker(problem.reason, problem.message) for problem in consent.void)
    return Wait("AwaitingApproval", f"{words}: kubectl keyturn approve {rotation.name}", void)


def backend_reachable(_rotation: Rotation, seen: Observation, _now: datetime) -> Answer:
    """The backend answers the rotator; when it does not, nobody is blamed and every clock stands still."""
    match seen.admin:
        case Reach.UP:
            return YES
        case Reach.DOWN:
            return Wait("BackendUnreachable", "the backend cannot be reached; nothing is concluded and nothing changed")
        case Reach.REFUSED:
            return Wait(
                "RotatorRefused", "the backend refuses the rotator's own login; check the provider's admin Secret"
            )


def _seconds(time: timedelta) -> str:
    return f"{time.total_seconds():.0f} s"
