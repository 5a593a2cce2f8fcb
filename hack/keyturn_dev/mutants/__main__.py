"""``hack/test mutants [NAME ...]``: how many seeded bugs of the operator does the simulated world notice?

    hack/test mutants                 all of them, two at a time
    hack/test mutants stale-proof     these only
    hack/test mutants --list          what they are
    hack/test mutants --only-fit      do they still fit the code? (seconds; runs no test)

Only tests/world may notice one, or tests/incidents, which plays incidents again, one that would bring such an incident
back: unit tests see a bug where it is, these see what it does. Exit 1 when fewer than
95 % are noticed, when one does not fit the code any more, or when the world fails without any bug.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from keyturn_dev.mutants.catalogue import MUTANTS
from keyturn_dev.mutants.mutant import Mutant, Rotten
from keyturn_dev.mutants.trial import NO_BUG, Fate, Outcome, present, try_out

LEAST = 0.95
SCENARIOS = ("rotation_world", "proof_world", "unknown_world", "watch_world", "way_back", "rolls", "two_operators")
PASSES: tuple[tuple[str, ...], ...] = (  # the quick ones first; only what survives them meets all the others
    tuple(f"tests/world/test_{name}.py" for name in SCENARIOS),
    ("tests/world", "--deselect=tests/world/test_schedules.py"),
    ("tests/world/test_schedules.py",),
)


def main(words: Sequence[str] | None = None) -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(
        prog="hack/test mutants", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="print every bug and run nothing")
    parser.add_argument("--only-fit", action="store_true", help="only check that each fits the code")
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="processes side by side (2)")
    asked = parser.parse_args(words)
    chosen = [m for m in MUTANTS if not asked.names or m.name in asked.names]
    if unknown := set(asked.names) - {m.name for m in MUTANTS}:
        parser.error(f"no such mutant: {', '.join(sorted(unknown))}")
    if asked.list:
        for one in chosen:
            print(f"{one.name:<38}{one.bug} [{', '.join(one.files)}]")
        return 0
    rotten = unfit(chosen)
    for told in rotten:
        print(told)
    if rotten or asked.only_fit:
        print(f"{len(chosen) - len(rotten)} of {len(chosen)} mutants fit the code")
        return 1 if rotten else 0
    return _run(chosen, int(asked.at_once))


def unfit(mutants: Iterable[Mutant]) -> list[str]:
    """Mutants whose old text is not in the code exactly once, with the reason."""
    texts, found = present(), list[str]()
    for one in mutants:
        try:
            one.applied(texts)
        except (Rotten, KeyError) as error:
            found.append(f"{one.name}: {error}")
    return found


def _run(chosen: Sequence[Mutant], at_once: int) -> int:
    began = time.monotonic()
    needed = dict.fromkeys(arguments for one in chosen for arguments in passes_for(one))
    calm = try_out(NO_BUG, tuple(needed))
    if calm.fate is not Fate.SURVIVED:
        print(f"keyturn: the world fails without any bug ({calm.by}); no mutant was tried")
        return 1
    print(f"keyturn: {len(chosen)} mutants, {at_once} at a time; without a bug the world takes {calm.seconds:.0f} s")
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(at_once) as pool:
        for done in as_completed(pool.submit(try_out, one, passes_for(one)) for one in chosen):
            outcome = done.result()
            outcomes.append(outcome)
            print(_line(outcome), flush=True)
    return verdict(outcomes, time.monotonic() - began)


def passes_for(one: Mutant) -> tuple[tuple[str, ...], ...]:
    """The runs of pytest that may notice it."""
    return (one.noticed_by,) if one.noticed_by else PASSES


def _line(outcome: Outcome) -> str:
    test = outcome.by.removeprefix("tests/world/").removeprefix("tests/")
    return f"{outcome.fate:<9}{outcome.mutant.name:<38}{outcome.seconds:5.0f} s  {test}"


def verdict(outcomes: Sequence[Outcome], seconds: float) -> int:
    """The summary; 0 only for a score of at least 95 % and no invalid trial."""
    tried = [o for o in outcomes if o.fate is not Fate.INVALID]
    caught = [o for o in tried if o.caught]
    share = len(caught) / len(tried) if tried else 0.0
    print(f"\nkeyturn: {len(caught)} of {len(tried)} mutants noticed: {share:.1%} in {seconds:.0f} s")
    for title, fate in (("survived, so a fault is missing in its tests", Fate.SURVIVED), ("invalid", Fate.INVALID)):
        left = sorted((o for o in outcomes if o.fate is fate), key=lambda o: o.mutant.name)
        if left:
            print(f"{title}:")
        for outcome in left:
            print(f"  {outcome.mutant.name}: {outcome.mutant.bug} {outcome.by}".rstrip())
    return 0 if share >= LEAST and len(tried) == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
