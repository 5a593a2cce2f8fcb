"""A page of docs/incidents shows what a run printed, and nothing else: KEYTURN_WRITE_GOLDEN=1 writes it anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

HOME = Path(__file__).resolve().parents[2] / "docs" / "incidents"


def is_shown(page: str, name: str, printed: str) -> None:
    """Stands exactly this below the page's mark of that name?"""
    print(f"\n{printed}")  # noqa: T201 - what the page shows
    path = HOME / page
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    mark = re.compile(rf"(<!-- printed by the test: {re.escape(name)} -->\n```text\n)(.*?)(```)", re.DOTALL)
    found = mark.search(text)
    assert found is not None, f"docs/incidents/{page} has no mark for {name}"
    if os.environ.get("KEYTURN_WRITE_GOLDEN"):
        path.write_text(text[: found.start(2)] + printed + text[found.end(2) :], encoding="utf-8")
        return
    assert found.group(2) == printed, f"docs/incidents/{page} is not what the test prints: KEYTURN_WRITE_GOLDEN=1"
