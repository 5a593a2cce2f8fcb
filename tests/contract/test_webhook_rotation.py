"""Whole rotations of the real core and reconciler, every word to the backend going over HTTPS to a webhook server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from keyturn.api.conditions import ConditionType, condition
from support.crooked_server import Crooked, crooked, hang_up
from support.memory_cluster import spec
from support.webhook_world import Bridge, behind
from support.world import WORKER, World

pytestmark = pytest.mark.contract
ENOUGH = 400  # looks


@pytest.fixture
async def server() -> AsyncIterator[Crooked]:
    async with crooked() as started:
        yield started


@pytest.fixture
def bridge(server: Crooked) -> Bridge:
    bridge = behind(World(), server)
    bridge.world.ask_for_rotation()
    return bridge


async def run(world: World, *, until: Callable[[World], bool] = lambda world: world.ended) -> None:
    """The promises are checked after every look."""
    for _ in range(ENOUGH):
        if world.abort_in is not None and world.phase == world.abort_in:
            world.abort()
        await world.tick()
        if until(world):
            return
    pytest.fail(f"still in {world.phase}: {world.plan_status.conditions}")


async def test_a_rotation_completes(bridge: Bridge, server: Crooked):
    await run(bridge.world)
    assert bridge.world.phase == "Complete"
    assert bridge.world.backend.roles["orders_b"].enabled
    assert bridge.world.backend.roles["orders_a"].retired
    assert len(server.asked("ensure")) == len(server.asked("disable")) == len(server.asked("delete")) == 1


@pytest.mark.parametrize("phase", ["Soak", "Watch"])
async def test_one_that_is_aborted_goes_back(bridge: Bridge, phase: str):
    bridge.world.abort_in = phase
    await run(bridge.world)
    assert bridge.world.phase == "RolledBack"
    assert bridge.world.backend.roles["orders_a"].enabled
    assert not bridge.world.backend.roles["orders_b"].enabled


@pytest.mark.parametrize("verb", ["ensure", "disable", "delete", "usage", "test"])
async def test_answers_that_are_lost_cost_time_and_nothing_else(bridge: Bridge, server: Crooked, verb: str):
    """Given a server whose first answers to a verb are lost after it did what was asked, then a look finds it done."""
    answer, lost = server.whole[verb], list[bool]()

    async def sometimes(request: object, told: Crooked) -> object:
        done = await answer(request, told)  # type: ignore[arg-type]
        lost.append(True)
        return done if len(lost) > 4 else await hang_up(request, told)  # type: ignore[arg-type]

    server.whole[verb] = sometimes  # type: ignore[assignment]
    await run(bridge.world)
    assert bridge.world.phase == "Complete"
    assert len(lost) >= 2


async def test_a_server_that_lists_no_sessions_is_waited_for_until_the_plan_accepts_that(bridge: Bridge):
    bridge.able["listsSessions"] = False
    world = bridge.world
    await run(world, until=lambda world: world.ticks > 20)
    ready = condition(world.plan_status.conditions, ConditionType.READY)
    assert ready is not None
    assert (ready.status, ready.reason, world.phase) == ("False", "BlindSoak", "")


async def test_where_the_plan_accepts_it_a_server_that_lists_no_sessions_is_enough_and_nothing_is_claimed(
    bridge: Bridge,
):
    bridge.able["listsSessions"] = False
    world, verify = bridge.world, {"require": ["Process"], "acceptBlindSoak": True}
    wish = spec(verify=verify, consumers={"discover": "SecretReference"})
    assert world.cluster.the_plan is not None
    world.cluster.the_plan = replace(world.cluster.the_plan, spec=wish)
    world.cluster.workloads[WORKER].reload = False
    await run(world, until=lambda world: world.phase == "Watch")
    idle = condition(world.rotation_status.conditions, ConditionType.OLD_CREDENTIAL_IDLE)
    assert idle is not None
    assert (idle.status, idle.reason) == ("Unknown", "NotObservable")
    await run(world)
    assert world.phase == "Complete"
