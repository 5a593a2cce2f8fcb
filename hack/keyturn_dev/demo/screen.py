"""What the demo shows while a rotation runs, and its closing words. Prints; decides nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold at the end, in a sentence, with what was seen."""

    sentence: str
    holds: bool
    seen: str = ""


@dataclass(slots=True)
class Screen:
    """Lines as the rotation moves on: one for every change that a person would want to know of."""

    console: Console = field(default_factory=Console)
    began: float = field(default_factory=time.monotonic)
    _last: tuple[str, ...] = ()

    def say(self, words: str) -> None:
        """A line of the narrator."""
        self.console.print(f"[dim]{self._clock()}[/dim] {words}", highlight=False, soft_wrap=True)

    def show(self, rotation: dict[str, Any]) -> None:
        """A line when phase, proof or blockers changed."""
        status = rotation.get("status", {})
        now = (status.get("phase", ""), status.get("proven", ""), status.get("blockedBy", ""))
        if now == self._last or not now[0]:
            return
        self._last = now
        phase, proven, blocked = now
        waits = f"  [yellow]{blocked}[/yellow]" if blocked else ""
        line = f"[dim]{self._clock()}[/dim] [bold]{phase:<10}[/bold] proven {proven or '-':<6}{waits}"
        self.console.print(line, highlight=False, soft_wrap=True)

    def close(self, title: str, checks: Sequence[Check]) -> bool:
        """The closing summary; True when everything holds."""
        table = Table(title=title, show_header=False, box=None, pad_edge=False, title_justify="left")
        for check in checks:
            mark = "[green]yes[/green]" if check.holds else "[bold red]NO[/bold red] "
            table.add_row(mark, check.sentence, f"[dim]{check.seen}[/dim]")
        self.console.print()
        self.console.print(table)
        return all(check.holds for check in checks)

    def _clock(self) -> str:
        return f"{time.monotonic() - self.began:6.1f}s"
