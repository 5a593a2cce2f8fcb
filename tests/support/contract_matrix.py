"""What the contract suite found, as a table: a row an item of the contract, a column a backend. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_MARKS = {"passed": "+", "failed": "FAIL", "skipped": "skip"}
_WIDEST = 57  # of a sentence: with seven columns it fits 80 signs


@dataclass
class Matrix:
    """Filled as the tests end."""

    versions: dict[str, str] = field(default_factory=dict)  # backend -> what it says it is
    found: dict[str, dict[str, str]] = field(default_factory=dict)  # item -> backend -> outcome

    def add(self, item: str, backend: str, outcome: str) -> None:
        """One test ended; a failure stays."""
        row = self.found.setdefault(item, {})
        if row.get(backend) != "failed":
            row[backend] = outcome

    def lines(self) -> list[str]:
        """For the terminal; empty if the suite did not run."""
        if not self.found:
            return []
        backends = sorted({backend for row in self.found.values() for backend in row})
        signs = {backend: chr(ord("A") + number) for number, backend in enumerate(backends)}
        legend = [f"  {signs[one]}  {one:<26}{self.versions.get(one, '')}".rstrip() for one in backends]
        head = f"{'':<{_WIDEST}} " + "  ".join(signs.values())
        return [*legend, "", head, *(self._line(item, row, backends) for item, row in self.found.items())]

    def _line(self, item: str, row: Mapping[str, str], backends: list[str]) -> str:
        words = item.removeprefix("test_").replace("_", " ")
        short = words if len(words) <= _WIDEST else words[: _WIDEST - 1] + "…"
        return f"{short:<{_WIDEST}} " + "  ".join(_MARKS.get(row.get(one, ""), "-") for one in backends)
