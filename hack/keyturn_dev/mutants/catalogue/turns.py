"""Bugs between rotations and between operators: replays, races, the books."""

from keyturn_dev.mutants.mutant import Edit, Mutant, mutant

PLANS = "reconciler/plans.py"
LOOP = "reconciler/loop.py"
ADOPT = "reconciler/adopt.py"

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "second-rotation-replayed",
        "A Rotation that ran before runs again when it is applied again from Git or a backup.",
        PLANS,
        "        for replay in (r for r in rotations if not r.status.phase and r.key.name in plan.status.ran):\n",
        "        for replay in ():\n",
        Edit(PLANS, "if not r.status.phase and r.key.name not in plan.status.ran)", "if not r.status.phase)"),
    ),
    mutant(
        "no-compare-and-set-on-status",
        "A rotation's status is written over whatever another operator wrote in between.",
        LOOP,
        "        return await self._cluster.save_rotation(active, fresh)\n",
        """\
        plan = ObjectKey(active.key.namespace, active.spec.plan_ref.name)
        latest = next((r for r in await self._cluster.rotations(plan) if r.key == active.key), active)
        return await self._cluster.save_rotation(latest, fresh)
""",
    ),
    mutant(
        "escrow-dropped-too-early",
        "The books are closed on the old credential whatever the rotation's end: after a rollback escrow holds NEW.",
        PLANS,
        "            if ended.status.phase == Phase.COMPLETE:\n",
        "            if ended.status.new_id:\n",
    ),
    mutant(
        "escrow-keeps-what-is-gone",
        "After the end the escrow goes on holding the value of a credential that is gone.",
        PLANS,
        "            kept = {current: escrow.values[current]}\n",
        "            kept = escrow.values\n",
    ),
    mutant(
        "deleted-plan-let-go-in-the-middle",
        "A plan deleted in the middle of a rotation is let go at once, with its escrow.",
        LOOP,
        "        if plan.deleting and not recovery.lost(plan, active) and not _changed_something(active):\n",
        "        if plan.deleting:\n",
    ),
    mutant(
        "lost-rotation-forgotten",
        "A Rotation deleted in the middle is taken for one that changed nothing.",
        LOOP,
        "        if recovery.lost(plan, active) and await self._recovery.recover(plan, active, opened.provider):\n",
        "        if False:\n",
    ),
    mutant(
        "adopted-untried",
        "A plan is adopted though its current credential does not log in.",
        ADOPT,
        "        if trial is not Trial.WORKS or same is Sameness.UNKNOWN:\n",
        "        if same is Sameness.UNKNOWN and trial is Trial.WORKS:\n",
    ),
    mutant(
        "adopting-rotates",
        "Applying a plan begins a rotation by itself.",
        PLANS,
        "        if when is not None and when <= self._clock.now():\n",
        "        if when is None or when <= self._clock.now():\n",
    ),
)
