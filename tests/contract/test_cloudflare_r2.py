"""What is R2's own: rights kept deeply, the write path tried, slow and uneven propagation, orphans, strangers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from keyturn.core.model import Idle, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import (
    Conflict,
    Credential,
    Denied,
    KeyturnError,
    OutcomeUnknown,
    Pending,
    Unavailable,
)
from support.cloudflare_r2_plan import BUCKET, Setting, make_ready, pair, s3
from support.cloudflare_server import ACCOUNT, CloudflareServer, Json, Reply, Request
from support.cloudflare_tokens import READ, WRITE, policies, resource
from support.postgres_plan import op

pytestmark = pytest.mark.contract
HOUR = timedelta(hours=1)
NARROW: Json = {"request_ip": {"in": ["10.0.0.0/8", "192.0.2.7/32"], "not_in": ["10.9.0.0/16"]}}


@pytest.fixture
def setting(cloudflare: CloudflareServer) -> Setting:
    return make_ready(cloudflare, condition=NARROW, expires_on="2026-03-21T00:00:00Z")


async def made(setting: Setting) -> Credential:
    return await setting.open().issue(op("Create"), setting.credential.id)


# ------------------------------------------------------------------------------------------------ rights


async def test_the_new_token_has_the_old_ones_policies_condition_and_length_of_life(setting: Setting) -> None:
    new = await made(setting)
    record = setting.desk.tokens[new.id].record
    assert record["condition"] == NARROW
    assert list(record["policies"][0]["resources"]) == [resource(BUCKET)]
    assert {one["id"] for one in record["policies"][0]["permission_groups"]} == {READ, WRITE}
    assert record["expires_on"] == "2026-03-21T00:00:00Z"
    assert await setting.open().test(new) is Trial.WORKS


async def test_a_disable_and_an_enable_change_the_status_and_nothing_else(setting: Setting) -> None:
    issued = setting.current
    before = {**issued.record}
    await setting.open().disable(op("Disable"), issued.record["id"])
    assert issued.record["status"] == "disabled"
    await setting.open().enable(op("Enable"), setting.credential)
    for field in ("name", "condition", "expires_on", "status"):
        assert issued.record[field] == before[field]
    assert {one["id"] for one in issued.record["policies"][0]["permission_groups"]} == {READ, WRITE}


async def test_what_is_as_it_should_be_is_not_written_again(setting: Setting) -> None:
    await setting.open().enable(op("Enable"), setting.credential)
    assert not [line for line in setting.desk.server.seen if line.startswith("PUT /client")]


async def test_a_limit_that_a_change_dropped_is_noticed_when_it_is_read_back(setting: Setting) -> None:
    setting.desk.drops_condition = True
    with pytest.raises(Conflict) as told:
        await setting.open().disable(op("Disable"), setting.credential.id)
    assert told.value.reason == "TokenChanged"


def another_bucket(record: Json) -> None:
    record["policies"] = policies(BUCKET, "staging-files")


def fewer_groups(record: Json) -> None:
    record["policies"][0]["permission_groups"].pop()


def no_condition(record: Json) -> None:
    del record["condition"]


def one_network_more(record: Json) -> None:
    record["condition"] = {"request_ip": {**NARROW["request_ip"], "in": ["10.0.0.0/7", "192.0.2.7/32"]}}


@pytest.mark.parametrize("change", [another_bucket, no_condition, one_network_more])
async def test_a_new_token_that_may_do_more_is_lacking(setting: Setting, change: Callable[[Json], None]) -> None:
    new = await made(setting)
    change(setting.desk.tokens[new.id].record)
    assert await setting.open().test(new) is Trial.LACKING


async def test_a_new_token_that_may_only_read_is_lacking(setting: Setting) -> None:
    new = await made(setting)
    record = setting.desk.tokens[new.id].record
    record["policies"] = policies(BUCKET, groups=(READ,))
    assert await setting.open().test(new) is Trial.LACKING


async def test_order_and_names_make_no_difference(setting: Setting) -> None:
    new = await made(setting)
    record = setting.desk.tokens[new.id].record
    record["policies"][0]["permission_groups"].reverse()
    record["condition"] = {"request_ip": {**NARROW["request_ip"], "in": NARROW["request_ip"]["in"][::-1]}}
    assert await setting.open().test(new) is Trial.WORKS


async def test_a_compromised_token_is_followed_by_the_declared_baseline(setting: Setting) -> None:
    setting.current.record["policies"] = policies(BUCKET, "staging-files")
    narrow = setting.but(provider={"addresses": ["10.0.0.0/8"]})
    new = await narrow.open().issue(op("Create"), "")
    record = setting.desk.tokens[new.id].record
    assert list(record["policies"][0]["resources"]) == [resource(BUCKET)]
    assert record["condition"] == {"request_ip": {"in": ["10.0.0.0/8"]}}
    assert await narrow.open().test(new) is Trial.WORKS


# ------------------------------------------------------------------------------- trials and propagation


async def test_a_key_pair_is_tried_by_writing_and_never_by_metadata(setting: Setting) -> None:
    desk = setting.desk
    desk.set_status(setting.credential.id, "disabled")
    assert s3(desk, setting.credential, "HEAD") == 200  # as in the incident
    assert await setting.open().test(setting.credential) is Trial.DISABLED
    tries = [line for line in desk.log if line.method != "HEAD"]
    assert {line.method for line in tries} == {"PUT"}
    assert {line.suffix for line in tries} == {setting.credential.id[-8:]}


async def test_nothing_is_left_in_the_bucket(setting: Setting) -> None:
    assert await setting.open().test(setting.credential) is Trial.WORKS
    assert setting.desk.objects == {}
    assert [line.method for line in setting.desk.log] == ["PUT", "DELETE"] * 3


async def test_while_only_some_places_know_of_a_disable_nobody_can_tell(setting: Setting) -> None:
    setting.desk.delays.gradually(timedelta(minutes=50), timedelta(minutes=61))
    setting.desk.server.clock.move(2 * HOUR)
    await setting.open().disable(op("Disable"), setting.credential.id)
    assert await setting.open().test(setting.credential) is Trial.WORKS  # it does, everywhere
    setting.desk.server.clock.move(timedelta(minutes=55))
    assert await setting.open().test(setting.credential) is Trial.DOWN
    setting.desk.server.clock.move(timedelta(minutes=6))
    assert await setting.open().test(setting.credential) is Trial.DISABLED


async def test_while_only_some_places_know_a_new_token_it_does_not_work_yet(setting: Setting) -> None:
    setting.desk.server.clock.move(HOUR)
    setting.desk.delays.gradually(timedelta(), timedelta(seconds=30))
    new = await made(setting)
    assert await setting.open().test(new) in {Trial.DOWN, Trial.REFUSED}
    setting.desk.server.clock.move(timedelta(seconds=30))
    assert await setting.open().test(new) is Trial.WORKS


@pytest.mark.parametrize("status", [301, 302, 429, 500, 503])
async def test_what_is_no_answer_to_the_key_pair_says_nothing(setting: Setting, status: int) -> None:
    setting.desk.server.faults.append(lambda r: Reply(status, b"", {"location": "/"}) if "/s3/" in r.path else "")
    assert await setting.open().test(setting.credential) is Trial.DOWN


async def test_a_key_pair_of_another_account_is_another_system(setting: Setting) -> None:
    id_ = setting.credential.id
    setting.desk.buried[id_] = setting.desk.tokens.pop(id_)
    assert s3(setting.desk, setting.credential) == 200
    assert await setting.open().same_system(setting.credential) is Sameness.DIFFERENT
    assert await setting.open().test(setting.credential) is Trial.DOWN


async def test_a_look_asks_who_the_rotator_is_once_and_every_change_anew(setting: Setting) -> None:
    provider, seen = setting.open(), setting.desk.server.seen
    await provider.inventory()
    await provider.test(setting.credential)
    await provider.next_id(setting.credential.id)
    assert len([line for line in seen if line.endswith("/verify")]) == 1
    await provider.disable(op("Disable"), setting.credential.id)
    await provider.enable(op("Enable"), setting.credential)
    assert len([line for line in seen if line.endswith("/verify")]) == 3


# -------------------------------------------------------------------------------------- orphans and answers


async def test_a_create_that_was_not_answered_leaves_a_token_that_is_known_by_its_name(setting: Setting) -> None:
    provider, before = setting.open(), tuple(setting.desk.tokens)
    setting.desk.server.once("POST", "/tokens", "lost")
    with pytest.raises(OutcomeUnknown):
        await made(setting)
    orphan = next(one for one in setting.desk.tokens.values() if one.record["id"] not in before)
    assert orphan.record["name"] == "keyturn:v1:shop/orders-files:rotation-1/1"
    asked = Pending(before, setting.desk.server.clock.now())
    with pytest.raises(Unavailable):
        await provider.sweep(op("Sweep"), asked)
    setting.desk.server.clock.move(HOUR)
    await provider.sweep(op("Sweep"), asked)
    assert tuple(setting.desk.tokens) == before


async def test_a_sweep_touches_no_token_of_another_plan(setting: Setting) -> None:
    other = await setting.but(plan="orders-files-2").open().issue(op("Create"), setting.credential.id)
    setting.desk.server.clock.move(HOUR)
    await setting.open().sweep(op("Sweep"), Pending((), setting.desk.server.clock.now() - HOUR))
    assert other.id in setting.desk.tokens


async def test_an_orphan_that_somebody_uses_is_left_to_a_person(setting: Setting) -> None:
    asked = Pending(tuple(setting.desk.tokens), setting.desk.server.clock.now())
    orphan = await made(setting)
    assert s3(setting.desk, orphan) == 200
    setting.desk.server.clock.move(HOUR)
    with pytest.raises(Denied) as told:
        await setting.open().sweep(op("Sweep"), asked)
    assert told.value.reason == "OrphanInUse"
    assert orphan.id in setting.desk.tokens


@pytest.mark.parametrize("value", ["", "   ", "********", "REDACTED", "short"])
async def test_a_value_that_is_none_is_refused_before_its_digest_looks_like_one(setting: Setting, value: str) -> None:
    def hollow(request: Request) -> Reply | str:
        if request.method != "POST":
            return ""
        made = setting.desk.issue(request.json["name"], request.json["policies"])
        body = Sealed(value).reveal_text()
        return Reply(200, f'{{"success": true, "result": {{"id": "{made.record["id"]}", "value": "{body}"}}}}'.encode())

    before = tuple(setting.desk.tokens)
    setting.desk.server.faults.append(hollow)
    with pytest.raises(Denied) as told:
        await made(setting)
    assert told.value.reason == "UnsuitableValue"
    assert tuple(setting.desk.tokens) == before


async def test_a_change_that_was_not_answered_is_unknown_and_can_be_repeated(setting: Setting) -> None:
    setting.desk.server.once("PUT", "/tokens/", "lost")
    with pytest.raises(OutcomeUnknown):
        await setting.open().disable(op("Disable"), setting.credential.id)
    await setting.open().disable(op("Disable"), setting.credential.id)
    assert setting.current.record["status"] == "disabled"


async def test_too_many_calls_are_waited_for(setting: Setting) -> None:
    setting.desk.server.once("POST", "/tokens", Reply(429, b"slow down", {"retry-after": "17"}))
    with pytest.raises(Unavailable) as told:
        await made(setting)
    assert told.value.reason == "RateLimited"
    assert "17 s" in told.value.message


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(302, b"", {"location": "https://elsewhere.example"}), Denied),
        (Reply(200, b"<html>"), Unavailable),
        (Reply(200, b'{"success": false, "result": null}'), Denied),
        (Reply(502), Unavailable),
    ],
)
async def test_what_is_not_the_documented_form_is_never_an_inventory(
    setting: Setting, reply: Reply, kind: type[KeyturnError]
) -> None:
    setting.desk.server.faults.append(lambda request: reply if request.path.endswith("/tokens") else "")
    with pytest.raises(kind):
        await setting.open().inventory()


async def test_a_list_of_many_pages_is_read_to_its_end(setting: Setting) -> None:
    for number in range(120):
        setting.desk.issue(f"other {number}", policies("staging-files"))
    last = setting.desk.issue("the last one", policies(BUCKET))
    assert last.record["id"] in [one.id for one in await setting.open().inventory() if one.stranger]


# --------------------------------------------------------------------------------------- strangers and words


async def test_strangers_are_tokens_that_reach_the_bucket_in_whatever_way(setting: Setting) -> None:
    desk = setting.desk
    by_star = [{"effect": "allow", "resources": {f"com.cloudflare.edge.r2.bucket.{ACCOUNT}_*": "*"},
                "permission_groups": [{"id": READ}]}]  # fmt: skip
    nested = [{"effect": "allow", "resources": {"com.cloudflare.api.account.*": {resource(BUCKET): "*"}},
               "permission_groups": [{"id": READ}]}]  # fmt: skip
    whole = {"resources": {f"com.cloudflare.api.account.{ACCOUNT}": "*"}, "effect": "allow"}
    reaching = [
        desk.issue("by name", policies(BUCKET)),
        desk.issue("by a star", by_star),
        desk.issue("nested", nested),
        desk.issue("all of R2", [{**whole, "permission_groups": [{"id": "2" * 32}]}]),
        desk.issue("makes tokens", [{**whole, "permission_groups": [{"id": "1" * 32}]}]),
    ]
    desk.issue("another bucket", policies("staging-files"))
    desk.issue("another jurisdiction", policies(BUCKET, jurisdiction="eu"))
    desk.issue("dns", [{**whole, "permission_groups": [{"id": "3" * 32}]}])
    desk.issue("known-backup", policies(BUCKET))
    found = await setting.but(provider={"known": ["known-*"]}).open().inventory()
    assert {one.id for one in found if one.stranger} == {one.record["id"] for one in reaching}
    assert all("known" in one.why for one in found if one.stranger)


@pytest.mark.parametrize("who", ["rotator", "known", "elsewhere"])
async def test_containment_cuts_off_nobody_who_is_declared_or_reaches_nothing(setting: Setting, who: str) -> None:
    new = await made(setting)
    named = {
        "rotator": setting.desk.rotator,
        "known": setting.desk.issue("known-backup", policies(BUCKET)),
        "elsewhere": setting.desk.issue("staging", policies("staging-files")),
    }[who].record["id"]
    provider = setting.but(provider={"known": ["known-*"]}).open()
    with pytest.raises(Denied):
        await provider.contain(op("Contain"), new, setting.credential.id, [named])
    assert setting.current.record["status"] == "active"


async def test_another_plans_or_nobodys_token_is_never_changed(setting: Setting) -> None:
    other = setting.desk.issue("somebody's", policies(BUCKET))
    for change in (setting.open().disable(op("Disable"), other.record["id"]),
                   setting.open().delete(op("Delete"), other.record["id"]),
                   setting.open().enable(op("Enable"), pair(other))):  # fmt: skip
        with pytest.raises(Denied):
            await change
    assert other.record["status"] == "active"


async def test_use_is_what_the_api_dates_after_our_own(setting: Setting) -> None:
    new, provider = await made(setting), setting.open()
    await provider.test(setting.credential)
    assert (await provider.usage([setting.credential.id], new))[setting.credential.id].idle is Idle.UNKNOWN
    setting.desk.server.clock.move(timedelta(minutes=5))
    s3(setting.desk, setting.credential)
    seen = (await provider.usage([setting.credential.id], new))[setting.credential.id]
    assert seen.idle is Idle.IN_USE
    assert setting.credential.id in seen.blind
    setting.desk.server.clock.move(timedelta(minutes=16))
    assert (await provider.usage([setting.credential.id], new))[setting.credential.id].idle is Idle.UNKNOWN


async def test_a_use_after_the_disable_is_use_and_one_before_it_holds_nothing_open(setting: Setting) -> None:
    setting.desk.server.clock.move(HOUR)
    setting.desk.delays.gradually(HOUR, HOUR)
    new, provider = await made(setting), setting.open()
    s3(setting.desk, setting.credential)
    await provider.disable(op("Disable"), setting.credential.id)
    assert (await provider.usage([setting.credential.id], new))[setting.credential.id].idle is Idle.NOT_SEEN
    setting.desk.server.clock.move(timedelta(minutes=5))
    assert s3(setting.desk, setting.credential) == 200  # it has not reached every place
    assert (await provider.usage([setting.credential.id], new))[setting.credential.id].idle is Idle.IN_USE
