"""What the demo's backends read from their servers' own lists: accounts to compare, and logins that were refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from keyturn_dev.demo.credentials import Authority
from keyturn_dev.demo.part import Account, Part, Passwords
from keyturn_dev.demo.parts import PARTS, mariadb, rabbitmq, redis
from keyturn_dev.demo.witnesses import Witnesses, role_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HASH, LOCK = "1" * 64, "9" * 64
TAG = f"(~keyturn:v1:plan=shop/basket:rotation=r:gen=3:epoch=7:state=active:lock={LOCK} resetchannels -@all)"


@pytest.mark.parametrize("part", PARTS.values(), ids=lambda part: part.name)
def test_every_backend_hands_out_the_first_slot_at_its_own_host_and_has_its_manifests(part: Part) -> None:
    passwords = Passwords()
    made = part.secrets(passwords, Authority())
    url = made[part.plan][part.key]
    assert role_of(url) == part.slots[0]
    assert f"{passwords.current}@{part.host}:" in url
    assert made[f"{part.name}-rotator"]["password"] == passwords.rotator
    assert all(part.manifest(what).exists() for what in ("server", "plan", "apps"))


def test_a_redis_user_is_the_same_whatever_tag_and_lock_a_change_left() -> None:
    rules = "~basket:* resetchannels &basket:* -@all +get"
    plain = redis.account_of(f"user basket_a on sanitize-payload #{HASH} {rules}")
    tagged = redis.account_of(f"user basket_a on sanitize-payload #{HASH} #{LOCK} {rules} {TAG}")
    assert plain == tagged
    assert plain[0] == "basket_a"
    assert plain[1].enabled
    assert plain[1].stored == HASH


@pytest.mark.parametrize("line", [f"user basket_a off #{HASH} +get", f"user basket_a on #{HASH[:-1]}2 +get",
                                  f"user basket_a on #{HASH} +get +set"])  # fmt: skip
def test_a_redis_user_that_is_off_has_another_password_or_other_rules_differs(line: str) -> None:
    assert redis.account_of(line) != redis.account_of(f"user basket_a on #{HASH} +get")


def test_redis_refusals_are_logins_of_these_users_since_then_and_not_keyturns_own() -> None:
    def entry(**changes: str | int) -> dict[str, str | int]:
        info = "id=3 addr=10.0.0.7:4711 laddr=10.0.0.1:6379 name="
        return {"reason": "auth", "username": "basket_a", "age-seconds": "2.5", "client-info": info, **changes}

    entries = [
        entry(),
        entry(reason="command"),
        entry(username="somebody"),
        entry(**{"age-seconds": "60.1"}),
        entry(**{"client-info": "id=4 addr=10.0.0.99:4712 name="}),
    ]
    since, keyturn = NOON - timedelta(seconds=60), frozenset({"10.0.0.99"})
    told = redis.refusals(entries, NOON, frozenset({"basket_a"}), since, keyturn)
    assert told == ["basket_a from 10.0.0.7"]


def test_a_mariadb_account_is_told_by_its_lock_its_hash_and_what_it_may_do() -> None:
    kept = {"authentication_string": "*AB", "account_locked": False, "ssl_type": 1, "password_last_changed": 7}
    account = mariadb.account_of(kept)
    assert account == Account(enabled=True, stored="*AB", rest={"ssl_type": 1})
    assert mariadb.account_of(kept | {"password_last_changed": 8, "version_id": 101119}) == account
    assert not mariadb.account_of(kept | {"account_locked": True}).enabled
    assert not mariadb.account_of({"is_role": True}).enabled


def test_a_mariadb_hash_is_the_one_that_the_server_makes() -> None:
    # SELECT PASSWORD('mypass') in MariaDB's manual
    assert mariadb.hashed("mypass") == "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4"


def test_witnesses_of_several_accounts_are_all_counted_and_those_of_other_backends_are_not() -> None:
    reports = [
        {"uid": "1", "pod": "web-1", "consumer": "web", "counts": {"stock_a ok": 5, "stock_a refused": 1}},
        {"uid": "2", "pod": "web-2", "consumer": "web", "counts": {"stock_b ok": 7, "? unreachable": 2}},
        {"uid": "3", "pod": "api-1", "consumer": "api", "counts": {"orders_a ok": 100, "orders_a unreachable": 3}},
    ]
    witnesses = Witnesses(cast("Any", lambda *_words: json.dumps(reports)), "shop-witness")
    mine = witnesses.count(("stock_a", "stock_b"))
    assert (mine.by_role, mine.ok, mine.refused, mine.unreachable) == ({"stock_a": 5, "stock_b": 7}, 12, 1, 0)
    assert witnesses.count().by_role == {"stock_a": 5, "stock_b": 7, "orders_a": 100}


LOG = """\
2026-03-01 11:59:59.9+00:00 [error] <0.1.0> PLAIN login refused: user 'post_a' - invalid credentials
2026-03-01 12:00:01.5+00:00 [info] <0.2.0> accepting AMQP connection <0.2.0> (10.0.0.7:5000 -> 10.0.0.9:5671)
2026-03-01 12:00:01.5+00:00 [error] <0.2.0> Error on AMQP connection <0.2.0> (10.0.0.7:5000 -> 10.0.0.9:5671, state: starting):
2026-03-01 12:00:01.5+00:00 [error] <0.2.0> PLAIN login refused: user 'post_a' - invalid credentials
2026-03-01 12:00:01.5+00:00 [info] <0.3.0> connection <0.3.0> (10.0.0.8:5000 -> 10.0.0.9:5671): user 'post_b' authenticated and
2026-03-01 12:00:02.5+00:00 [error] <0.4.0> connection refused for user 'post_b': user connection limit (0) is reached
"""  # noqa: E501 -- the server's own lines


def test_rabbitmq_refusals_are_told_with_the_address_of_their_connection() -> None:
    assert rabbitmq.refusals(LOG, NOON) == [("post_a", "10.0.0.7"), ("post_b", "")]


def test_a_rabbitmq_user_is_shut_by_its_limit_or_without_a_password_and_our_tags_do_not_count() -> None:
    def user(name: str, limit: int | None = None, hash_: str = "hash", *tags: str) -> dict[str, object]:
        limits = {} if limit is None else {"max-connections": limit}
        return {"name": name, "password_hash": hash_, "tags": list(tags), "limits": limits}

    users = [
        user("a"),
        user("tagged", None, "hash", "keyturn:v1:plan=shop/post"),
        user("shut", 0),
        user("owner", None, ""),
    ]
    found = rabbitmq.accounts_of({"users": users, "permissions": []})
    assert {name: account.enabled for name, account in found.items()} == {
        "a": True, "tagged": True, "shut": False, "owner": False}  # fmt: skip
    assert found["a"] == found["tagged"]
