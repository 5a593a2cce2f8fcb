"""hack/check: every check that needs no server, in the order in which a mistake is cheapest to mend.

hack/check               all of it
hack/check --no-tests    without the unit and world tests (hack/test runs them anyway)
"""

from __future__ import annotations

import subprocess
import sys
import time
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
TESTS = ("unit and world tests", (PYTHON, "-m", "pytest", "--quiet", "tests/unit", "tests/golden", "tests/world"))


def main() -> int:
    """Exit status: how many checks failed."""
    wanted = CHECKS if "--no-tests" in sys.argv[1:] else (*CHECKS, TESTS)
    failed: list[str] = []
    for name, command in wanted:
        began = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        state = "ok" if done.returncode == 0 else "FAILED"
        print(f"{name:<24}{state:<8}{time.monotonic() - began:5.1f} s", flush=True)
        if done.returncode:
            failed.append(name)
            print(done.stdout + done.stderr)
    print("all checks passed" if not failed else f"failed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
