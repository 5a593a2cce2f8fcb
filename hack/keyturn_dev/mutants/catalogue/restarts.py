"""Bugs about workloads: whom to restart, with which mark, how many at a time."""

from keyturn_dev.mutants.mutant import Edit, Mutant, mutant

CONVERGENCE = "core/convergence.py"
PLANNING = "core/planning.py"
MODEL = "core/model.py"
PLANS = "reconciler/plans.py"
ACT = "reconciler/act.py"

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "time-stamped-annotation",
        "A restart is marked with the time instead of the generation, so doing it twice does it twice.",
        PLANNING,
        "        return (*(RestartConsumer(c.ref, generation) for c in chosen),",
        "        return (*(RestartConsumer(c.ref, int(_now.timestamp())) for c in chosen),",
    ),
    mutant(
        "restart-all-instead-of-stale",
        "Consumers whose pods all prove the new credential are restarted too.",
        CONVERGENCE,
        " and _unproven(seen, consumer, side)\n",
        "",
    ),
    mutant(
        "reloading-consumers-restarted",
        "A consumer that re-reads the credential by itself is restarted like any other.",
        CONVERGENCE,
        " and not consumer.reload",
        "",
    ),
    mutant(
        "everything-rolls-at-once",
        "All stale consumers are restarted together, whatever the plan's maxParallel says.",
        PLANNING,
        "        chosen = sorted(ready, key=lambda c: c.ref)[:free]\n",
        "        chosen = sorted(ready, key=lambda c: c.ref)\n        del free\n",
    ),
    mutant(
        "roll-over-somebody-elses-roll",
        "A consumer that somebody else is rolling just now is restarted at once.",
        PLANNING,
        "if not waits_for_others(rotation, c, side)]",
        "if c.ref]",
    ),
    mutant(
        "rollout-not-watched-to-its-end",
        "A rollout counts as finished as soon as enough pods are ready, old ones included.",
        CONVERGENCE,
        "    return tuple(c for c in seen.consumers if c.rolled_to == mine and not (c.settled and c.healthy))\n",
        "    return tuple(c for c in seen.consumers if c.rolled_to == mine and not c.healthy)\n",
    ),
    mutant(
        "stuck-rollout-waited-for",
        "A rollout that never finishes is waited for without a deadline.",
        CONVERGENCE,
        "            late = started is not None and now - started > rotation.policy.progress_deadline\n",
        "            late = False\n",
    ),
    mutant(
        "former-generation-in-unroll",
        "Going back uses the former template's generation, whose restarted pods may hold the new value.",
        MODEL,
        "        return self.generation + 1\n",
        "        return self.generation - 2\n",
    ),
    mutant(
        "same-generation-in-unroll",
        "Going back uses the generation of the forward roll, so no template changes and no pod restarts.",
        MODEL,
        "        return self.generation + 1\n",
        "        return self.generation\n",
    ),
    mutant(
        "generations-used-twice",
        "A rotation reserves one generation only: the next one rolls under the mark of this one's way back.",
        PLANS,
        '                "generation": plan.status.generation + 2,\n',
        '                "generation": plan.status.generation + 1,\n',
    ),
    mutant(
        "restart-without-looking",
        "A consumer is restarted at every look while it rolls, under a mark of its own each time.",
        CONVERGENCE,
        "        if consumer.rolled_to != rotation.towards(side) and",
        "        if",
        Edit(
            PLANNING,
            "        return (*(RestartConsumer(c.ref, generation) for c in chosen),",
            "        return (*(RestartConsumer(c.ref, max(generation, c.rolled_to or 0) + 2) for c in chosen),",
        ),
    ),
)
