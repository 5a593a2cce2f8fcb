"""Plans that rotate what other plans' providers log in with: would one of them come round to itself? Pure.

    orders-db ──provider──► rotator-a ──turned by──► plan rotators ──provider──► break-glass
        ▲                                                                            │
        └──────────── a plan that turns break-glass by rotator-a would close this ───┘

Each plan needs its provider's credential to go back. On a circle no credential is left that opens the way to another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TypeVar

P = TypeVar("P")


def circle(start: P, turned_by: Mapping[P, Sequence[P]]) -> tuple[P, ...]:
    """The shortest way from a plan back to itself, beginning with it; empty if there is none.

    ``turned_by``: for a plan, the plans that rotate the credential which its provider logs in with.
    """
    came_from: dict[P, P] = {}
    ahead = deque([start])
    while ahead:
        plan = ahead.popleft()
        for following in turned_by.get(plan, ()):
            if following == start:
                return _way(plan, start, came_from)
            if following not in came_from:
                came_from[following] = plan
                ahead.append(following)
    return ()


def _way(last: P, start: P, came_from: Mapping[P, P]) -> tuple[P, ...]:
    backwards = [last]
    while backwards[-1] != start:
        backwards.append(came_from[backwards[-1]])
    return tuple(reversed(backwards))
