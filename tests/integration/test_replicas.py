"""Two replicas, a real API server, a real PostgreSQL: whatever happens to the one that leads, the end is the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.kubectl import Kubectl
from support.postgres_server import PostgresServer, running
from support.replicas import TIMES, Shop, two_replicas, until

pytestmark = pytest.mark.integration

# Seconds from the end of a leader that gave its lease back to the first write of the next: less than it takes after one
# that did not (`TIMES.takeover`), even where everything else on the machine is slow.
AT_ONCE = 10.0


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running("18", {"authentication_timeout": "2s"}) as started:  # Watch lasts at least as long
        yield started


@pytest.fixture
async def shop(
    kubectl: Kubectl, server: PostgresServer, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Shop]:
    async with two_replicas(kubectl, server, tmp_path, soak=getattr(request, "param", "1s")) as shop:
        yield shop


@pytest.mark.fm(38)
async def test_a_leader_frozen_before_its_disable_comes_too_late_when_the_other_has_rolled_back(shop: Shop):
    shop.backend.set("keyturn.disable")
    frozen, other = shop.first, shop.second
    shop.rotate("run-1")
    await asyncio.wait_for(shop.backend.tripped.wait(), 60)
    frozen.freeze()  # its lease was checked, its call is on its way
    shop.abort("run-1")
    await until("the other one leads", lambda: shop.leader() == other.name, TIMES.takeover + 5)
    await shop.until_ended("run-1", "RolledBack")
    version = shop.version("run-1")

    shop.backend.let_go()
    frozen.thaw()
    await until("it leads no more", lambda: "leads no more" in frozen.log(), 20)
    await asyncio.sleep(2)  # whatever it still had in hand

    await shop.all_is_well("orders_a")
    assert shop.version("run-1") == version, "the former leader wrote after its time"
    assert shop.leader() == other.name


@pytest.mark.fm(38)
async def test_a_leader_frozen_before_its_disable_does_no_harm_when_the_other_has_completed(shop: Shop):
    shop.backend.set("keyturn.disable")
    frozen, other = shop.first, shop.second
    shop.rotate("run-1")
    await asyncio.wait_for(shop.backend.tripped.wait(), 60)
    frozen.freeze()
    await until("the other one leads", lambda: shop.leader() == other.name, TIMES.takeover + 5)
    await shop.until_ended("run-1", "Complete")

    shop.backend.let_go()
    frozen.thaw()
    await until("it leads no more", lambda: "leads no more" in frozen.log(), 20)
    await asyncio.sleep(2)

    await shop.all_is_well("orders_b")
    assert shop.phase("run-1") == "Complete"


@pytest.mark.fm(44)
async def test_two_that_both_believe_to_lead_all_the_way_through_end_as_one_would(shop: Shop):
    before = shop.epoch()
    shop.rotate("run-1")

    replicas, ends, dice = (shop.first, shop.second), {"Complete", "RolledBack", "Refused"}, random.Random(3)
    async with asyncio.timeout(240):
        while shop.phase("run-1") not in ends or not all("leads no more" in one.log() for one in replicas):
            shop.force_the_lease()
            await asyncio.sleep(dice.uniform(0.2, 1.3))  # some have time to look at everything and write, some not

    await shop.until_ended("run-1", "Complete")
    await until("the books are closed", lambda: not shop.plan()["status"].get("activeRotation"), 30)
    await shop.all_is_well("orders_b")
    assert shop.epoch() > before + 3, "the lease hardly changed hands"


@pytest.mark.fm(52)
@pytest.mark.parametrize("how", ["cut", "frozen"])
async def test_a_leader_without_its_api_server_stops_and_the_other_goes_on(shop: Shop, how: str):
    lonely, other = shop.first, shop.second
    shop.backend.set("keyturn.ensure")
    shop.rotate("run-1")
    await asyncio.wait_for(shop.backend.tripped.wait(), 60)
    if how == "cut":
        lonely.wire.cut()
    else:
        lonely.wire.freeze()
    shop.backend.let_go()
    await until("the other one leads", lambda: shop.leader() == other.name, TIMES.takeover + 5)
    await shop.until_ended("run-1", "Complete")
    assert "leads no more" in lonely.log(), "it went on without its lease"

    lonely.wire.mend()
    await asyncio.sleep(3)

    await shop.all_is_well("orders_b")
    assert lonely.lives
    assert shop.leader() == other.name


@pytest.mark.parametrize("shop", ["60s"], indirect=True)
@pytest.mark.parametrize(("how", "bound"), [("stopped", AT_ONCE), ("killed", TIMES.takeover + AT_ONCE)])
async def test_the_next_one_writes_within_the_stated_time(shop: Shop, how: str, bound: float):
    loop = asyncio.get_running_loop()
    shop.rotate("run-1")
    await until("it soaks", lambda: shop.phase("run-1") == "Soak", 60, lambda: shop.told("run-1"))
    shop.abort("run-1")
    began = loop.time()
    await (shop.first.stop() if how == "stopped" else shop.first.kill())
    ended = loop.time()

    await until("the next one writes", lambda: shop.phase("run-1") != "Soak", bound + 20, lambda: shop.told("run-1"))

    took = loop.time() - ended
    words = f"{took:.1f} s after its end, {loop.time() - began:.1f} s after it was asked"
    assert took <= bound, f"{words}\n{shop.told('run-1')}"
    await shop.until_ended("run-1", "RolledBack")
    await shop.all_is_well("orders_a")


@pytest.mark.fm(1, 44, 55)
async def test_rotations_complete_while_the_leader_is_killed_or_frozen_again_and_again(shop: Shop):
    dice, current = random.Random(7), ["orders_b", "orders_a"]
    for number, expected in enumerate(current, start=1):
        name = f"run-{number}"
        shop.rotate(name)
        for _ in range(2):
            await asyncio.sleep(dice.uniform(1, 8))
            if shop.phase(name) == "Complete":
                break
            struck = shop.the_leader() if shop.leader() else shop.first
            if dice.random() < 0.5:
                await struck.kill()
                await struck.start()
            else:
                struck.freeze()
                await asyncio.sleep(TIMES.takeover)
                struck.thaw()
        await shop.until_ended(name, "Complete", 120)
        await until("the books are closed", lambda: not shop.plan()["status"].get("activeRotation"), 30)
        await shop.all_is_well(expected)
