"""Renderables as plain text of a given width: for pipes, logs and tests. Pure."""

from __future__ import annotations

from io import StringIO

from rich.console import Console, RenderableType
from rich.table import Table

NARROW = 80  # the terminal that every view must fit


def plain(view: RenderableType, width: int = NARROW) -> str:
    """Without colour or trailing blanks, ending in one newline."""
    console = Console(file=StringIO(), width=width, color_system=None, legacy_windows=False, emoji=False)
    console.print(view)
    written = console.file
    assert isinstance(written, StringIO)  # noqa: S101 -- made three lines above
    lines = [line.rstrip() for line in written.getvalue().splitlines()]
    return "\n".join(lines).rstrip("\n") + "\n"


def bullet(text: str) -> Table:
    """A line of a list; what does not fit goes on below its own first word."""
    grid = Table.grid()
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("  - ", text)
    return grid


def columns(*names: str, wide: str = "") -> Table:
    """A table like kubectl's: headings, no lines. Cells keep to one line but for the ``wide`` column, which folds."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=False)
    for name in names:
        table.add_column(name, no_wrap=name != wide, overflow="fold" if name == wide else "ellipsis")
    return table
