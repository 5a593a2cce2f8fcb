"""Cloudflare R2, 21 March 2025, played again: https://blog.cloudflare.com/cloudflare-incident-march-21-2025/

A new key pair was deployed to the wrong environment, and the old one deleted 18 minutes later. Nothing was refused for
61 minutes; then, gradually, everything that production wrote. Calls about metadata stayed green throughout.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from keyturn.core.model import Trial
from support.cloudflare_r2_plan import s3
from support.cloudflare_server import CloudflareServer
from support.cloudflare_tokens import Logged
from support.incident_accounts import R2Account
from support.incident_page import is_shown
from support.replay import Replay

PAGE = "r2-2025-03-21.md"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def account() -> Iterator[R2Account]:
    """Places learn of a closed key pair after 61 to 75 minutes, and of an opened one within half a minute."""
    server = CloudflareServer()
    server.clock.move(-3 * HOUR)
    made = R2Account(server)
    made.desk.delays.gradually(61 * MINUTE, 75 * MINUTE)
    made.desk.delays.opening = MINUTE / 2
    server.clock.move(3 * HOUR)
    yield made
    server.stop()


def to_the_wrong_environment(account: R2Account) -> Replay:
    """Keyturn writes the Secret of both; production takes its key pair from somewhere else all the same."""
    world = Replay(account=account, names=("production", "staging"))
    world.workload("production").overridden = world.url(account.current)
    world.tell(f"the key pair …{account.current.id[-8:]} serves production and staging")
    world.ask_for_rotation()
    world.run(30, until=lambda w: w.phase == "Roll")
    world.run(12, until=lambda _w: False)
    assert world.phase == "Roll"
    return world


def apps(account: R2Account, since: int = 0) -> list[Logged]:
    """The storage's log without Keyturn's own trials."""
    return [line for line in account.desk.log[since:] if "keyturn" not in line.path]


def suffixes(account: R2Account, since: int = 0) -> set[str]:
    return {line.suffix for line in apps(account, since)}


def opened(account: R2Account) -> list[str]:
    """Tokens that are active, by suffix, the rotator's aside."""
    records = [one.record for one in account.desk.tokens.values() if one is not account.desk.rotator]
    return sorted(record["id"][-8:] for record in records if record["status"] == "active")


def test_a_new_pair_in_the_wrong_environment_never_costs_the_old_one(account: R2Account) -> None:
    old = account.current.id[-8:]
    world = to_the_wrong_environment(account)
    new = world.rotation_status.new_id[-8:]
    shown = [one for one in world.rotation_status.blockers if one.pod.startswith("production")]
    world.tell(f"Keyturn has made …{new} and rolled both; it is in phase {world.phase} and says:")
    for one in sorted(shown, key=lambda one: one.pod):
        world.tell(f"    {one.reason}: {one.pod}: {one.message}")
    assert shown
    assert all("Process shows the old credential" in one.message for one in shown)
    in_use = suffixes(account, len(account.desk.log) - 40)
    assert in_use == {old, new}
    world.tell(f"the storage's log has writes by …{old} and by …{new}")
    world.run(120)
    assert world.phase == "RolledBack"
    assert {"Soak", "Disable", "Watch", "Delete"}.isdisjoint(world.phases)
    told = world.rotation_status.conditions[0].message
    world.tell(f"{world.phase}: {told.replace(account.current.id, f'…{old}')}")
    statuses = [status for _, status in account.setting.current.history]
    assert statuses == ["active"]
    assert opened(account) == [old]
    assert world.plane.turned_away == []
    world.later(3 * HOUR)
    assert world.plane.turned_away == []
    world.tell(f"…{old} was never disabled; of {world.plane.served} writes 0 were refused")
    assert dict(world.cluster.secret_data) == world.secret_before
    is_shown(PAGE, "the wrong environment", world.account_of_it)


