"""Bugs about values: escrow, creation, what is written into the Secret."""

from keyturn_dev.mutants.mutant import Edit, Mutant, mutant

ACT = "reconciler/act.py"
ROTATION = "core/rotation.py"
PLANNING = "core/planning.py"

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "drop-the-escrow-write",
        "The new value goes to the backend straight from the generator and is never kept in escrow.",
        ACT,
        """\
        if escrow is None or id_ not in escrow.values:
            return
        credential = Credential(id_, escrow.values[id_])
""",
        """\
        if escrow is None:
            return
        credential = Credential(id_, escrow.values.get(id_) or scene.provider.mint())
""",
        Edit(ROTATION, "do(EscrowCredential(), EnsureCredential(NEW))", "do(EnsureCredential(NEW))"),
    ),
    mutant(
        "escrow-after-ensure",
        "The credential is made first and kept in escrow afterwards, so a crash in between loses its value.",
        ACT,
        """\
        if escrow is None or id_ not in escrow.values:
            return
        credential = Credential(id_, escrow.values[id_])
""",
        """\
        if escrow is None:
            return
        credential = Credential(id_, escrow.values.get(id_) or scene.provider.mint())
        if id_ not in escrow.values:
            await scene.provider.ensure(self._op(scene, "ensure"), credential, scene.rotation.old_id)
            kept = replace(escrow, values={**escrow.values, id_: credential.value})
            await self._cluster.save_escrow(scene.plan, kept)
""",
        Edit(ROTATION, "do(EscrowCredential(), EnsureCredential(NEW))", "do(EnsureCredential(NEW))"),
    ),
    mutant(
        "new-value-at-each-try",
        "Creating is not idempotent: every try makes another value, though a pod may hold the former one.",
        ACT,
        "        if scene.rotation.new_id in escrow.values or (gracefully and sight.secret is None):\n",
        "        if gracefully and sight.secret is None:\n",
    ),
    mutant(
        "ensure-another-value-than-escrowed",
        "The backend is given a value that was made anew at the moment of the call, not the one in escrow.",
        ACT,
        "        credential = Credential(id_, escrow.values[id_])\n",
        "        credential = Credential(id_, scene.provider.mint())\n",
    ),
    mutant(
        "foreign-value-kept-as-before",
        "A value that somebody wrote into the Secret after Preflight is kept as the one to go back to.",
        ACT,
        "        if gracefully and sight.seen.secret.holds is not Verdict.OLD:",
        "        if gracefully and False:",
    ),
    mutant(
        "secret-before-not-restored",
        "Going back renders the old credential anew instead of restoring the Secret byte for byte.",
        "reconciler/scene.py",
        "self.rotation.old_id), **escrow.secret_before}",
        "self.rotation.old_id)}",
    ),
    mutant(
        "gate-forgets-what-was-before",
        "The probes' gate knows the old credential only as it would be rendered now, and holds restored pods unready.",
        ACT,
        "    old = scene.serving(escrow, Side.OLD)\n",
        "    old = scene.rendered(escrow.values, rotation.old_id)\n",
    ),
    mutant(
        "wrong-side-rendered",
        "Stage writes the old credential, Restore the new one.",
        ACT,
        "        data = scene.serving(escrow, side)\n",
        "        data = scene.serving(escrow, side.other)\n",
    ),
    mutant(
        "foreign-value-overwritten",
        "Stage overwrites a value in the Secret that is neither credential, which somebody else put there.",
        PLANNING,
        "(wanted(side.other), Verdict.MIXED)\n",
        "(wanted(side.other), Verdict.MIXED, Verdict.OTHER)\n",
        Edit(
            ACT,
            "        if gracefully and sight.seen.secret.holds is not Verdict.OLD:",
            "        if gracefully and False:",
        ),
    ),
    mutant(
        "gate-armed-with-old-only",
        "The probes are told that a pod of the new template must show the old value.",
        ACT,
        "rotation.generation: scene.serving(escrow, Side.NEW)}",
        "rotation.generation: old}",
    ),
    mutant(
        "secret-written-blind",
        "The Secret is written over whatever is in it now, without comparing the version that was seen.",
        ACT,
        "        await self._cluster.write_secret(sight.secret, {} if there else data, scene.rotation.tag(side))\n",
        "        now = await self._cluster.secret(sight.secret.key) or sight.secret\n"
        "        await self._cluster.write_secret(now, {} if there else data, scene.rotation.tag(side))\n",
    ),
)
