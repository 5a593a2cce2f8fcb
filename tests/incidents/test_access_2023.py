"""Cloudflare Access, 24 January 2023, again: https://blog.cloudflare.com/cloudflare-incident-on-january-24th-2023/

A record was read, its secret redacted, and written back whole: secrets became empty strings, and "not null" did not
object. A second wrong write broke a repaired account again. Then changes were locked, and values restored from a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from keyturn.core.model import ObjectKey, Trial
from keyturn.core.sealed import Sealed, Unsuitable, require_suitable
from keyturn.ports import Credential, Denied, Escrow
from support.cloudflare_server import CloudflareServer
from support.incident_accounts import AccessAccount
from support.incident_page import is_shown
from support.postgres_plan import op
from support.replay import Replay

PAGE = "access-2023-01-24.md"
HOUR = timedelta(hours=1)
REDACTED = ("", "   ", "\n", "********", "xxxxxxxxxxxxxxxx")


@pytest.fixture
def account() -> Iterator[AccessAccount]:
    server = CloudflareServer()
    server.clock.at = server.clock.at.replace(year=2023, month=1, day=24, hour=16, minute=50)
    yield AccessAccount(server)
    server.stop()


def proven(account: AccessAccount) -> Replay:
    """Every pod holds the new token; the old one is still open."""
    world = Replay(account=account, names=("warp",))
    world.tell(f"the service token {short(account.current.id)} serves warp")
    world.ask_for_rotation()
    world.run(60, until=lambda w: w.phase == "Soak")
    assert world.phase == "Soak"
    world.tell(f"every pod proves {short(world.rotation_status.new_id)}; both tokens are open")
    return world


def short(client_id: str) -> str:
    return f"…{client_id.removesuffix('.access')[-8:]}"


def changes(account: AccessAccount) -> list[str]:
    """What was asked of the API that changes something."""
    return [line for line in account.server.seen if not line.startswith("GET")]


def secret_of(world: Replay) -> Sealed:
    return world.cluster.secret_data["url"]


# ---------------------------------------------------------------------------------------------- every layer


@pytest.mark.parametrize("value", [*REDACTED, "REDACTED", "<redacted>", "null"])
def test_what_a_redaction_leaves_never_becomes_a_credential(value: str) -> None:
    with pytest.raises(Unsuitable):
        require_suitable(Sealed(value))


@pytest.mark.parametrize("value", REDACTED)
def test_the_escrow_and_the_write_of_a_secret_refuse_it(account: AccessAccount, value: str) -> None:
    world = proven(account)
    plan, escrow = world.cluster.the_plan, world.cluster.the_escrow
    assert plan is not None
    assert isinstance(escrow, Escrow)
    hollow = replace(escrow, values={**escrow.values, account.current.id: Sealed(value)})
    before = secret_of(world)

    async def write() -> None:
        with pytest.raises(Denied, match="HollowValue"):
            await world.cluster.save_escrow(plan, hollow)
        record = await world.cluster.secret(ObjectKey("shop", "orders"))
        assert record is not None
        with pytest.raises(Denied, match="HollowValue"):
            await world.cluster.write_secret(record, {"url": Sealed(value)}, "tag")

    world.aside(write())
    assert world.cluster.the_escrow == escrow
    assert secret_of(world) == before


@pytest.mark.parametrize("value", [*REDACTED, "REDACTED", "<redacted>"])
def test_the_provider_refuses_it_whoever_hands_it_over(account: AccessAccount, value: str) -> None:
    world = Replay(account=account)
    plan = world.cluster.the_plan
    assert plan is not None
    provider, issue, before = account.open(plan), account.desk.issue, set(account.desk.tokens)

    def hollow(name: str, duration: str = "8760h"):
        token = issue(name, duration)
        token.secret = value
        return token

    async def ask() -> None:
        account.desk.issue = hollow  # type: ignore[method-assign]  # the server's
        with pytest.raises(Denied, match="UnsuitableValue"):
            await provider.issue(op("Create"), account.current.id)
        with pytest.raises(Denied, match="UnsuitableValue"):
            await provider.ensure(op("Create"), Credential(account.current.id, Sealed(value)), "")
        assert await provider.test(Credential(account.current.id, Sealed(value))) is not Trial.WORKS

    world.aside(ask())
    assert set(account.desk.tokens) == before


@pytest.mark.parametrize("value", REDACTED)
def test_a_plan_is_not_adopted_on_it(account: AccessAccount, value: str) -> None:
    world = Replay(account=account)
    world.cluster.edit_secret({"url": world.url(Credential(account.current.id, Sealed(value)))}, "last-seen-job")
    world.run(6, until=lambda _w: False)
    ready = next(one for one in world.plan_status.conditions if one.type == "Ready")
    assert ready.status == "False"
    assert world.cluster.the_escrow is None
    assert changes(account) == []


def test_a_token_is_switched_without_its_record(account: AccessAccount) -> None:
    """What the release did to tokens, Keyturn's own changes never do: reads tell the secret, redacted."""
    account.desk.carries_secrets = True
    world = Replay(account=account)
    plan = world.cluster.the_plan
    assert plan is not None
    provider = account.open(replace(plan, status=plan.status.model_copy(update={"current_id": account.current.id})))

    async def ask() -> None:
        await provider.disable(op("Disable"), account.current.id)
        assert not account.request(account.current)
        await provider.enable(op("Enable"), account.current)

    world.aside(ask())
    assert account.setting.current.secret == account.current.value.reveal_text()
    assert account.request(account.current)


