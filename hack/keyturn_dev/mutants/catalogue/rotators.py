"""Bugs in how a rotator is turned: each takes out one guard of ``reconciler/rotators.py`` and what it stands on."""

from __future__ import annotations

from dataclasses import replace

from keyturn_dev.mutants.mutant import Mutant, mutant

FILE = "reconciler/rotators.py"
WORLD = ("tests/world/test_rotators.py",)

MUTANTS: tuple[Mutant, ...] = tuple(
    replace(one, noticed_by=WORLD)
    for one in (
        mutant(
            "rotator-refused-is-proof",
            "That a provider's login with the new credential is refused counts as proof that it is used.",
            FILE,
            'return Verdict.OTHER, f"the backend refuses its login with the {holds.lower()} credential"',
            'return holds, ""',
        ),
        mutant(
            "rotator-unreachable-is-proof",
            "That a provider cannot be reached with the new credential counts as proof that it is used.",
            FILE,
            'return Verdict.UNKNOWN, f"the backend could not be reached with the {holds.lower()} credential"',
            'return holds, ""',
        ),
        mutant(
            "rotator-circle-of-two",
            "Two plans that rotate one another's rotators are not taken for a circle.",
            FILE,
            "    if way := await _circle(cluster, plan, terms):\n",
            "    if len(way := await _circle(cluster, plan, terms)) > 2:\n",
        ),
        mutant(
            "rotator-circle-of-three",
            "A circle is looked for no further than one plan away.",
            FILE,
            "                ahead.append((following, await cluster.provider(following)))\n",
            "                ahead.append((following, terms))\n",
        ),
        mutant(
            "rotator-turns-itself",
            "A provider may log in as one of the roles that the plan rotates.",
            FILE,
            "        return any(user == Sealed(name) for name in principals)\n",
            "        return any(user is name for name in principals)\n",
        ),
        mutant(
            "rotator-turns-its-copy",
            "A provider may log in with a copy of the password that the plan rotates.",
            FILE,
            "    return secret is not None and any(",
            "    return secret is None and any(",
        ),
        mutant(
            "rotator-turned-in-mid-work",
            "A rotator is turned while a rotation is under way through it.",
            FILE,
            "    for one in found:\n        for plan in one.plans:\n            if name",
            "    for one in found[:0]:\n        for plan in one.plans:\n            if name",
        ),
        mutant(
            "rotator-works-while-it-is-turned",
            "A rotation begins through a rotator that is being turned.",
            FILE,
            "    for plan in await turners(cluster, terms):\n",
            "    for plan in (await turners(cluster, terms))[:0]:\n",
        ),
        mutant(
            "rotator-lost-record-is-harmless",
            "A rotation whose record somebody deleted counts as one that changes nothing.",
            FILE,
            "return name if rotation is None or rotation.status.phase not in _HARMLESS",
            "return name if rotation is not None and rotation.status.phase not in _HARMLESS",
        ),
        mutant(
            "rotator-unproven-before",
            "A rotator is turned although the provider does not work with the present one.",
            FILE,
            "        if one.proves is not Verdict.OLD\n",
            "        if one.proves is Verdict.NEW\n",
        ),
        mutant(
            "rotator-replicas-nameless",
            "A session that another replica has left open is waited for without its name.",
            "reconciler/observe.py",
            "known = (*pods, *(await self._cluster.operators() if served else ()))",
            "known = pods",
        ),
        mutant(
            "rotator-nobody-asked",
            "Whether the provider works with what the Secret holds is asked in Preflight only.",
            "reconciler/observe.py",
            "        if scene.rotation.phase in QUIET:\n            return ()\n",
            "        if scene.rotation.phase is not Phase.PREFLIGHT:\n            return ()\n",
        ),
        mutant(
            "rotator-names-must-be-long",
            "A user name, or a weak adopted value, in a key of its own cannot be written back.",
            "reconciler/act.py",
            "            require_suitable(escrow.values[scene.rotation.new_id])\n",
            "            require_suitable(escrow.values[scene.rotation.new_id])\n"
            "        for value in data.values():\n            require_suitable(value)\n",
        ),
    )
)
