"""``kubectl keyturn status [PLAN]``: plans at a glance, or one plan with its rotations."""

from __future__ import annotations

from rich.console import RenderableType

from keyturn.cli.session import Session
from keyturn.cli.views.plans import plan_list, plan_page
from keyturn.ports import Clock


async def status(session: Session, clock: Clock, plan: str | None, *, everywhere: bool) -> RenderableType:
    """What to show; raises when the named plan does not exist."""
    if plan is None:
        return plan_list(await session.plans(everywhere=everywhere), clock.now(), everywhere=everywhere)
    return plan_page(await session.plan(plan), await session.rotations(plan), clock.now())
