"""Schedules that once broke a promise; each is the shortest of those that did."""

from __future__ import annotations

import pytest

from support.schedules import Schedule, play

ONCE_BROKEN = {
    "a clock that was set back over a gap counted the time before it": (
        "approvals: clock jumps ahead@Watch+0 & admin Secret gone@Watch+2"
    ),
    "a new process found observed time again that had been lost": (
        "availability: old opened by hand@Watch+5 & operator restarts 20 times@Watch+6"
    ),
    "a new process counted from a look that had seen the old one in use": (
        "rotator: lose-answer@save-rotation#6 & kill-before@save-rotation#7"
    ),
    "quiet time began with a look that could not say who is connected": (
        "containment: backend slow@Watch+0 & backend restored@Watch+2"
    ),
    "it ended while somebody had closed the old credential and it did not bite yet": (
        "rollback: changes bite late@Roll+2 & old closed by hand@Unroll+0"
    ),
}


@pytest.mark.fm(43, 45, 55)
@pytest.mark.parametrize("name", list(ONCE_BROKEN))
def test_it_holds_its_promises_now(name: str) -> None:
    play(Schedule.parse(ONCE_BROKEN[name]))
