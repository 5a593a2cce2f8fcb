"""How soon to look again at what does not work: the longer it has not, the later. Pure.

Reckoned from a moment that is remembered anyway, so that a new process goes on where the former one was, and a thousand
plans whose backend comes back do not all ask it at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from keyturn.api.conditions import ConditionType, condition
from keyturn.api.plan_kinds import PlanStatus

SOON = timedelta(seconds=0.5)  # while something is under way
LATER = timedelta(seconds=5)  # while a person or the backend is waited for
AGAIN = timedelta(seconds=10)  # a plan that cannot begin

DURING_A_ROTATION = timedelta(seconds=30)  # the longest wait while pods hold two credentials
AT_REST = timedelta(minutes=1)


def patience(since: datetime | None, now: datetime, *, least: timedelta, most: timedelta) -> timedelta:
    """Half as long as it has lasted, within bounds."""
    lasted = now - since if since is not None else timedelta()
    return min(max(lasted / 2, least), most)


def not_ready_since(status: PlanStatus) -> datetime | None:
    """When the plan last stopped being ready; None if it is, or never was looked at."""
    ready = condition(status.conditions, ConditionType.READY)
    return ready.last_transition_time if ready is not None and ready.status != "True" else None
