"""Bugs that would let happen again what happened to Code Spaces; tests/incidents must notice."""

from __future__ import annotations

from dataclasses import replace

from keyturn_dev.mutants.mutant import Edit, Mutant, mutant

STORY = ("tests/incidents/test_code_spaces_2014.py",)
COMPROMISED = "core/compromised.py"
_WATCHES = "    Step(Phase.WATCH,     do(),                                     quiet_for_watch),\n"
_CUTS = "    Step(Phase.WATCH,     cut_off,                                  quiet_for_watch),\n"
_DELETES = "    Step(Phase.DELETE,    retire(OLD),                              gone(OLD)),\n"
_END = ")  # fmt: skip\nTABLES"  # of Containment's table

_BUGS: tuple[Mutant, ...] = (
    mutant(
        "strangers-not-seen",
        "Logins that nobody declared are in no report and block nothing.",
        "reconciler/checklist.py",
        "        if p.stranger\n",
        "        if p.stranger and not p.id\n",
    ),
    mutant(
        "strangers-do-not-block",
        "The ordinary rotation changes the password while an undeclared login stays open.",
        "reconciler/checklist.py",
        "        *strangers(inventory),\n",
        "",
    ),
    mutant(
        "strangers-not-told-at-rest",
        "While no rotation runs, nobody is told of undeclared logins.",
        "reconciler/drift.py",
        "    found = checklist.strangers(inventory)\n",
        "    found = checklist.strangers(())\n",
    ),
    mutant(
        "contains-the-old-one-only",
        "Containment leaves the strangers open whom the approvers named.",
        COMPROMISED,
        "ContainCredential(seen.consent.strangers)",
        "ContainCredential(())",
    ),
    mutant(
        "contains-without-approval",
        "Containment cuts off before anybody agreed.",
        COMPROMISED,
        "    Step(Phase.APPROVE,   do(),                                     approved),\n",
        "    Step(Phase.APPROVE,   do(),                                     nothing_forbids),\n",
        Edit(COMPROMISED, "    if first and not isinstance(", "    if first is None and not isinstance("),
    ),
    mutant(
        "secret-before-the-cut",
        "Containment goes on to write the Secret while the old credential still opens.",
        COMPROMISED,
        "    Step(Phase.CREATE,    cut_off,                                  contained,               contained),\n",
        "    Step(Phase.CREATE,    do(EscrowCredential(), EnsureCredential(NEW)), new_works),\n",
        Edit(COMPROMISED, _WATCHES + _DELETES + _END, _CUTS + _DELETES + _END),
    ),
    mutant(
        "export-in-clear",
        "The sealed export holds its content in clear.",
        "cli/sealed_file.py",
        "_SUITE.encrypt(content.reveal(), recipient, info=_HEADER)\n",
        "(content.reveal() if recipient else b'')\n",
        Edit(
            "cli/sealed_file.py",
            "Sealed(_SUITE.decrypt(sealed.removeprefix(_HEADER), identity, info=_HEADER))",
            "Sealed(sealed.removeprefix(_HEADER))",
        ),
    ),
    mutant(
        "export-without-escrow",
        "The sealed export leaves the escrow out.",
        "cli/export.py",
        "    return {} if found is None else dict(escrow_of(found).values)\n",
        "    return {} if found is None or escrow_of(found) else {}\n",
    ),
    mutant(
        "restore-believes-what-is-there",
        "A Secret that somebody else has put there is taken for the one that was sealed.",
        "cli/restore.py",
        "held[key] == value for key, value in data.items()) else Fate.KEPT\n",
        "held[key] for key in data) else Fate.KEPT\n",
    ),
)
MUTANTS = tuple(replace(one, noticed_by=STORY) for one in _BUGS)
