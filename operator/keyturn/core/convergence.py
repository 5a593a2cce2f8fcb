"""Questions about consumers and their pods: who must be restarted, has a roll finished, do all pods prove it?

Gates look; they never act.
"""

from __future__ import annotations

from datetime import datetime

from keyturn.core.answers import YES, Answer, Blocker, Fail, Gate, Wait
from keyturn.core.gates import NOT_ASKED, UNSETTLED, wanted
from keyturn.core.model import ConsumerView, Mode, Observation, PodProof, Rotation, Side, Verdict


def stale(rotation: Rotation, seen: Observation, side: Side) -> tuple[ConsumerView, ...]:
    """Consumers to restart: not yet of this roll's generation, and not every pod proves this side.

    One that re-reads by itself is restarted only when a pod stays unproven past the proof deadline.
    """
    return tuple(
        consumer
        for consumer in seen.consumers
        if consumer.rolled_to != rotation.towards(side) and not consumer.reload and _unproven(seen, consumer, side)
    )


def waits_for_others(rotation: Rotation, consumer: ConsumerView, side: Side) -> bool:
    """One roll at a time for a workload: towards NEW we wait for whoever is rolling it.

    Going back cannot wait, and neither can pods that a contained OLD keeps unready: only our restart settles them.
    """
    urgent = side is Side.OLD or rotation.policy.mode is Mode.CONTAINMENT
    return not consumer.settled and not urgent


def rolling(rotation: Rotation, seen: Observation, side: Side) -> tuple[ConsumerView, ...]:
    """Consumers of this roll's generation that have not finished."""
    mine = rotation.towards(side)
    return tuple(c for c in seen.consumers if c.rolled_to == mine and not (c.settled and c.healthy))


def _unproven(seen: Observation, consumer: ConsumerView, side: Side) -> bool:
    return any(p.consumer == str(consumer.ref) and p.proves is not wanted(side) for p in seen.pods)


def rolled(side: Side) -> Gate:
    """Every consumer that had to be restarted has finished rolling to this generation."""

    def ask(rotation: Rotation, seen: Observation, now: datetime) -> Answer:
        if not seen.pods_asked:
            return NOT_ASKED
        for consumer in rolling(rotation, seen, side):
            started = rotation.roll_started.get(f"{consumer.ref}@{rotation.towards(side)}")
            late = started is not None and now - started > rotation.policy.progress_deadline
            if late or consumer.stuck == "ProgressDeadlineExceeded":
                return Fail(
                    "RolloutDeadlineExceeded",
                    f"{consumer.ref} did not finish rolling in time; its old pods still serve",
                    _why_not_ready(seen, consumer, side),
                )
        for consumer in stale(rotation, seen, side):
            since = rotation.roll_started.get(f"{consumer.ref}@{UNSETTLED}")
            late = since is not None and now - since > rotation.policy.progress_deadline
            if late and waits_for_others(rotation, consumer, side):
                message = f"{consumer.ref} did not settle, so its restart could not begin"
                return Fail("ConsumerUnsettled", message, _why_not_ready(seen, consumer, side))
        waiting = (*rolling(rotation, seen, side), *stale(rotation, seen, side))
        if not waiting:
            return YES
        names = ", ".join(dict.fromkeys(str(c.ref) for c in waiting))
        blockers = tuple(b for c in waiting for b in _why_not_ready(seen, c, side))
        return Wait("RolloutInProgress", f"waiting for the rollout of {names}", blockers)

    return ask


def _why_not_ready(seen: Observation, consumer: ConsumerView, side: Side) -> tuple[Blocker, ...]:
    pods = tuple(
        Blocker("PodUnproven", p.why or "not proven yet", pod=p.name, consumer=p.consumer)
        for p in seen.pods
        if p.consumer == str(consumer.ref) and p.proves is not wanted(side)
    )
    return pods or (Blocker("RolloutInProgress", consumer.stuck or "rolling", consumer=str(consumer.ref)),)


def pods_prove(side: Side) -> Gate:
    """Every pod proves this side, and none that holds the other is left, terminating ones included."""

    def ask(rotation: Rotation, seen: Observation, now: datetime) -> Answer:
        if not seen.pods_asked:
            return NOT_ASKED
        unproven = [p for p in seen.pods if p.proves is not wanted(side)]
        if not unproven:
            return YES
        blockers = tuple(Blocker("PodUnproven", _told(p), pod=p.name, consumer=p.consumer) for p in unproven)
        wrong = [p for p in unproven if _wrong_for_good(rotation, seen, p, side, now)]
        message = f"{len(seen.pods) - len(unproven)} of {len(seen.pods)} pods prove the {side.lower()} credential"
        if wrong:
            return Fail("PodsHoldAnother", f"{message}; {wrong[0].name}: {_told(wrong[0])}", blockers)
        return Wait("PodsUnproven", f"{message}; waiting for {unproven[0].name}: {_told(unproven[0])}", blockers)

    return ask


def _wrong_for_good(rotation: Rotation, seen: Observation, pod: PodProof, side: Side, now: datetime) -> bool:
    """Seen with another credential past its proof deadline. UNKNOWN never fails: it waits for a person, by name."""
    reloads = {str(c.ref) for c in seen.consumers if c.reload and c.rolled_to != rotation.towards(side)}
    if pod.consumer in reloads:
        return False  # it is restarted first
    if _being_replaced(rotation, seen, pod, side, now):
        return False
    if pod.proves in (Verdict.UNKNOWN, Verdict.NONE) or pod.terminating or rotation.entered is None:
        return False
    since = max(rotation.entered, pod.created or rotation.entered)
    return now - since > rotation.policy.proof_deadline


def _being_replaced(rotation: Rotation, seen: Observation, pod: PodProof, side: Side, now: datetime) -> bool:
    """It is older than the roll of its consumer, which goes on, and in time."""
    if pod.consumer not in {str(consumer.ref) for consumer in rolling(rotation, seen, side)}:
        return False
    begun = rotation.roll_started.get(f"{pod.consumer}@{rotation.towards(side)}", now)
    older = pod.created is None or pod.created < begun
    return older and now - begun <= rotation.policy.progress_deadline


def _told(pod: PodProof) -> str:
    return f"terminating, {pod.why or 'not gone yet'}" if pod.terminating else pod.why or "not proven yet"
