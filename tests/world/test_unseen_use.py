"""A backend that cannot say who uses a credential: what the pods prove stands for it, where the plan accepts that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keyturn.api.conditions import ConditionType, condition
from support.memory_cluster import spec
from support.moments import completes, goes_back
from support.world import OLD_URL, WORKER, World


def unseeing(**more: object) -> World:
    """Given such a backend, and a plan that accepts it; nobody reads for each connection: only sessions show that."""
    world = World()
    plan, able = world.cluster.the_plan, world.provider.capabilities
    assert plan is not None
    verify = {"require": ["Process"], "acceptBlindSoak": True, **more}
    world.cluster.the_plan = replace(plan, spec=spec(verify=verify, consumers={"discover": "SecretReference"}))
    world.cluster.workloads[WORKER].reload = False
    world.provider.capabilities = replace(able, sees_use=False, lists_sessions=False)
    world.ask_for_rotation()
    return world


def test_a_rotation_completes_and_says_that_nobody_could_see_the_use() -> None:
    world = unseeing()
    world.run(400, until=lambda seen: seen.phase == "Watch")
    idle = condition(world.rotation_status.conditions, ConditionType.OLD_CREDENTIAL_IDLE)
    assert idle is not None
    assert (idle.status, idle.reason) == ("Unknown", "NotObservable")
    completes(world)
    assert not [news.message for news in world.cluster.said if "idle" in news.message]


def test_soak_takes_its_time_all_the_same() -> None:
    world = unseeing(soak="40s")
    world.run(400, until=lambda seen: seen.phase == "Soak")
    began = world.clock.true
    world.run(400, until=lambda seen: seen.phase == "Disable")
    assert (world.clock.true - began).total_seconds() >= 40


def test_a_pod_that_holds_the_old_value_keeps_it_open() -> None:
    """Given a consumer whose template goes its own way, when its pod goes on with OLD, then OLD is not disabled."""
    world = unseeing()
    world.cluster.workloads[WORKER].overridden = OLD_URL
    world.run(400, until=lambda _world: False)
    assert world.backend.roles["orders_a"].enabled
    assert world.phase not in ("Disable", "Watch", "Delete", "Complete")


@pytest.mark.parametrize("phase", ["Soak", "Watch"])
def test_one_that_is_aborted_goes_back(phase: str) -> None:
    world = unseeing()
    world.abort_in = phase
    goes_back(world)


def test_a_plan_that_does_not_accept_it_is_not_even_adopted() -> None:
    world = unseeing(acceptBlindSoak=False)
    world.run(50, until=lambda _world: False)
    assert world.plan_status.adopted_at is None
    assert world.phase == ""


def test_contained_where_it_is_accepted() -> None:
    world = unseeing()
    world.cluster.the_rotations.clear()
    world.request |= {"mode": "Containment"}
    world.ask_for_rotation()
    completes(world)
