"""``docs/fault-matrix.md`` as text: every row, what must come of it, and who shows it. Pure but for reading."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keyturn_dev.matrix.marks import TIERS, Cover, covers

ROWS = Path(__file__).with_name("rows.toml")
_HEAD = """\
# Fault matrix

Written by `hack/generate` from the marks that the tests carry (`@pytest.mark.fm(...)`, and `fm=` on the simulated
world's faults) and from `hack/keyturn_dev/matrix/rows.toml`. Change those, not this file.

What must hold in every one of them: no pod is ever locked out, no credential is lost, Disable and Delete come in order
and on fresh proof, no value is seen where it does not belong, at most two credentials are enabled, it ends, and a
rollback leaves everything as it was.

"""


class MatrixMistake(ValueError):
    """A mark for a row that there is not, or a row that says nothing."""


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. ``gap``: what of it nobody shows yet, and why; empty when nothing is missing."""

    number: int
    phase: str
    fault: str
    outcome: str
    gap: str = ""

    @property
    def name(self) -> str:
        """``FM-07``."""
        return f"FM-{self.number:02}"


def rows(path: Path = ROWS) -> list[Row]:
    """The table of rows."""
    return [Row(**fields) for fields in tomllib.loads(path.read_text(encoding="utf-8"))["row"]]


def mistakes(table: Sequence[Row], found: Sequence[Cover]) -> list[str]:
    """Marks of unknown rows, and rows that neither a test nor a reason speaks for."""
    known, claimed = {row.number for row in table}, {cover.row for cover in found}
    unknown = [
        f"{c.path}: {c.name} is marked fm({c.row}), and there is no such row" for c in found if c.row not in known
    ]
    silent = [
        f"{row.name} is covered by no test and has no gap that says why"
        for row in table
        if row.number not in claimed and not row.gap
    ]
    doubled = [f"{row.name} stands twice" for i, row in enumerate(table) if row.number in {r.number for r in table[:i]}]
    return [*unknown, *silent, *doubled]


def page(table: Sequence[Row], found: Sequence[Cover]) -> str:
    """The document. Raises MatrixMistake."""
    if wrong := mistakes(table, found):
        raise MatrixMistake("; ".join(wrong))
    uncovered = [row for row in table if not any(c.row == row.number for c in found)]
    partly = [row for row in table if row.gap and row not in uncovered]
    lines = [
        f"{len(table) - len(uncovered)} of {len(table)} rows are covered, {len(partly)} of them with a gap.",
        "",
    ]
    if uncovered:
        lines += ["Not covered:", "", *(f"- **{row.name}** {row.fault} {row.gap}" for row in uncovered), ""]
    lines += ["| row | when | fault, and what must come of it | shown by |", "|---|---|---|---|"]
    lines += [_line(row, [c for c in found if c.row == row.number]) for row in table]
    lines += ["", "## How real each tier is", "", *_tiers(found)]
    return _HEAD + "\n".join(lines) + "\n"


def _line(row: Row, found: Sequence[Cover]) -> str:
    shown = [f"*{tier}*: " + "; ".join(_told(c) for c in found if c.tier == tier) for tier in _order(found)]
    if row.gap:
        shown.append(f"**{'gap' if found else 'not covered'}**: {row.gap}")
    return f"| {row.name} | {row.phase} | {row.fault} → {row.outcome} | {'<br>'.join(shown)} |".replace("\n", " ")


def _told(cover: Cover) -> str:
    """A test's name read as the sentence it is, with its file."""
    owner, _, test = cover.name.rpartition(".")
    words = test.removeprefix("test_").replace("_", " ")
    where = Path(cover.path).stem
    return f"{words} (`{where}{f'.{owner}' if owner else ''}`)"


def _order(found: Sequence[Cover]) -> list[str]:
    present = {cover.tier for cover in found}
    return [tier for tier in dict.fromkeys(TIERS.values()) if tier in present]


def _tiers(found: Sequence[Cover]) -> list[str]:
    told = {
        "unit": "one part by itself",
        "simulated": "the real core and reconciler in a simulated world with a virtual clock (`tests/world`)",
        "real backend": "the real server and the in-memory one pass the same suite (`tests/contract`)",
        "real API server": "the Kubernetes side against a real control plane (`tests/integration`)",
        "real API server under faults": "the operator as a process, with faults in every write and in every call of a "
        "real PostgreSQL, a real Redis and a server that speaks AWS IAM's API (`tests/faults`)",
        "real cluster": "the chart, real pods and a real database (`tests/e2e`)",
    }
    counts = {tier: len({c.row for c in found if c.tier == tier}) for tier in _order(found)}
    return [f"- *{tier}*: {told[tier]}; {count} rows" for tier, count in counts.items()]


def matrix(root: Path) -> str:
    """The document for the project at ``root``. Raises MatrixMistake, marks.UnreadableMark."""
    return page(rows(), covers(root))
