"""What an Event says when a rotation enters a phase: what was just seen to be true, and what happens now. Pure."""

from __future__ import annotations

from keyturn.core.model import Mode, Phase, Rotation

MILESTONES = frozenset({Phase.CREATE, Phase.DISABLE, Phase.COMPLETE, Phase.ENABLE, Phase.ROLLED_BACK})
# worth an Event each; the Rotation's history has every phase
_ENTERED = {
    Phase.CREATE: "nothing blocks; making {new}",
    Phase.STAGE: "{new} works at every endpoint; writing it into the Secret",
    Phase.ROLL: "the Secret holds {new}; restarting the consumers that hold {old}",
    Phase.VERIFY: "every restarted consumer has rolled; asking every pod which credential it uses",
    Phase.SOAK: "every pod proves {new}; watching that {old} stays idle",
    Phase.APPROVE: "{old} stayed idle for the soak time; asking for approval if the plan wants any",
    Phase.DISABLE: "every pod proves {new} and {old} stayed idle; disabling {old}, which can still be undone",
    Phase.WATCH: "{old} is refused and {new} works; watching that nobody misses {old}",
    Phase.DELETE: "nobody missed {old}; retiring it for good",
    Phase.COMPLETE: "{old} is retired; every pod proved {new}",
    Phase.ENABLE: "{why}; going back, making sure first that {old} works",
    Phase.RESTORE: "{old} works; putting it back into the Secret",
    Phase.UNROLL: "the Secret holds {old} again; restarting the consumers that hold {new}",
    Phase.CONFIRM: "every restarted consumer has rolled back; asking every pod which credential it uses",
    Phase.DISCARD: "every pod proves {old}; removing {new}",
    Phase.ROLLED_BACK: "{old} serves as before ({why})",
}

_UNSEEN = {  # nothing can say who uses OLD: never claim that nobody does
    Phase.DISABLE: "every pod proved {new} for the soak time, and nobody can say who else uses {old}; disabling {old}, "
    "which can still be undone",
}

_COMPROMISED = {
    Mode.CONTAINMENT: {
        Phase.APPROVE: "nothing forbids it; asking for approval, if any is wanted, to cut {old} off",
        Phase.CREATE: "cutting {old} off and making {new}, in one transaction",
        Phase.STAGE: "{old} is refused, with no session left, and {new} works; writing it into the Secret",
        Phase.ROLL: "the Secret holds {new}; restarting the consumers that hold {old}, which is refused",
        Phase.WATCH: "every pod proves {new}; watching that no known consumer misses {old}",
    },
    Mode.AVAILABILITY: {  # there is no soak: nobody waits for OLD to become idle
        Phase.DISABLE: "every pod proves {new}; disabling {old}, which somebody else may know",
    },
}


def entered(rotation: Rotation, phase: Phase, *, again: bool = False, unseen: bool = False) -> str:
    """One sentence. ``again``: a reopened rotation verifies once more. ``unseen``: nothing can say who uses OLD."""
    if again:
        return f"{rotation.old_id} was still used, so it works again; verifying once more"
    why = rotation.turned_back.message if rotation.turned_back is not None else "not safe to go on"
    special = _COMPROMISED.get(rotation.policy.mode) or (_UNSEEN if unseen else {})
    words = special.get(phase, _ENTERED[phase])
    return words.format(old=rotation.old_id, new=rotation.new_id or "the new credential", why=why)