def test_an_old_pair_that_is_closed_by_hand_is_opened_before_any_place_knows(account: R2Account) -> None:
    world = to_the_wrong_environment(account)
    old = account.current.id[-8:]
    before = opened(account)
    account.desk.set_status(account.current.id, "disabled")
    world.tell(f"somebody disables …{old} at the dashboard, as on the day; phase {world.phase}")
    closed = world.clock.true
    world.run(10, until=lambda _w: account.setting.current.record["status"] == "active")
    assert account.setting.current.record["status"] == "active"
    took = world.clock.true - closed
    world.tell(f"Keyturn has enabled it again, {took.seconds} s later; the first place would have refused after 61 min")
    assert took < MINUTE * 2
    world.later(3 * HOUR)
    assert world.plane.turned_away == []
    assert opened(account) == before
    world.tell(f"three hours later: 0 of {world.plane.served} writes were refused, no other pair was made")
    is_shown(PAGE, "closed by hand", world.account_of_it)


def test_first_refusals_are_answered_by_the_old_pair_and_not_by_a_third(account: R2Account) -> None:
    """Keyturn was stopped too, so nobody looked until writes failed; meanwhile metadata is green."""
    world = to_the_wrong_environment(account)
    old, made = account.current.id[-8:], opened(account)
    account.desk.set_status(account.current.id, "disabled")
    closed = world.clock.true
    world.tell(f"somebody stops Keyturn and disables …{old}")
    while not world.plane.turned_away:
        world.later(MINUTE)
    first = world.plane.turned_away[0][0] - closed
    assert timedelta(minutes=61) <= first < timedelta(minutes=63)
    world.tell(f"the first write is refused, {first.seconds // 60} min after that")
    assert s3(account.desk, account.current, "HEAD") == 200
    world.later(15 * MINUTE)
    assert s3(account.desk, account.current, "PUT") != 200
    assert s3(account.desk, account.current, "HEAD") == 200
    world.tell(f"all writes by …{old} are refused; HEAD answers 200")
    provider = world.open(account.record(), world.cluster.the_plan, None)  # type: ignore[arg-type]
    assert world_says(world, provider.test(account.current)) is Trial.DISABLED
    world.tell(f"Keyturn, asked: a login with …{old} is Disabled; it has tried to write")
    world.restart_operator()
    world.run(10, until=lambda _w: account.setting.current.record["status"] == "active")
    world.tell("Keyturn is started again; its first look enables the old pair")
    assert account.setting.current.record["status"] == "active"
    world.later(MINUTE)
    refused = len(world.plane.turned_away)
    world.later(2 * HOUR)
    assert len(world.plane.turned_away) == refused
    assert opened(account) == made
    world.tell("one minute later every write is let in again; no third pair was made")
    is_shown(PAGE, "first refusals", world.account_of_it)


def test_before_the_old_pair_is_closed_the_storages_log_names_the_new_one(account: R2Account) -> None:
    """Their remedy: the suffix of the new key id must match the storage's log before the former one goes."""
    world = Replay(account=account, names=("production",))
    old = account.current.id[-8:]
    world.tell(f"the key pair …{old} serves production")
    world.ask_for_rotation()
    world.run(60, until=lambda w: w.phase == "Soak")
    new, proven = world.rotation_status.new_id[-8:], len(account.desk.log)
    world.tell(f"every pod proves …{new}; both pairs are open: {', '.join(f'…{one}' for one in sorted((old, new)))}")
    world.run(60, until=lambda w: w.phase == "Disable")
    assert account.setting.current.record["status"] == "active"
    assert suffixes(account, proven) == {new}
    world.tell(
        f"soaked; since then the storage's log has {len(apps(account, proven))} writes of production, by …{new} alone"
    )
    assert not [line for line in account.desk.log[proven:] if line.suffix == old]
    world.run(120, until=lambda w: w.phase == "Watch")
    closed = next(at for at, status in account.setting.current.history if status == "disabled")
    assert world.clock.true - closed >= 61 * MINUTE
    world.told.append(
        f"          …{old} is disabled; more than 61 min later it is refused at every try, and is watched for 122 min"
    )
    assert world.plane.turned_away == []
    assert account.current.id in account.desk.tokens
    is_shown(PAGE, "the suffix in the log", world.account_of_it)


def world_says(world: Replay, asked: object) -> object:
    """One question to the provider, outside of a look."""
    answers: list[object] = []

    async def ask() -> None:
        answers.append(await asked)  # type: ignore[misc]

    world.aside(ask())
    return answers[0]
