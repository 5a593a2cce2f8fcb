"""``status``: plans at a glance, or one plan with its rotations. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from keyturn.api.base import Condition
from keyturn.api.conditions import ConditionType, condition
from keyturn.cli.views.plain import bullet, columns
from keyturn.cli.views.spans import ago, ahead
from keyturn.cli.views.standing import finished, phase_of, swap
from keyturn.core.model import Phase
from keyturn.ports import PlanRecord, RotationRecord

_SHOWN = 5  # rotations below a plan


def plan_list(plans: Sequence[PlanRecord], now: datetime, *, everywhere: bool = False) -> RenderableType:
    """One line a plan."""
    if not plans:
        return Text("No plans here. All namespaces: kubectl keyturn status -A")
    first = ("NAMESPACE",) if everywhere else ()
    table = columns(*first, "PLAN", "SECRET", "CURRENT", "READY", "PHASE", "NEXT")
    for plan in plans:
        place = (plan.key.namespace,) if everywhere else ()
        status = plan.status
        upcoming = "suspended" if plan.spec.suspend else _soon(plan, now)
        table.add_row(
            *place,
            plan.key.name,
            plan.spec.secret.name,
            status.current_id or "-",
            _ready(status.conditions),
            status.last_rotation_phase or "-",
            upcoming,
        )
    return table


def _soon(plan: PlanRecord, now: datetime) -> str:
    due = plan.status.next_rotation_time
    if due is None:
        return "-"
    return f"in {ago(now, due)}" if due > now else "due"


def _ready(conditions: Sequence[Condition]) -> str:
    found = condition(conditions, ConditionType.READY)
    return found.status if found else "Unknown"


def plan_page(plan: PlanRecord, rotations: Sequence[RotationRecord], now: datetime) -> RenderableType:
    """Everything about one plan that fits on a screen."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("  Secret", plan.spec.secret.name)
    facts.add_row("  Current", _current(plan, rotations, now))
    facts.add_row("  Next", "suspended" if plan.spec.suspend else ahead(plan.status.next_rotation_time, now))
    for known in filter(_worth_a_line, plan.status.conditions):
        facts.add_row(
            f"  {known.type}", f"{known.status} {known.reason}" + (f": {known.message}" if known.message else "")
        )
    parts: list[RenderableType] = [Text(f"{plan.key.name} in namespace {plan.key.namespace}", style="bold"), facts]
    if rotations:
        parts += [Text(), rotation_list(rotations[:_SHOWN], now)]
    if rotations and (unchecked := rotations[0].status.unchecked):
        parts += [Text(), Text(f"Not looked at in Preflight of {rotations[0].key.name}: look yourself")]
        parts += [bullet(f"{note.message} ({note.reason})") for note in unchecked]
    running = next((record for record in rotations if not finished(record.status)), None)
    if running is not None:
        parts += [Text(), Text(f"Who is waited for: kubectl keyturn why {running.key.name}")]
    return Group(*parts)


def _worth_a_line(known: Condition) -> bool:
    """Ready always is; of the others, all of which are False in peace, those that are not."""
    return known.type == ConditionType.READY or known.status != "False"


def _current(plan: PlanRecord, rotations: Sequence[RotationRecord], now: datetime) -> str:
    if not plan.status.current_id:
        return "not adopted yet"
    since = _current_since(plan, rotations)
    return f"{plan.status.current_id}, for {ago(since, now)}" if since else plan.status.current_id


def _current_since(plan: PlanRecord, rotations: Sequence[RotationRecord]) -> datetime | None:
    """Since the rotation that brought it, or since adoption; None once ``historyLimit`` took the record of it away.

    One that went back brought nothing, so when the last rotation ended does not tell.
    """
    brought = [
        record.status.completed_at
        for record in rotations
        if record.status.phase == Phase.COMPLETE and record.status.new_id == plan.status.current_id
    ]
    if since := max(filter(None, brought), default=None):
        return since
    forgotten = set(plan.status.ran) - {record.key.name for record in rotations}
    return None if forgotten else plan.status.adopted_at


def rotation_list(rotations: Sequence[RotationRecord], now: datetime) -> RenderableType:
    """One line a rotation, newest first."""
    table = columns("ROTATION", "PHASE", "PROVEN", "CREDENTIAL", "AGE")
    for record in rotations:
        status = record.status
        table.add_row(
            record.key.name, phase_of(status), status.proven or "-", swap(status) or "-", ago(record.created, now)
        )
    return table
