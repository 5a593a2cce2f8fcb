"""What one look adds to a rotation's memory: observed time, deadlines, when rolls began, what people asked for.

Pure; decides nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from keyturn.core.gates import UNSETTLED, attempts_that_count
from keyturn.core.model import (
    Clock,
    Existence,
    Idle,
    Mode,
    Observation,
    Phase,
    Rotation,
    Side,
    Verdict,
)

ON_REQUEST = "PausedOnRequest"
CLOCKED = frozenset({Phase.SOAK, Phase.APPROVE, Phase.WATCH})
_LONGEST_LOOK = timedelta(seconds=15)  # with a slow API server; no leader is lost and replaced so quickly


def back_again(rotation: Rotation, now: datetime) -> Rotation:
    """While the backend was down nobody was late: rollout and proof deadlines start again when it is back."""
    if rotation.down_since is None:
        return rotation
    return _unhurried(replace(rotation, down_since=None), now)


def heed_people(rotation: Rotation, seen: Observation, now: datetime) -> Rotation:
    """A retry clears a pause and forgives what was held against anybody; a pause on request ends with the request."""
    if seen.retry > rotation.retried:
        forgiven = replace(rotation, paused=None, reopened=False, repaired_from="", retried=seen.retry)
        return _unhurried(forgiven, now)
    if rotation.paused is not None and rotation.paused.reason == ON_REQUEST and not seen.pause:
        return _unhurried(replace(rotation, paused=None), now)
    return rotation


def _unhurried(rotation: Rotation, now: datetime) -> Rotation:
    """Deadlines and observed time start again."""
    restarted = dict.fromkeys(rotation.roll_started, now)
    return replace(rotation, entered=now, roll_started=restarted, clock=Clock())


def remember(rotation: Rotation, seen: Observation, now: datetime) -> Rotation:
    """What Preflight sees for the last time, and when each roll began."""
    if rotation.phase is Phase.PREFLIGHT:
        connected = tuple(sorted({*rotation.connected_before, *seen.connected}))
        return replace(rotation, new_id=seen.new_id, connected_before=connected)
    rotation = rotation if rotation.new_id else replace(rotation, new_id=seen.new_id)
    mine = (rotation.generation, rotation.unroll_generation)
    begun = {f"{c.ref}@{c.rolled_to}" for c in seen.consumers if c.rolled_to in mine}
    unsettled = {f"{c.ref}@{UNSETTLED}" for c in seen.consumers if not c.settled and c.rolled_to not in mine}
    kept = {k: v for k, v in rotation.roll_started.items() if not k.endswith(f"@{UNSETTLED}") or k in unsettled}
    started = {**dict.fromkeys(begun | unsettled, now), **kept}
    return replace(rotation, roll_started=started) if started != rotation.roll_started else rotation


def run_clock(rotation: Rotation, seen: Observation, now: datetime) -> Rotation:
    """Add up time really observed quiet. OLD seen starts it again; so does a gap longer than three samples.

    So does a clock that was set back: nobody knows how long that gap was. Quiet begins with a look that saw it, never
    with the last one that saw OLD: status need not hold that one, and a process that starts anew would begin too early.

    Where samples are close together, one look at a slow API server takes longer than that: it adds three samples, or
    the clock would start again at every look and never end.
    """
    if rotation.phase is Phase.DISCARD and seen.outlived:
        return _run_back(rotation, seen, now)
    if rotation.phase not in CLOCKED:
        return rotation
    opened = rotation.phase is Phase.WATCH and seen.states.get(Side.OLD) is Existence.ACTIVE
    if opened or shows_old(seen, rotation.policy.mode):  # opened by somebody: whoever needs it would not be refused
        missed = not opened and seen.old_usage is Idle.NOT_SEEN and not holds_old(seen)
        return replace(rotation, clock=Clock(last=now if missed else None))  # the next look asks for later attempts
    if seen.old_usage is not Idle.NOT_SEEN:
        return rotation  # unknown adds nothing, and too much of it is a gap
    if seen.use_unseen and not all(pod.proves is Verdict.NEW for pod in seen.pods):
        return _stopped(rotation, now)
    return _ticked(rotation, now)


def _ticked(rotation: Rotation, now: datetime) -> Rotation:
    last, observed = rotation.clock.last, rotation.clock.observed
    three_samples = 3 * rotation.policy.sample_every
    if last is None or not timedelta() <= now - last <= max(three_samples, _LONGEST_LOOK):
        return replace(rotation, clock=Clock(last=now))
    return replace(rotation, clock=Clock(observed + min(now - last, three_samples), now))


def _run_back(rotation: Rotation, seen: Observation, now: datetime) -> Rotation:
    """Going back from what is outlived: time in which every pod was seen to prove OLD. NEW seen starts it again."""
    if any(pod.proves in (Verdict.NEW, Verdict.MIXED) for pod in seen.pods):
        return replace(rotation, clock=Clock())
    return _ticked(rotation, now) if all(pod.proves is Verdict.OLD for pod in seen.pods) else _stopped(rotation, now)


def _stopped(rotation: Rotation, now: datetime) -> Rotation:
    """Where only pods can vouch, one that proves nothing yet stops the clock, and no more: pods come and go."""
    return replace(rotation, clock=Clock(rotation.clock.observed, now))


def shows_old(seen: Observation, mode: Mode = Mode.GRACEFUL) -> bool:
    """Does any evidence, session or attempt speak of OLD?"""
    return holds_old(seen) or seen.old_usage is Idle.IN_USE or bool(attempts_that_count(seen, mode))


def holds_old(seen: Observation) -> bool:
    """Does any pod?"""
    return any(pod.proves in (Verdict.OLD, Verdict.MIXED) for pod in seen.pods)
