"""The real AWS provider under the real reconciler, killed before and after and with a lost answer at its calls.

However it is struck, a rotation ends as it does without faults: one key, which every pod holds and the escrow knows;
no key that nobody knows, and nobody was ever refused.
"""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from support.iam_account import AccessKey, Refusal
from support.iam_plan import USER
from support.iam_server import IamServer
from support.iam_world import IamWorld
from support.switchboard import Strike

pytestmark = pytest.mark.contract
CHANGES = ("CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey")
SAMPLE = 3  # of about ninety and a hundred and twenty; with --all, each of them


@pytest.fixture
def server(iam_server: IamServer) -> IamServer:
    return iam_server


async def played(server: IamServer, ended: str, strikes: dict[str, Strike] | None = None) -> IamWorld:
    world = IamWorld(server, strikes)
    world.abort_in = "Watch" if ended == "RolledBack" else ""
    await world.run()
    world.require(ended)
    return world


WRITES = {
    "Complete": ("Create/CreateAccessKey#1", "Disable/UpdateAccessKey#1", "Delete/DeleteAccessKey#1"),
    "RolledBack": (
        "Create/CreateAccessKey#1",
        "Disable/UpdateAccessKey#1",
        "Enable/UpdateAccessKey#1",
        "Discard/UpdateAccessKey#1",
        "Discard/DeleteAccessKey#1",
    ),
}


@pytest.mark.parametrize("ended", WRITES)
async def test_without_faults_aws_is_asked_for_these_changes_each_once(server: IamServer, ended: str) -> None:
    world = await played(server, ended)
    assert tuple(point for point in world.points if point.partition("/")[2].startswith(CHANGES)) == WRITES[ended]
    assert server.done == [point.partition("/")[2].removesuffix("#1") for point in WRITES[ended]]


@pytest.mark.fm(3, 33)
@pytest.mark.parametrize("strike", Strike)
@pytest.mark.parametrize(("ended", "point"), [(ended, point) for ended, points in WRITES.items() for point in points])
async def test_struck_at_any_change_it_ends_as_without_faults(
    server: IamServer, ended: str, point: str, strike: Strike
) -> None:
    world = await played(server, ended, {point: strike})
    assert world.struck == [point]
    assert world.restarts == (0 if strike is Strike.LOSE_ANSWER else 1)
    made = strike is not Strike.KILL_BEFORE and "Create" in point
    assert server.done.count("CreateAccessKey") == (2 if made else 1)  # the lost one was looked for, and deleted


@pytest.mark.fm(3)
@pytest.mark.parametrize("strike", Strike)
@pytest.mark.parametrize("point", ["Create/UpdateAccessKey#1", "Create/DeleteAccessKey#1"])
async def test_struck_again_while_it_looks_for_what_was_lost(server: IamServer, point: str, strike: Strike) -> None:
    world = await played(server, "Complete", {"Create/CreateAccessKey#1": Strike.LOSE_ANSWER, point: strike})
    assert world.struck == ["Create/CreateAccessKey#1", point]


@pytest.mark.parametrize("ended", WRITES)
async def test_struck_at_a_question_it_ends_as_without_faults(
    server: IamServer, ended: str, request: pytest.FixtureRequest
) -> None:
    """At each kind of question in each phase; a few of them, unless all are asked for."""
    plain = await played(server, ended)
    tasks = [(point, strike) for point in plain.points if point not in WRITES[ended] for strike in Strike]
    if not request.config.getoption("--all"):
        tasks = random.Random(ended).sample(tasks, SAMPLE)
    for point, strike in tasks:
        world = await played(server, ended, {point: strike})
        assert world.struck == [point]


@pytest.mark.fm(53)
async def test_aws_limits_and_is_away_for_a_while_and_nothing_comes_of_it(server: IamServer) -> None:
    world = IamWorld(server)
    for action in ("ListAccessKeys", "GetAccessKeyLastUsed", "CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"):
        server.refuse[action] = [Refusal("Throttling", "Rate exceeded", 400) for _ in range(4)]
    await world.run()
    world.require("Complete")


async def test_changes_that_spread_slowly_turn_nothing_back_and_lock_nobody_out(server: IamServer) -> None:
    """Given a new key that is refused here and there for a while, then no pod is given it before that is over."""
    world = IamWorld(server)
    world.account.spreads, world.account.lag = timedelta(seconds=20), timedelta(seconds=25)
    await world.run()
    world.require("Complete")


async def test_a_key_that_somebody_made_at_the_same_time_stops_it_and_stays_his(server: IamServer) -> None:
    """Given a lost answer to a create that was never carried out, and a stranger's key in its place, in use."""
    world = IamWorld(server)
    server.drop_before["CreateAccessKey"] = 1
    foreign: list[AccessKey] = []

    def somebody(action: str) -> None:
        if action == "CreateAccessKey" and not foreign:
            foreign.append(world.account.create(USER))
            world.account.use(foreign[0], "s3", "eu-central-1")

    server.on_drop = somebody
    await world.run(ticks=20)
    assert world.status.phase == "Create"
    assert world.status.blocked_by == "CreatedBySomebodyElse"
    assert foreign[0].active
    assert world.old.active
    assert world.locked_out == []


async def test_contained_pods_do_not_wait_for_a_record_that_is_late(server: IamServer) -> None:
    """Given a key that others know, when it is cut off, then pods get the new one at once, whatever is shown when."""
    world = IamWorld(server)
    world.account.lag = timedelta(minutes=20)
    await world.run(mode="Containment")
    world.require("Complete", contained=True)
    assert world.first["Stage"] - world.first["Create"] < timedelta(minutes=1)
