"""A thousand plans in one operator: who waits for whom, and how often backends and the API server are asked.

Counts of calls, and of what is under way at once; the only time is virtual.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from keyturn.api.conditions import condition
from keyturn.core.model import ObjectKey
from support.switchboard import Side
from support.town import Town, in_town

PLANS, ROTATING, CONCURRENCY = 1000, 20, 8
INTERVAL, OUTAGE, WHOLE = 300, 600, 1200  # seconds: the plans' checkEvery, and two of them without a backend
ONE = ObjectKey("shop", "plan-0")


@dataclass
class Told:
    """What came of it."""

    town: Town
    calls: Mapping[Side, int]
    plan_writes: int
    in_outage: Counter[str] = field(default_factory=Counter[str])
    left: tuple[int, int] = (0, 0)  # ready, and planned for later


def drift_told(town: Town) -> Counter[str]:
    found = [condition(world.plan_status.conditions, "DriftDetected") for world in town.worlds.values()]
    return Counter(one.reason if one is not None else "nothing" for one in found)


def plan_writes(town: Town) -> int:
    return sum(world.board.writes.count("save-plan") for world in town.worlds.values())


def played(outage: int) -> Told:
    """All plans at rest but a few that are in the middle of a rotation when every backend goes away."""
    told: list[Told] = []

    async def story(town: Town) -> None:
        before, writes, in_outage = town.meter.calls.copy(), plan_writes(town), Counter[str]()
        for key in list(town.worlds)[:ROTATING]:
            town.rotate(key)
        await asyncio.sleep(10)
        assert not set(town.phases()) & {"", "Preflight", "Complete"}
        if outage:
            town.backends(town.worlds, down=True)
            await asyncio.sleep(outage)
            in_outage = drift_told(town)
            town.backends(town.worlds, down=False)
        await asyncio.sleep(WHOLE - outage)
        told.append(Told(town, town.meter.calls - before, plan_writes(town) - writes, in_outage, town.waiting()))

    in_town(PLANS, story, check_every=f"{INTERVAL}s")
    return told[0]


@pytest.fixture(scope="module")
def calm() -> Told:
    return played(0)


@pytest.fixture(scope="module")
def troubled() -> Told:
    return played(OUTAGE)


@pytest.mark.fm(62)
def test_a_thousand_plans_that_lose_their_backend_at_once_ask_no_more_than_in_calm_times(calm: Told, troubled: Told):
    assert troubled.in_outage["NotObserved"] >= PLANS - ROTATING
    assert calm.calls[Side.BACKEND] > PLANS
    for side in Side:
        assert troubled.calls[side] <= 1.2 * calm.calls[side], side


@pytest.mark.fm(62)
def test_they_say_once_that_nobody_could_look_and_once_that_all_is_well(calm: Told, troubled: Told):
    assert troubled.plan_writes - calm.plan_writes <= 2 * PLANS


@pytest.mark.fm(62)
def test_all_of_them_recover_by_themselves_within_one_interval(troubled: Told):
    assert drift_told(troubled.town) == {"AsExpected": PLANS}
    assert troubled.town.phases() == {"Complete": ROTATING}


@pytest.mark.fm(62)
def test_no_more_than_the_operators_few_ask_at_once_when_the_backend_is_back(troubled: Told):
    assert troubled.town.most_at_once == CONCURRENCY
    assert troubled.town.meter.most_callers <= CONCURRENCY


@pytest.mark.fm(62)
def test_nothing_is_left_in_the_queue_but_one_wish_a_plan(troubled: Told):
    ready, planned = troubled.left
    assert ready <= CONCURRENCY
    assert PLANS - CONCURRENCY <= planned <= PLANS


@pytest.mark.fm(62)
def test_a_rotation_takes_no_longer_while_a_thousand_others_wait_for_a_backend_that_says_nothing():
    took = dict[str, float]()
    backlog = 0

    async def alone(town: Town) -> None:
        took["alone"] = await town.rotated(ONE)

    async def among_others(town: Town) -> None:
        nonlocal backlog
        others = list(town.worlds)[1:]
        town.backends(others, down=True, silent=True)
        for key in others:
            town.queue.wake(key, behind=True)  # as the sweep does
        await asyncio.sleep(INTERVAL)
        backlog = len(town.queue)
        took["among others"] = await town.rotated(ONE)

    in_town(1, alone)
    in_town(PLANS, among_others, check_every=f"{INTERVAL}s")
    assert backlog > PLANS / 2
    assert took["among others"] <= 1.1 * took["alone"]
