"""hack/check: every check that needs no server, in the order in which a mistake is cheapest to mend.

hack/check               all of it
hack/check --no-tests    without the unit and world tests (hack/test runs them anyway)
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
BIN = Path(sys.executable).parent

CHECKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("format", (str(BIN / "ruff"), "format", "--check", "--quiet", ".")),
    ("lint", (str(BIN / "ruff"), "check", "--quiet", ".")),
    ("types", (str(BIN / "pyright"), "--warnings")),
    ("contracts", (str(BIN / "lint-imports"), "--no-cache")),
    ("generated files", (PYTHON, "-m", "keyturn_dev.generate", "--check")),
    ("unfinished work", (PYTHON, "-m", "keyturn_dev.unfinished")),
)
UNIT = ("unit tests", (PYTHON, "-m", "pytest", "--quiet", "tests/unit", "tests/golden"))
WORLD = ("world tests", (PYTHON, "-m", "pytest", "--quiet", "tests/world"))  # as long as all others: beside them


def ran(check: tuple[str, tuple[str, ...]]) -> tuple[str, float, subprocess.CompletedProcess[str]]:
    """Its name, the seconds that it took, and what it said."""
    name, command = check
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return name, time.monotonic() - began, done


def main() -> int:
    """Exit status: how many checks failed."""
    tests = "--no-tests" not in sys.argv[1:]
    failed: list[str] = []
    with ThreadPoolExecutor(1) as beside:
        world = beside.map(ran, [WORLD] if tests else [])
        for name, took, done in chain(map(ran, (*CHECKS, UNIT) if tests else CHECKS), world):
            state = "ok" if done.returncode == 0 else "FAILED"
            print(f"{name:<24}{state:<8}{took:5.1f} s", flush=True)
            if done.returncode:
                failed.append(name)
                print(done.stdout + done.stderr)
    print("all checks passed" if not failed else f"failed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
