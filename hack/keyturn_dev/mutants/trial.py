"""One mutant on trial: a copy of the operator with the bug in it, and the simulated world's tests run against it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from keyturn_dev.mutants import witness
from keyturn_dev.mutants.mutant import Mutant, Rotten

ROOT = Path(__file__).resolve().parents[3]
SOURCE = Path("operator") / "keyturn"
TESTS = tuple(Path("tests") / name for name in ("world", "incidents", "support"))
NEEDED = (SOURCE, Path("operator") / "keyturn_probe", *TESTS, Path("docs") / "incidents")
LONGEST = 300  # seconds; a bug that makes the world run in circles is noticed by its never ending
NO_BUG = Mutant("no bug at all", "The operator as it is.", ())


class Fate(StrEnum):
    """How a trial ended."""

    KILLED = "killed"
    HUNG = "hung"  # the world ran in circles: noticed too
    SURVIVED = "survived"
    INVALID = "invalid"  # the trial itself says nothing: rotten, not imported, cannot be collected


@dataclass(frozen=True, slots=True)
class Outcome:
    """A mutant's fate, and by which test, or why the trial says nothing."""

    mutant: Mutant
    fate: Fate
    by: str = ""
    seconds: float = 0.0

    @property
    def caught(self) -> bool:
        """Noticed."""
        return self.fate in (Fate.KILLED, Fate.HUNG)


def present(root: Path = ROOT) -> dict[str, str]:
    """The operator's files as they are, by their name under ``operator/keyturn``."""
    home = root / SOURCE
    return {str(path.relative_to(home)): path.read_text(encoding="utf-8") for path in home.rglob("*.py")}


def try_out(mutant: Mutant, passes: tuple[tuple[str, ...], ...], root: Path = ROOT) -> Outcome:
    """Run the passes (arguments for pytest) until one notices. The copy is thrown away."""
    began = time.monotonic()
    try:
        changed = mutant.applied(present(root))
    except (Rotten, KeyError) as error:
        return Outcome(mutant, Fate.INVALID, str(error))
    with tempfile.TemporaryDirectory(prefix="keyturn-mutant-") as made:
        home = Path(made).resolve()
        _copy(root, home)
        for name, text in changed.items():
            (home / SOURCE / name).write_text(text, encoding="utf-8")
        fate, by = Fate.SURVIVED, ""
        for arguments in passes:
            fate, by = _run(mutant, home, root, arguments)
            if fate is not Fate.SURVIVED:
                break
    return Outcome(mutant, fate, by, time.monotonic() - began)


def _copy(root: Path, home: Path) -> None:
    """What the tests need and nothing else; pytest's settings come along, so its paths lead to the copy.

    Compiled files come along too: times are kept, so all but the mutated files need no second compilation.
    """
    for part in NEEDED:
        shutil.copytree(root / part, home / part)
    shutil.copy(root / "pyproject.toml", home)


def _run(mutant: Mutant, home: Path, root: Path, arguments: tuple[str, ...]) -> tuple[Fate, str]:
    report = home / "report.json"
    report.unlink(missing_ok=True)
    paths = (home / "operator", home / "tests", root / "hack")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        witness.HOME: str(home),
        witness.REPORT: str(report),
        witness.FILES: json.dumps(mutant.files),
    }
    command = (sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", witness.__name__, *arguments)
    try:
        done = subprocess.run(
            ("nice", *command), cwd=home, env=environment, capture_output=True, text=True, check=False, timeout=LONGEST
        )
    except subprocess.TimeoutExpired:
        return Fate.HUNG, f"no end after {LONGEST} s"
    if not report.exists():
        return Fate.INVALID, f"pytest wrote no report: {done.stdout[-300:]}{done.stderr[-300:]}"
    return judged(json.loads(report.read_text(encoding="utf-8")))


def judged(told: Mapping[str, list[str] | int]) -> tuple[Fate, str]:
    """What the witness's report means: fate, and by which test, or why the trial says nothing."""
    for trouble in ("broken", "from_elsewhere", "not_imported"):
        if told[trouble]:
            return Fate.INVALID, f"{trouble.replace('_', ' ')}: {told[trouble]}"
    if not told["tests"]:
        return Fate.INVALID, "no test was collected"
    failed = told["failed"]
    return (Fate.KILLED, failed[0]) if isinstance(failed, list) and failed else (Fate.SURVIVED, "")
