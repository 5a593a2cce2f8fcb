"""Bugs in the standing rules: reopen, pause, freeze, repair, the old credential kept open."""

from keyturn_dev.mutants.mutant import Edit, Mutant, mutant

ROTATION = "core/rotation.py"
_NOT_OPENED = Edit(
    ROTATION,
    "    return (EnableCredential(OLD),) if closed and rotation.phase in CHANGED - OLD_IS_OFF else ()\n",
    "    return () if closed and rotation.phase in CHANGED - OLD_IS_OFF else ()\n",
)

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "no-enable-on-reopen",
        "A rotation that reopens goes back to Verify and leaves the old credential disabled.",
        ROTATION,
        "    return Decision(back, (EnableCredential(OLD),), Wait(why.reason, why.message))\n",
        "    return Decision(back, (), Wait(why.reason, why.message))\n",
        _NOT_OPENED,
    ),
    mutant(
        "no-reopen",
        "A use of the old credential after Disable is not heard.",
        ROTATION,
        "STANDING_RULES = (turn_back, stay_paused, reopen_if_missed, keep_old_open, prove_again)\n",
        "STANDING_RULES = (turn_back, stay_paused, keep_old_open, prove_again)\n",
    ),
    mutant(
        "reopens-for-ever",
        "The second time that the old one is missed it reopens again instead of asking for a person.",
        ROTATION,
        "reopened=True)\n",
        "reopened=False)\n",
    ),
    mutant(
        "anybody-reopens",
        "A stranger's use of the old credential reopens the rotation: whoever holds it has a veto.",
        ROTATION,
        "        if use.consumer:\n",
        "        if use.client:\n",
    ),
    mutant(
        "closed-early-and-left",
        "An old credential that somebody disabled before its time is not enabled again.",
        ROTATION,
        "STANDING_RULES = (turn_back, stay_paused, reopen_if_missed, keep_old_open, prove_again)\n",
        "STANDING_RULES = (turn_back, stay_paused, reopen_if_missed, prove_again)\n",
    ),
    mutant(
        "repair-fights-for-ever",
        "A Secret that another writer puts back is repaired again and again.",
        ROTATION,
        "or rotation.repaired_from == writer:\n",
        "or rotation.repaired_from == writer + writer:\n",
    ),
    mutant(
        "revert-in-watch-only-repaired",
        "An old value put back into the Secret after Disable is overwritten while the old credential stays off.",
        ROTATION,
        "    if rotation.phase in OLD_IS_OFF:\n        return _reopen(\n",
        "    if rotation.phase in ():\n        return _reopen(\n",
    ),
    mutant(
        "pause-with-old-off",
        "A rotation that pauses after Disable leaves the old credential disabled.",
        ROTATION,
        "    if rotation.phase in OLD_IS_OFF:\n        return Decision(replace(_to(Phase.VERIFY,",
        "    if rotation.phase in ():\n        return Decision(replace(_to(Phase.VERIFY,",
    ),
    mutant(
        "pause-ignored",
        "A paused rotation goes on.",
        ROTATION,
        "    if rotation.paused is None:\n        return None\n",
        "    if rotation.name:\n        return None\n",
    ),
    mutant(
        "freeze-blocks-a-re-enable",
        "A freeze stops the enabling of the old credential too.",
        ROTATION,
        "    return tuple(e for e in effects if isinstance(e, EnableCredential)) if seen.frozen else effects\n",
        "    return () if seen.frozen else effects\n",
    ),
    mutant(
        "freeze-ignored",
        "A freeze stops nothing.",
        ROTATION,
        "    return tuple(e for e in effects if isinstance(e, EnableCredential)) if seen.frozen else effects\n",
        "    return effects\n",
    ),
)
