"""The differential oracle: a run with faults that change nothing of what is wanted writes what one without faults does.

Crashes, lost answers, an API server or a backend that is away or slow, restarts and clocks are such faults. What is
written exactly as often is written once each; an effect that is repeated until it is seen may come once more for each
strike, or as often as a fault keeps it from being remembered. Ends are compared by ``endings``, for every schedule.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

from support.promises import Broken
from support.scenarios import SCENARIOS

if TYPE_CHECKING:
    from support.world import World

EXACTLY = ("ensure", "enable", "delete", "write-secret", "restart")
AGAIN = ("contain", "disable", "end-sessions", "save-escrow", "arm", "issue")


def writes_alike(world: World, scenario: str, strikes: int | None) -> None:
    """Raises Broken for a write too many or too few. ``strikes``: None where there were faults that last."""
    calm, counted = _calm(scenario), Counter(world.board.writes)
    lost = max(0, counted["issue"] - calm["issue"])  # each made a credential whose value nobody has: it is deleted
    for kind in EXACTLY:
        expected = calm[kind] + (lost if kind == "delete" else 0)
        if counted[kind] != expected:
            raise Broken(f"writes differ: {kind} {counted[kind]} times, not {expected}")
    for kind in AGAIN:
        more = (strikes or 0) + (2 * lost if kind == "save-escrow" else lost if kind == "disable" else 0)
        most = calm[kind] + more if strikes is not None else counted[kind]
        if not calm[kind] <= counted[kind] <= most:
            raise Broken(f"writes differ: {kind} {counted[kind]} times, not {calm[kind]} to {most}")


@cache
def _calm(scenario: str) -> Counter[str]:
    world = SCENARIOS[scenario].make()
    world.people_act = True
    world.ask_for_rotation()
    world.run(400)
    return Counter(world.board.writes)
