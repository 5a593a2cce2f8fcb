"""What a row of the tables still has to do, given what was seen. Pure; the rows themselves are in ``rotation``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from keyturn.core.convergence import rolling, stale, waits_for_others
from keyturn.core.effects import (
    DeleteCredential,
    DisableCredential,
    Effect,
    EndSessions,
    RefreshMounts,
    RestartConsumer,
    WriteSecret,
)
from keyturn.core.gates import still_good, wanted
from keyturn.core.model import (
    Existence,
    Observation,
    Phase,
    Rotation,
    Side,
    Verdict,
)

Effects = Callable[[Rotation, Observation, datetime], tuple[Effect, ...]]


def do(*effects: Effect) -> Effects:
    """These, every tick until the gate passes."""
    return lambda _rotation, _seen, _now: effects


def retire(side: Side) -> Effects:
    """Delete what is disabled. Somebody who enables it now is overruled: there is no way back from here."""
    closing = (DisableCredential(side), EndSessions(side))

    def plan(_rotation: Rotation, seen: Observation, _now: datetime) -> tuple[Effect, ...]:
        opened = seen.states.get(side) is Existence.ACTIVE
        return (*(closing if opened else ()), DeleteCredential(side))

    return plan


def put(side: Side) -> Effects:
    """Write the Secret, unless it holds somebody else's value or is gone: that is for a person.

    Going back it is written even if it holds OLD: a forward write may still be on its way, and is refused from then on.
    """

    def plan(rotation: Rotation, seen: Observation, _now: datetime) -> tuple[Effect, ...]:
        late = side is Side.OLD and seen.secret.holds is Verdict.OLD and seen.secret.tag != rotation.tag(side)
        ours = seen.secret.holds in (wanted(side.other), Verdict.MIXED)
        return (WriteSecret(side),) if ours or late else ()

    return plan


def discard(rotation: Rotation, seen: Observation, _now: datetime) -> tuple[Effect, ...]:
    """NEW goes for good, once nothing that was made with it is good any more."""
    new = Side.NEW
    return () if still_good(rotation, seen) else (DisableCredential(new), EndSessions(new), DeleteCredential(new))


def restart(side: Side) -> Effects:
    """Restart what is stale, so many at a time; refresh the files of what reloads by itself."""

    def plan(rotation: Rotation, seen: Observation, _now: datetime) -> tuple[Effect, ...]:
        free = max(0, rotation.policy.max_parallel - len(rolling(rotation, seen, side)))
        generation = rotation.towards(side)
        ready = [c for c in stale(rotation, seen, side) if not waits_for_others(rotation, c, side)]
        chosen = sorted(ready, key=lambda c: c.ref)[:free]
        return (*(RestartConsumer(c.ref, generation) for c in chosen), *refresh(side)(rotation, seen, _now))

    return plan


def refresh(side: Side) -> Effects:
    """Refresh the files of consumers that reload by themselves; restart one that stays unproven past its deadline."""

    def plan(rotation: Rotation, seen: Observation, now: datetime) -> tuple[Effect, ...]:
        unproven = {p.consumer for p in seen.pods if p.proves is not wanted(side)}
        generation = rotation.towards(side)
        behind = [c for c in seen.consumers if c.reload and str(c.ref) in unproven and c.rolled_to != generation]
        if not behind:
            return ()
        overdue = rotation.entered is not None and now - rotation.entered > rotation.policy.proof_deadline
        if overdue and rotation.phase in (Phase.VERIFY, Phase.CONFIRM):
            return tuple(RestartConsumer(c.ref, generation) for c in behind)
        return (RefreshMounts(tuple(str(c.ref) for c in behind)),)

    return plan
