"""Texts that people see, kept as files, so that a change of them is seen in review."""

from __future__ import annotations

import os
from pathlib import Path

HOME = Path(__file__).resolve().parents[1] / "golden"


def assert_golden(name: str, text: str) -> None:
    """``text`` is what tests/golden/``name`` holds. KEYTURN_WRITE_GOLDEN=1 writes it, for the reviewer to look at."""
    path = HOME / name
    if os.environ.get("KEYTURN_WRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path} is missing: run again with KEYTURN_WRITE_GOLDEN=1 and read what it wrote"
    assert text == path.read_text(encoding="utf-8")
