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
        "reopen_if_missed, keep_old_open",
        "keep_old_open",
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
        "keep_old_open, prove_again",
        "prove_again",
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
        "    if rotation.phase in OLD_IS_OFF:\n        reverted",
        "    if rotation.phase in ():\n        reverted",
    ),
    mutant(
        "pause-with-old-off",
        "A rotation that pauses after Disable leaves the old credential disabled.",
        ROTATION,
        "    if rotation.phase in OLD_IS_OFF:\n        return Decision(replace(to(Phase.VERIFY,",
        "    if rotation.phase in ():\n        return Decision(replace(to(Phase.VERIFY,",
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
        "    allowed = tuple(e for e in decision.effects if isinstance(e, EnableCredential))\n",
        "    allowed = ()\n",
    ),
    mutant(
        "freeze-ignored",
        "A freeze stops nothing.",
        ROTATION,
        "    if not seen.frozen or allowed == decision.effects:\n",
        "    if not seen.frozen or allowed != seen.frozen:\n",
        Edit("core/gates.py", "    if seen.frozen:\n", "    if seen.frozen and not seen.frozen:\n"),
    ),
    mutant(
        "freeze-lets-a-phase-begin",
        "A phase that changes something is entered in spite of a freeze.",
        "core/gates.py",
        "    if seen.frozen:\n",
        "    if seen.frozen and not seen.frozen:\n",
    ),
    mutant(
        "window-ignored",
        "Something is begun outside the plan's maintenance windows.",
        "core/gates.py",
        "    if seen.window_open or rotation.policy.mode is not Mode.GRACEFUL:\n",
        "    if seen.window_open or rotation.policy.mode is not None:\n",
    ),
    mutant(
        "retry-followed-for-ever",
        "One retry by a person goes on clearing every later pause.",
        "core/memory.py",
        "retried=seen.retry)",
        "retried=rotation.retried)",
    ),
    mutant(
        "loss-accepted-of-any-pod",
        "Accepting the loss of one pod accepts that of every pod that is not ready.",
        "reconciler/observe.py",
        "if pod.ready or pod.uid not in lost)",
        "if pod.ready or not lost)",
    ),
)
