"""Bugs on the way back: its order, and what it must leave behind."""

from keyturn_dev.mutants.mutant import Mutant, mutant

ROTATION = "core/rotation.py"
_ENABLE = "    Step(Phase.ENABLE,    do(EnableCredential(OLD)),                old_works,               old_works),\n"
_RESTORE = (
    "    Step(Phase.RESTORE,   put(OLD),                                 secret_holds(OLD),       secret_holds(OLD)),\n"
)
_UNROLL = "    Step(Phase.UNROLL,    restart(OLD),                             rolled(OLD)),\n"
_CONFIRM = (
    "    Step(Phase.CONFIRM,   refresh(OLD),                             pods_prove(OLD),         pods_prove(OLD)),\n"
)
_DISCARD = (
    "    Step(Phase.DISCARD,   ending(DisableCredential(NEW), EndSessions(NEW), DeleteCredential(NEW)), gone(NEW)),\n"
)

MUTANTS: tuple[Mutant, ...] = (
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
        "old_works,               old_works),",
        "old_works),",
    ),
    mutant(
        "new-left-behind",
        "After a rollback the new credential stays enabled.",
        ROTATION,
        "ending(DisableCredential(NEW), EndSessions(NEW), DeleteCredential(NEW)), gone(NEW)),",
        "do(), rolled(OLD)),",
    ),
    mutant(
        "rollback-of-the-secret-not-kept",
        "On the way back nobody asks again whether the Secret still holds the old value.",
        ROTATION,
        "secret_holds(OLD),       secret_holds(OLD)),",
        "secret_holds(OLD)),",
    ),
)