# -------------------------------------------------------------------------------------------------- the replay


def test_a_record_written_back_at_access_turns_the_rotation_back(account: AccessAccount) -> None:
    """The release itself: the new token's secret is an empty string from one moment to the next."""
    world = proven(account)
    new = next(one for one in account.desk.tokens.values() if one.record["client_id"] == world.rotation_status.new_id)
    account.desk.last_seen_at_release(new)
    world.tell(
        f"a release reads the record of {short(world.rotation_status.new_id)}, redacted, and writes it back whole"
    )
    world.run(1, until=lambda _w: False)
    world.run(120)
    assert world.phase == "RolledBack"
    told = next(one for one in world.rotation_status.conditions if one.type == "Ready").message
    world.tell(f"{world.phase}: {told.replace(account.current.id, short(account.current.id))}")
    assert dict(world.cluster.secret_data) == world.secret_before
    assert account.setting.current.secret == account.current.value.reveal_text()
    refused = len(world.plane.turned_away)
    assert refused > 0
    world.tell(f"{refused} requests were refused meanwhile; the Secret is byte for byte what it was")
    world.later(2 * HOUR)
    assert len(world.plane.turned_away) == refused
    world.tell("two hours later: no other request was refused")
    is_shown(PAGE, "at Access", world.account_of_it)


def test_a_redacted_value_in_the_secret_is_named_and_a_second_one_too_and_the_freeze_holds(
    account: AccessAccount,
) -> None:
    world = proven(account)
    good = secret_of(world)
    for value, words in (("", "an empty"), ("********", "a redacted")):
        world.cluster.edit_secret({"url": world.url(Credential(account.current.id, Sealed(value)))}, "last-seen-job")
        world.tell(f"last-seen-job writes the record back to the Secret, with {words} secret")
        asked, written = len(changes(account)), world.board.writes.count("write-secret")
        world.run(10, until=lambda _w: False)
        paused = world.rotation_status.paused
        assert paused is not None
        assert "last-seen-job" in paused.message
        assert len(changes(account)) == asked
        assert world.board.writes.count("write-secret") == written
        world.tell(f"{paused.reason}: {paused.message}")
        assert world.plane.turned_away == []
    escrow = world.cluster.the_escrow
    assert escrow is not None
    assert escrow.values[account.current.id] == account.current.value
    assert escrow.secret_before["url"] == world.secret_before["url"] != good
    world.cluster.frozen_by = "frozen by oncall: incident"
    world.abort()
    world.cluster.edit_secret(dict(escrow.secret_before), "oncall")
    world.tell("people freeze everything, ask for the way back, and restore the Secret from the escrow")
    asked, version = len(changes(account)), world.cluster.secret_version
    world.run(20, until=lambda _w: False)
    assert len(changes(account)) == asked
    assert world.cluster.secret_version == version
    assert not [one for one in world.workload("warp").former if one.mark][1:]
    world.tell("frozen: for 20 looks Keyturn changes nothing, neither the Secret, nor a Deployment, nor a token")
    world.cluster.frozen_by = ""
    world.tell("people lift the freeze")
    world.run(160)
    assert world.phase == "RolledBack"
    assert dict(world.cluster.secret_data) == world.secret_before
    assert world.plane.turned_away == []
    world.tell(
        f"{world.phase}; the Secret is byte for byte what it was; of {world.plane.served} requests 0 were refused"
    )
    is_shown(PAGE, "in the Secret", world.account_of_it)
