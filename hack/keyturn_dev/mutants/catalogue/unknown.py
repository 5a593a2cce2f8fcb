"""Bugs that take what nobody could see for what they hope, or confuse refusal with silence."""

from keyturn_dev.mutants.mutant import Mutant, mutant

CONVERGENCE = "core/convergence.py"
GATES = "core/gates.py"
ROTATION = "core/rotation.py"
EVIDENCE = "core/evidence.py"
OBSERVE = "reconciler/observe.py"
RECORD = "reconciler/record.py"

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "unknown-usage-as-idle",
        "When the backend cannot say who is connected, nobody is.",
        GATES,
        "    if seen.old_usage is Idle.NOT_SEEN:\n        return YES\n",
        "    if seen.old_usage is not Idle.IN_USE:\n        return YES\n",
    ),
    mutant(
        "usage-of-the-last-list-only",
        "Sessions that were open when the challenge began and closed before it ended are not counted.",
        OBSERVE,
        "    verdicts = {before.idle, after.idle}\n",
        "    verdicts = {after.idle}\n",
    ),
    mutant(
        "unknown-trial-as-working",
        "An endpoint that cannot be reached counts as one where the new credential works.",
        GATES,
        "        case Trial.WORKS if seen.escrowed:\n",
        "        case (Trial.WORKS | Trial.DOWN) if seen.escrowed:\n",
    ),
    mutant(
        "any-failure-as-disabled",
        "Any login with the old credential that does not work proves that it is disabled.",
        GATES,
        "    if old is not Trial.DISABLED and not changed:\n",
        "    if old is Trial.WORKS:\n",
    ),
    mutant(
        "new-not-tried-after-disable",
        "After Disable nobody asks whether the new credential still works.",
        GATES,
        "    if new is not Trial.WORKS:\n",
        "    if new is Trial.NOT_ASKED:\n",
    ),
    mutant(
        "unknown-secret-as-written",
        "A Secret that holds neither credential, or is gone, counts as holding the wanted one.",
        GATES,
        "        if seen.secret.holds is wanted(side):\n",
        "        if seen.secret.holds is not wanted(side.other):\n",
    ),
    mutant(
        "unknown-sight-as-proof",
        "A process that could not be read proves what is wanted.",
        EVIDENCE,
        "        if verdict is wanted or (kind is Kind.SESSION",
        "        if verdict in (wanted, Verdict.UNKNOWN) or (kind is Kind.SESSION",
    ),
    mutant(
        "silence-as-failure",
        "A probe that stays silent past the deadline makes the rotation roll back instead of wait.",
        CONVERGENCE,
        "    if pod.proves in (Verdict.UNKNOWN, Verdict.NONE) or pod.terminating or rotation.entered is None:\n",
        "    if rotation.entered is None:\n",
    ),
    mutant(
        "down-as-refused",
        "An endpoint that cannot be reached counts as a refusal of the new credential, and all rolls back.",
        ROTATION,
        "    refused = seen.trials.get(NEW) in (Trial.REFUSED,",
        "    refused = seen.trials.get(NEW) in (Trial.DOWN, Trial.REFUSED,",
    ),
    mutant(
        "refused-as-down",
        "A new credential that the backend refuses after Stage is waited for like an outage.",
        ROTATION,
        "    refused = seen.trials.get(NEW) in (Trial.REFUSED, Trial.DISABLED, Trial.LACKING)\n",
        "    refused = False\n",
    ),
    mutant(
        "outage-as-no",
        "While the backend is down a rotation goes on deciding with what it cannot see.",
        ROTATION,
        "    if not isinstance(down := backend_reachable(rotation, seen, now), Pass):\n"
        "        return Decision(replace(rotation, down_since=rotation.down_since or now), (), down)\n",
        "",
    ),
    mutant(
        "lacking-as-working",
        "A new credential that lacks rights or settings of the old one counts as working.",
        GATES,
        "        case Trial.WORKS if seen.escrowed:\n",
        "        case (Trial.WORKS | Trial.LACKING) if seen.escrowed:\n",
    ),
    mutant(
        "another-system-accepted",
        "A login that opens another system than the declared one is no obstacle.",
        GATES,
        "    if seen.system is Sameness.DIFFERENT:\n",
        "    if seen.system is Sameness.UNKNOWN and seen.system is Sameness.DIFFERENT:\n",
    ),
    mutant(
        "checklist-ignored",
        "Preflight asks its questions and does not listen to the answers.",
        GATES,
        "    problems = [*first, *((p.reason, p.message) for p in seen.problems)]\n",
        "    problems = [*first]\n",
    ),
    mutant(
        "unknown-phase-as-preflight",
        "A phase that another version wrote counts as one where nothing has been changed.",
        RECORD,
        "        phase=Phase(status.phase),\n",
        "        phase=Phase(status.phase) if status.phase in list(Phase) else Phase.PREFLIGHT,\n",
    ),
)
