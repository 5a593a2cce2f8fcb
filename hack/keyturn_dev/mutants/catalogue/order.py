"""Bugs in the forward table: what is done before what, and what must be true first."""

from keyturn_dev.mutants.mutant import Edit, Mutant, mutant

ROTATION = "core/rotation.py"
GATES = "core/gates.py"
LOOP = "reconciler/loop.py"

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "delete-first",
        "The old credential is deleted as soon as it is disabled; Watch watches what is gone.",
        ROTATION,
        "    Step(Phase.WATCH,     do(),                                     quiet_for_watch),\n",
        "    Step(Phase.WATCH,     retire(OLD),                              quiet_for_watch),\n",
    ),
    mutant(
        "disable-without-proof",
        "Verify lets everybody pass: the old credential is disabled though pods may hold it.",
        ROTATION,
        "pods_prove(NEW),         pods_prove(NEW)),\n",
        "rolled(NEW)),\n",
    ),
    mutant(
        "proof-asked-once",
        "What the pods proved in Verify is remembered and not asked again before Disable and Delete.",
        ROTATION,
        "pods_prove(NEW),         pods_prove(NEW)),\n",
        "pods_prove(NEW)),\n",
    ),
    mutant(
        "disable-without-idle",
        "Soak is passed over: the old credential is disabled while its sessions are open.",
        ROTATION,
        "    Step(Phase.SOAK,      do(),                                     idle_for_soak,           old_idle),\n",
        "    Step(Phase.SOAK,      do(),                                     pods_prove(NEW)),\n",
    ),
    mutant(
        "idle-asked-once",
        "That the old credential is idle is asked in Soak and then taken for granted until Disable.",
        ROTATION,
        "    Step(Phase.SOAK,      do(),                                     idle_for_soak,           old_idle),\n",
        "    Step(Phase.SOAK,      do(),                                     idle_for_soak),\n",
    ),
    mutant(
        "soak-not-waited-for",
        "One idle look is enough: Soak ends at once.",
        GATES,
        "    if rotation.clock.observed >= shortest:\n",
        "    if True:\n",
    ),
    mutant(
        "delete-without-watch",
        "Watch ends at its first quiet look.",
        GATES,
        "    if rotation.clock.observed >= needed:\n",
        "    if True:\n",
    ),
    mutant(
        "kept-gates-dropped",
        "Nothing that was reached is asked again in a later phase.",
        ROTATION,
        "        if step.keep is None or (last",
        "        if step.keep is not None or (last",
    ),
    mutant(
        "secret-not-kept",
        "That the Secret holds the new value is not asked again after Stage.",
        ROTATION,
        "secret_holds(NEW),       secret_holds(NEW)),",
        "secret_holds(NEW)),",
    ),
    mutant(
        "delete-rests-on-old-proof",
        "In Delete nothing is proved afresh: it goes on with what was true in Watch.",
        ROTATION,
        "(last and step.phase is Phase.DISABLE)",
        "last",
    ),
    mutant(
        "sessions-ended-before-disable",
        "Leftover sessions are ended while the credential still opens new ones.",
        ROTATION,
        "do(DisableCredential(OLD), EndSessions(OLD)), old_refused,",
        "do(EndSessions(OLD), DisableCredential(OLD)), old_refused,",
    ),
    mutant(
        "open-sessions-cut",
        "Sessions of the old credential are ended right after Stage instead of being waited for.",
        ROTATION,
        "    Step(Phase.ROLL,      restart(NEW),                             rolled(NEW)),\n",
        "    Step(Phase.ROLL,      do(DisableCredential(OLD), EndSessions(OLD)), rolled(NEW)),\n",
    ),
    mutant(
        "effects-before-the-decision-is-saved",
        "What was decided is carried out before it is saved, so the loser of a race acts too.",
        LOOP,
        "        active = await self._save(active, stored, decision, sight)\n",
        "        await self._carry_out(replace(scene, rotation=decision.rotation), sight, decision)  # too early\n"
        "        active = await self._save(active, stored, decision, sight)\n",
        Edit(
            LOOP,
            "        await self._carry_out(replace(scene, record=active, rotation=decision.rotation), sight, decision)",
            "",
        ),
    ),
    mutant(
        "abort-honoured-in-delete",
        "An abort past the point of no return turns back and enables what may be gone.",
        ROTATION,
        "CHANGED = frozenset(s.phase for s in FORWARD[1:-1])",
        "CHANGED = frozenset(s.phase for s in FORWARD[1:])",
    ),
)
