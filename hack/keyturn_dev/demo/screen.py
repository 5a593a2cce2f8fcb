"""What the demo shows while a rotation runs, and its closing words. Prints; decides nothing.

The tree is the one of `kubectl keyturn watch`. Where nobody looks at a terminal there is a line for every change.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from keyturn.cli.objects import rotation_of
from keyturn.cli.views.tree import rotation_tree


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold at the end, in a sentence, with what was seen."""

    sentence: str
    holds: bool
    seen: str = ""


@dataclass(slots=True)
class Screen:
    """The narrator's lines, and below them the rotation as it is now."""

    console: Console = field(default_factory=lambda: Console(highlight=False))
    began: float = field(default_factory=time.monotonic)
    _last: tuple[str, ...] = ()
    _live: Live | None = None

    def say(self, words: str) -> None:
        """A line of the narrator."""
        self.console.print(f"[dim]{self._clock()}[/dim] {words}", soft_wrap=True)

    @contextmanager
    def scene(self) -> Generator[None]:
        """While inside, a terminal shows the tree at its lower end; it stays there when the scene is over."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, auto_refresh=False, vertical_overflow="visible") as self._live:
            yield
        self._live = None

    def show(self, rotation: dict[str, Any]) -> None:
        """The rotation as it is now."""
        status = rotation.get("status", {})
        now = (status.get("phase", ""), status.get("proven", ""), status.get("blockedBy", ""))
        if self._live and rotation:
            moment = datetime.now(UTC)  # noqa: TID251 - for people, who look at the tree now
            self._live.update(rotation_tree(rotation_of(rotation), moment), refresh=True)
        elif now != self._last and now[0]:
            self._last = now
            phase, proven, _ = now
            self.say(f"[bold]{phase:<10}[/bold] proven {proven or '-':<6} [yellow]{_waits_for(status)}[/yellow]")

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


def _waits_for(status: dict[str, Any]) -> str:
    """The first thing it waits for, in its own words."""
    blockers = status.get("blockers", [])
    if not blockers:
        return str(status.get("blockedBy", ""))
    first = blockers[0]
    who = first.get("pod") or first.get("consumer") or ""
    more = f" (and {len(blockers) - 1} more)" if len(blockers) > 1 else ""
    return f"{first['reason']}: {who + ': ' if who else ''}{first['message']}{more}"
