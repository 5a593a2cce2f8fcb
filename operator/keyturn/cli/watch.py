"""``kubectl keyturn watch ROTATION``: the live tree. It looks once a second; stopping it stops nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from keyturn.cli.session import Session
from keyturn.cli.views.plain import plain
from keyturn.cli.views.standing import finished, headline, obstacles, troubles
from keyturn.cli.views.tree import fitting_tree, rotation_tree
from keyturn.cli.why import current
from keyturn.core.model import Phase
from keyturn.ports import Clock, Misconfigured, PlanRecord, RotationRecord, Unavailable

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


@dataclass(frozen=True, slots=True)
class Look:
    """A rotation and its plan at one moment; ``away`` when the API server did not answer and this is the last known."""

    record: RotationRecord
    plan: PlanRecord | None = None
    away: bool = False


async def looks(session: Session, record: RotationRecord, every: float) -> AsyncGenerator[Look]:
    """The rotation as it is now, again and again until it is over."""
    seen = Look(record)
    while True:
        try:
            plan = await session.find_plan(record.spec.plan_ref.name)
            seen = Look(await session.rotation(record.key.name), plan)
        except Unavailable:
            seen = replace(seen, away=True)
        yield seen
        if finished(seen.record.status):
            return
        await asyncio.sleep(every)


async def follow(
    session: Session, clock: Clock, record: RotationRecord, console: Console, every: float = EVERY_SECONDS
) -> RotationRecord:
    """Show the rotation until it is over; as it was in the end. In a pipe: a line for each change."""
    if console.is_terminal:
        return await _live(session, clock, record, console, every)
    said = ""
    async for seen in looks(session, record, every):
        record = seen.record
        if (line := _line(seen)) != said:
            console.print(Text(line), soft_wrap=True)
            said = line
    console.print(Text(plain(rotation_tree(record, clock.now()))), end="")
    return record


async def _live(
    session: Session, clock: Clock, record: RotationRecord, console: Console, every: float
) -> RotationRecord:
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        async for seen in looks(session, record, every):
            record = seen.record
            height = console.height - 2  # the cursor's line, and a note
            tree = fitting_tree(record, clock.now(), seen.plan, width=console.width, height=height)
            note = Text("the API server does not answer; looking again", style="yellow")
            live.update(Group(tree, note) if seen.away else tree, refresh=True)
    return record


def _line(seen: Look) -> str:
    status = seen.record.status
    proven = f" {status.proven} pods proven." if status.proven else ""
    stuck = () if finished(status) else troubles(seen.plan)
    waited = stuck[0] if stuck else next((blocker.message for blocker in obstacles(status)), "")
    blocked = f" Waiting: {waited}" if waited and not finished(status) else ""
    away = " The API server does not answer." if seen.away else ""
    return f"{headline(seen.record)}{proven}{blocked}{away}"


def succeeded(record: RotationRecord) -> bool:
    """It reached Complete."""
    return record.status.phase == Phase.COMPLETE
