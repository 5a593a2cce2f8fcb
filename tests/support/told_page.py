"""Pages that quote what a test has seen. A block stands between two comments; the test says what is in it.

<!-- seen: the name -->
...
<!-- /seen -->
"""

from __future__ import annotations

import os
from pathlib import Path

HOME = Path(__file__).resolve().parents[2] / "docs" / "incidents"


def assert_told(page: str, name: str, seen: str, *, as_table: bool = False) -> None:
    """The page quotes exactly this under that name. KEYTURN_WRITE_GOLDEN=1 writes it, for the reviewer to look at."""
    path = HOME / page
    text = path.read_text(encoding="utf-8")
    begin, end = f"<!-- seen: {name} -->\n", "<!-- /seen -->"
    assert text.count(begin) == 1, f"{page} has no block {begin.strip()} ... {end}, or several"
    before, _, rest = text.partition(begin)
    told, _, after = rest.partition(end)
    quoted = f"\n{seen}\n" if as_table else f"\n```console\n{seen.rstrip()}\n```\n\n"
    if os.environ.get("KEYTURN_WRITE_GOLDEN"):
        path.write_text(f"{before}{begin}{quoted}{end}{after}", encoding="utf-8")
        return
    assert told == quoted, f"{page} tells something else of {name}: run again with KEYTURN_WRITE_GOLDEN=1 and read it"
