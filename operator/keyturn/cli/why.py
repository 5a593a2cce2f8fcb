"""``kubectl keyturn why [PLAN|ROTATION]``: who is waited for, and what to do."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from keyturn.cli.session import Session
from keyturn.cli.views.reasons import plan_reasons, rotation_reasons
from keyturn.cli.views.standing import finished
from keyturn.ports import Clock, PlanRecord, RotationRecord


async def why(session: Session, clock: Clock, name: str | None) -> RenderableType:
    """What to show: a rotation by that name, else a plan, else every plan. Raises when neither exists."""
    if name is None:
        return await _every_plan(session, clock)
    if (rotation := await session.find_rotation(name)) is not None:
        plan = await session.find_plan(rotation.spec.plan_ref.name)
        return rotation_reasons(rotation, clock.now(), plan)
    plan = await session.plan(name)
    return plan_reasons(plan, current(plan, await session.rotations(name)), clock.now())


async def _every_plan(session: Session, clock: Clock) -> RenderableType:
    plans, rotations = await session.plans(), await session.rotations()
    if not plans:
        return Text(f"No plans in namespace {session.namespace}.")
    parts: list[RenderableType] = []
    for plan in plans:
        mine = [record for record in rotations if record.spec.plan_ref.name == plan.key.name]
        parts += [Text(), plan_reasons(plan, current(plan, mine), clock.now())]
    return Group(*parts[1:])


def current(plan: PlanRecord, rotations: list[RotationRecord]) -> RotationRecord | None:
    """The rotation that runs, by the plan's own word or because it is not over; else the newest."""
    named = [record for record in rotations if record.key.name == plan.status.active_rotation]
    running = [record for record in rotations if not finished(record.status)]
    return next(iter([*named, *running, *rotations]), None)
