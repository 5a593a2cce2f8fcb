"""Bugs on the way back: its order, and what it must leave behind."""

from keyturn_dev.mutants.mutant import Mutant, mutant

ROTATION = "core/rotation.py"
_ENABLE = "    Step(Phase.ENABLE,    do(EnableCredential(OLD)),                old_serves_again,        old_works),\n"
_RESTORE = (
    "    Step(Phase.RESTORE,   put(OLD),                                 secret_restored,         secret_holds(OLD)),\n"
)
_UNROLL = "    Step(Phase.UNROLL,    restart(OLD),                             rolled(OLD)),\n"
_CONFIRM = (
    "    Step(Phase.CONFIRM,   refresh(OLD),                             pods_prove(OLD),         pods_prove(OLD)),\n"
)
_DISCARD = "    Step(Phase.DISCARD,   discard,                                  discarded),\n"

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "closed-but-not-yet",
        "The old credential serves again as long as it logs in, although somebody has closed it.",
        "core/gates.py",
        "    if seen.states.get(Side.OLD) is Existence.DISABLED:\n",
        "    if False:\n",
    ),
    mutant(
        "unroll-before-restore",
        "Going back restarts consumers before their Secret holds the old value again.",
        ROTATION,
        _RESTORE + _UNROLL,
        _UNROLL + _RESTORE,
    ),
    mutant(
        "discard-before-confirm",
        "Going back removes the new credential before every pod proved the old one.",
        ROTATION,
        _CONFIRM + _DISCARD,
        _DISCARD + _CONFIRM,
    ),
    mutant(
        "restore-before-enable",
        "Going back puts the old value into the Secret before it works again.",
        ROTATION,
        _ENABLE + _RESTORE,
        _RESTORE + _ENABLE,
    ),
    mutant(
        "confirm-skipped",
        "Going back removes the new credential as soon as the consumers have rolled.",
        ROTATION,
        _CONFIRM,
        "    Step(Phase.CONFIRM,   refresh(OLD),                             rolled(OLD)),\n",
    ),
    mutant(
        "enabled-once-only",
        "On the way back nobody asks again whether the old credential works.",
        ROTATION,
        "old_serves_again,        old_works),",
        "old_serves_again),",
    ),
    mutant(
        "new-left-behind",
        "After a rollback the new credential stays enabled.",
        ROTATION,
        "discard,                                  discarded),",
        "do(),                                     rolled(OLD)),",
    ),
    mutant(
        "tokens-of-new-not-outlived",
        "Going back, the new key leaves the ring while tokens that were signed with it are still good.",
        "core/gates.py",
        "    presented = seen.outlived and rotation.staged_at is not None\n",
        "    presented = False\n",
    ),
    mutant(
        "rollback-of-the-secret-not-kept",
        "On the way back nobody asks again whether the Secret still holds the old value.",
        ROTATION,
        "secret_restored,         secret_holds(OLD)),",
        "secret_restored),",
    ),
    mutant(
        "way-back-untold",
        "Going back is content with an old credential that works: a former leader's Create or Disable comes late.",
        ROTATION,
        "old_serves_again,        old_works),",
        "old_works,               old_works),",
    ),
    mutant(
        "way-back-unwritten",
        "Going back is content with a Secret that holds the old value: a former leader's Stage comes late.",
        ROTATION,
        "secret_restored,         secret_holds(OLD)),",
        "secret_holds(OLD),       secret_holds(OLD)),",
    ),
    mutant(
        "way-back-under-the-former-generation",
        "What is changed on the way back does not say that it is: the backend cannot tell it from what was overtaken.",
        "reconciler/act.py",
        "Op(scene.rotation.uid, _live_generation(scene), step",
        "Op(scene.rotation.uid, scene.rotation.generation, step",
    ),
    mutant(
        "books-closed-without-a-word",
        "After a rollback that never reached the escrow it is not written, and a former leader's value comes late.",
        "reconciler/plans.py",
        "and escrow.closed != plan.status.generation:",
        "and (len(escrow.values) > 1 or escrow.secret_before):",
    ),
)
