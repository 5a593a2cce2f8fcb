"""A rotator is turned while it works, as it happens when both leave Preflight in one moment: nobody is harmed."""

from __future__ import annotations

import random

import pytest

from support.both_at_once import Turning, Worker, pair, play
from support.switchboard import Strike

SEEDS = range(12)
POINTS = ("ensure#1", "write-secret#1", "disable#1", "delete#1", "save-rotation#4", "save-escrow#2")


def both_complete(rotator: Turning, worker: Worker) -> None:
    assert (rotator.phase, worker.phase) == ("Complete", "Complete"), (rotator.phases, worker.phases)
    for world in (rotator, worker):
        assert world.backend.roles["orders_a"].retired
        assert world.backend.roles["orders_b"].enabled


@pytest.mark.parametrize("seed", SEEDS)
def test_both_complete(seed: int) -> None:
    rotator, worker = pair(seed)
    play(rotator, worker)
    both_complete(rotator, worker)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_rotators_may_go_back_meanwhile(seed: int) -> None:
    rotator, worker = pair(seed, rollback=True)
    play(rotator, worker)
    assert (rotator.phase, worker.phase) == ("RolledBack", "Complete")
    assert rotator.backend.roles["orders_a"].enabled


def test_one_that_is_cut_off_at_once_is_refused_for_a_moment_and_nothing_is_concluded_from_that() -> None:
    refused = 0
    for seed in SEEDS:
        rotator, worker = pair(seed, mode="Containment")
        play(rotator, worker)
        both_complete(rotator, worker)
        refused += worker.refused
    assert refused > 0


@pytest.mark.parametrize("strike", list(Strike))
@pytest.mark.parametrize("point", POINTS)
def test_either_operator_may_die_at_a_write(strike: Strike, point: str) -> None:
    for struck in (0, 1):
        worlds = pair(random.Random(f"{strike} {point}").randrange(1000))
        worlds[struck].board.strikes[point] = strike
        play(*worlds)
        both_complete(*worlds)
