"""Bugs about evidence: proofs that are none, or that belong to somebody else."""

from keyturn_dev.mutants.mutant import Edit, Mutant, mutant

EVIDENCE = "core/evidence.py"
SCENE = "reconciler/scene.py"
OBSERVE = "reconciler/observe.py"
MEMORY = "core/memory.py"

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "skip-a-proof",
        "Only the first of the required kinds of evidence is asked for.",
        EVIDENCE,
        "    for kind in sorted(needed):\n",
        "    for kind in sorted(needed)[:1]:\n",
    ),
    mutant(
        "proof-of-another-pod",
        "What any probe answered is taken for every pod's answer.",
        SCENE,
        'testimonies.get(pod.uid, Testimony(silent="not asked"))',
        'next(iter(testimonies.values()), Testimony(silent="not asked"))',
    ),
    mutant(
        "stale-proof",
        "What a probe answered once is believed for ever, whatever it answers now.",
        OBSERVE,
        "        testimonies = await self._probes.challenge(plan, pods, rotation.generation, expected)\n",
        """\
        testimonies = await self._probes.challenge(plan, pods, rotation.generation, expected)
        self._known = {} if rotation.phase is Phase.PREFLIGHT else getattr(self, "_known", {})
        proved = {u: t for u, t in testimonies.items() if any(s.verdict == "New" for s in t.sights)}
        self._known = {**proved, **self._known}
        testimonies = {**testimonies, **self._known}
""",
    ),
    mutant(
        "cached-list-before-delete",
        "Disable, Watch and Delete look at the list of pods that Soak saw.",
        OBSERVE,
        "        usages, testimonies = await self._sessions_and_pods(scene, escrow, pods, new_id)\n",
        """\
        if rotation.phase in (Phase.DISABLE, Phase.WATCH, Phase.DELETE):
            pods = getattr(self, "_pods", pods)
        self._pods = pods
        usages, testimonies = await self._sessions_and_pods(scene, escrow, pods, new_id)
""",
    ),
    mutant(
        "none-as-new",
        "A pod without a connection counts as proved though its consumer was always connected before.",
        EVIDENCE,
        "    return held and not subject.was_connected\n",
        "    return held\n",
    ),
    mutant(
        "connected-before-forgotten",
        "Which consumers were connected before Stage is not remembered.",
        MEMORY,
        "        connected = tuple(sorted({*rotation.connected_before, *seen.connected}))\n",
        "        connected = rotation.connected_before\n",
    ),
    mutant(
        "file-view-as-process",
        "That the file shows the new value stands for what the process holds in its memory.",
        EVIDENCE,
        "        verdict = evidence.get(kind, Verdict.UNKNOWN)\n",
        """\
        verdict = evidence.get(kind, Verdict.UNKNOWN)
        if kind is Kind.PROCESS and verdict is Verdict.UNKNOWN:
            verdict = evidence.get(Kind.MOUNTED, Verdict.UNKNOWN)
""",
    ),
    mutant(
        "reload-without-session",
        "A consumer that says it reloads is believed on its file alone, without a session of the new credential.",
        EVIDENCE,
        "    return (required - {Kind.PROCESS}) | {Kind.MOUNTED, Kind.SESSION}\n",
        "    return (required - {Kind.PROCESS, Kind.SESSION}) | {Kind.MOUNTED}\n",
    ),
    mutant(
        "old-session-overlooked",
        "A pod that is connected as both is judged by its session of the new credential.",
        EVIDENCE,
        "        return Verdict.MIXED if new is Verdict.NEW else Verdict.OLD\n",
        "        return Verdict.NEW if new is Verdict.NEW else Verdict.OLD\n",
    ),
    mutant(
        "terminating-pods-ignored",
        "A pod that is going away but still runs is not asked any more.",
        SCENE,
        '        if pod.phase in ("Succeeded", "Failed") or rotation.phase in QUIET:\n',
        '        if pod.terminating or pod.phase in ("Succeeded", "Failed") or rotation.phase in QUIET:\n',
    ),
    mutant(
        "only-ready-pods-asked",
        "A pod that is not ready is left out, though its processes run and hold a credential.",
        SCENE,
        '        if pod.phase in ("Succeeded", "Failed") or rotation.phase in QUIET:\n',
        '        if not pod.ready or pod.phase in ("Succeeded", "Failed") or rotation.phase in QUIET:\n',
    ),
    mutant(
        "only-listed-consumers-count",
        "Pods that use the Secret and belong to no known workload are left out of the proof.",
        SCENE,
        '        if pod.phase in ("Succeeded", "Failed") or rotation.phase in QUIET:\n',
        '        if pod.consumer not in known or pod.phase in ("Succeeded", "Failed") or rotation.phase in QUIET:\n',
    ),
    mutant(
        "session-by-address-alone",
        "Any session from the pod's address proves it, whichever process opened it.",
        EVIDENCE,
        "    mine = [s for s in sessions if s.client_port is not None and ports[s.client_port]]\n",
        "    mine = list(sessions)\n",
    ),
    mutant(
        "objections-overlooked",
        "One kind that says NEW outweighs another that says OLD.",
        EVIDENCE,
        "        if verdict not in (wanted, Verdict.NONE, Verdict.UNKNOWN):\n",
        "        if verdict not in (wanted, Verdict.NONE, Verdict.UNKNOWN) and wanted not in evidence.values():\n",
        Edit(
            EVIDENCE,
            "        if verdict is wanted or (kind is Kind.SESSION",
            "        if wanted in evidence.values() or (kind is Kind.SESSION",
        ),
    ),
)
