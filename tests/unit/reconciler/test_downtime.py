"""The operator is down for a day, in every phase: its pods live on, it comes back with nothing in mind, and it ends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from keyturn.core.rotation import FINISHED
from support.stored_state import SCENARIOS, Recorded, brought_to_its_end, moments, stood
from support.world import OLD_URL

FIRST = {name: scenario for scenario in reversed(SCENARIOS) for name in moments(scenario)}  # each moment once
MOMENTS = [(scenario, name) for name, scenario in FIRST.items()]


def a_day_later(world: Recorded) -> None:
    """Nobody observes anything meanwhile."""
    world.clock.true += timedelta(days=1)
    world.restart_operator()


@pytest.mark.parametrize(("scenario", "name"), MOMENTS)
def test_it_goes_on_where_it_was_and_ends_with_one_credential_that_works(scenario: str, name: str) -> None:
    world = stood(scenario, moments(scenario)[name])
    a_day_later(world)
    brought_to_its_end(world, name)
    assert world.phase in FINISHED
    back = world.phase == "RolledBack"
    current, other = ("orders_a", "orders_b") if back else ("orders_b", "orders_a")
    assert world.plan_status.current_id == current
    assert world.backend.roles[current].enabled
    assert other not in world.backend.roles or world.backend.roles[other].retired
    assert (world.cluster.secret_data["url"] == OLD_URL) is back
    assert world.cluster.the_escrow is not None
    assert set(world.cluster.the_escrow.values) == {current}


@pytest.mark.parametrize("phase", ["Soak", "Watch"])
def test_the_day_does_not_count_as_quiet_time(phase: str) -> None:
    world = stood("forward", moments("forward")[f"{phase}-late"])
    a_day_later(world)
    back = world.clock.now()
    while world.phase == phase:
        world.run(1)
    assert world.clock.now() - back >= timedelta(seconds=20), "all of it again, observed this time"
