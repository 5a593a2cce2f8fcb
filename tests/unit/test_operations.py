"""Every reason that a person may meet is explained in docs/operations.md, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SPOKEN = re.compile(
    r"(?:Wait|Fail|Problem|Misconfigured|Denied|Blocker|append|waiting)\("
    r'\s*(?:seen, [\w.]+, )?\(?\s*"([A-Z][A-Za-z]+)"'
)


def spoken() -> set[str]:
    """The reasons that core and reconciler give."""
    files = [*(ROOT / "operator/keyturn/core").glob("*.py"), *(ROOT / "operator/keyturn/reconciler").glob("*.py")]
    return {reason for file in files for reason in SPOKEN.findall(file.read_text())}


def explained() -> set[str]:
    lines = (ROOT / "docs/operations.md").read_text().splitlines()
    cells = [line.split("|")[1] for line in lines if line.startswith("| `")]
    return {reason for cell in cells for reason in re.findall(r"`(\w+)`", cell)}


def test_every_reason_is_explained() -> None:
    assert len(spoken()) > 50
    assert spoken() - explained() == set()


def test_nothing_is_explained_that_is_never_said() -> None:
    assert explained() - spoken() == set()
