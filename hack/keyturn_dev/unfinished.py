"""Refuses what must not land: marks of unfinished work, an ``operator/__init__.py``, files that grew too long."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MARKS = re.compile(
    "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error", "pragma: no " + "cover"))
)
LONGEST = 400  # lines; about 300 is the aim


def main() -> int:
    """Exit status: how many findings."""
    listed = subprocess.run(("git", "ls-files", "-z"), cwd=ROOT, capture_output=True, text=True, check=True).stdout
    findings: list[str] = []
    if (ROOT / "operator" / "__init__.py").exists():
        findings.append("operator/__init__.py would shadow the standard library's operator module")
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.suffix != ".py" or not path.is_file():
            continue
        lines = path.read_text().splitlines()
        if len(lines) > LONGEST:
            findings.append(f"{name}: {len(lines)} lines; split it by idea")
        findings += [f"{name}:{n}: {line.strip()}" for n, line in enumerate(lines, 1) if MARKS.search(line)]
    print("\n".join(findings))
    return len(findings)


if __name__ == "__main__":
    sys.exit(main())
