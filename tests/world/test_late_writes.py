"""A leader is stopped right before a write, another one is made to go back, and then the first one wakes."""

from __future__ import annotations

import pytest

from support.schedules import Schedule, play

FIRST_WRITES = ["save-escrow#2", "ensure#1", "arm#1", "write-secret#1", "disable#1"]  # of Create, Stage and Disable


@pytest.mark.fm(38, 41)
@pytest.mark.parametrize("write", FIRST_WRITES)
def test_a_write_that_was_decided_before_the_way_back_comes_too_late(write: str) -> None:
    play(Schedule.parse(f"rotation: leader stalls@before {write} & abort@before {write}"))
