"""``kubectl keyturn watch ROTATION``: the live tree. It looks once a second; stopping it stops nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from rich.console import Console
from rich.live import Live
from rich.text import Text

from keyturn.cli.session import Session
from keyturn.cli.views.plain import plain
from keyturn.cli.views.standing import finished, headline
from keyturn.cli.views.tree import rotation_tree
from keyturn.cli.why import current
from keyturn.core.model import Phase
from keyturn.ports import Clock, KeyturnError, Misconfigured, RotationRecord, Unavailable

EVERY_SECONDS = 1.0


async def rotation_named(session: Session, name: str) -> RotationRecord:
    """A rotation by its own name or, for a plan's name, the one that runs or ran last. Raises when there is none."""
    if (record := await session.find_rotation(name)) is not None:
        return record
    plan = await session.plan(name)
    found = current(plan, await session.rotations(name))
    if found is None:
        raise Misconfigured("NotFound", f"plan {name} has no rotation yet; ask for one: kubectl keyturn rotate {name}")
    return found


async def looks(
    session: Session, record: RotationRecord, every: float
) -> AsyncGenerator[RotationRecord | KeyturnError]:
    """The rotation as it is now, again and again until it is over; an error for a look that failed."""
    yield record
    while not finished(record.status):
        await asyncio.sleep(every)
        try:
            record = await session.rotation(record.key.name)
        except Unavailable as error:
            yield error
        else:
            yield record


async def follow(
    session: Session, clock: Clock, record: RotationRecord, console: Console, every: float = EVERY_SECONDS
) -> RotationRecord:
    """Show the rotation until it is over; as it was in the end. In a pipe: a line for each change."""
    if console.is_terminal:
        return await _live(session, clock, record, console, every)
    said = ""
    async for seen in looks(session, record, every):
        if isinstance(seen, KeyturnError):
            continue
        record = seen
        if (line := _line(record)) != said:
            console.print(Text(line), soft_wrap=True)
            said = line
    console.print(Text(plain(rotation_tree(record, clock.now()))), end="")
    return record


async def _live(
    session: Session, clock: Clock, record: RotationRecord, console: Console, every: float
) -> RotationRecord:
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        async for seen in looks(session, record, every):
            if isinstance(seen, KeyturnError):
                live.update(Text("the API server does not answer; looking again"), refresh=True)
                continue
            record = seen
            live.update(rotation_tree(record, clock.now()), refresh=True)
    return record


def _line(record: RotationRecord) -> str:
    status = record.status
    proven = f" {status.proven} pods proven" if status.proven else ""
    blocked = f" waiting: {status.blocked_by}" if status.blocked_by and not finished(status) else ""
    return f"{headline(record)}{proven}{blocked}"


def succeeded(record: RotationRecord) -> bool:
    """It reached Complete."""
    return record.status.phase == Phase.COMPLETE
