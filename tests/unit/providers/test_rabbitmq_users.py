"""Users of RabbitMQ as its API tells them, and as they are written: everything at once, never without the hash."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keyturn.core.model import Existence
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential
from keyturn.providers.rabbitmq.changes import disabled, enabled, retired
from keyturn.providers.rabbitmq.tags import Tag
from keyturn.providers.rabbitmq.users import User, hash_of, read_users
from keyturn.providers.turns import Mark
from support.postgres_plan import op

VALUE = Sealed("a-value-of-a-test-that-is-long")
KNOWN = (
    "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"  # of test12, as https://www.rabbitmq.com/docs/passwords has it
)


def user(**row: Any) -> User:
    told = {"name": "orders_a", "password_hash": hash_of(VALUE), "tags": [], "limits": {}} | row
    return read_users([told], [], [])["orders_a"]


def test_a_value_is_known_again_by_salt_and_hash() -> None:
    assert user().holds(VALUE)
    assert not user().holds(Sealed("another-value-of-a-test"))
    assert user(password_hash=KNOWN).holds(Sealed("test12"))
    assert hash_of(VALUE) != hash_of(VALUE)


@pytest.mark.parametrize(
    ("row", "existence"),
    [
        ({}, Existence.ACTIVE),
        ({"limits": {"max-connections": 5}}, Existence.ACTIVE),
        ({"limits": {"max-connections": -1}}, Existence.ACTIVE),
        ({"limits": {"max-connections": 0}}, Existence.DISABLED),
        ({"password_hash": ""}, Existence.RETIRED),
        ({"password_hash": "", "limits": {"max-connections": 0}}, Existence.RETIRED),
        ({"password_hash": None}, Existence.ACTIVE),  # it is not told, so it may have one
    ],
)
def test_existence(row: dict[str, Any], existence: Existence) -> None:
    assert user(**row).existence is existence


@pytest.mark.parametrize(("told", "whole"), [(KNOWN, True), ("", True), (None, False), ("***", False), ("QUJD", False)])
def test_what_is_no_hash_is_not_written_back(told: str | None, *, whole: bool) -> None:
    assert user(password_hash=told).whole is whole
    assert not told or told not in repr(user(password_hash=told))


def test_a_tag_comes_back_as_it_was_written_and_is_no_right() -> None:
    tag = replace(Tag.of("shop/orders-queue", op("Disable"), Mark.DISABLED), was=20)
    found = user(tags=["custom", *tag.told])
    assert found.tag == tag
    assert found.rights.tags == {"custom"}
    assert user(tags="custom," + ",".join(tag.told)).tag == tag  # as older servers write it
    assert all(len(one) <= 255 for one in Tag.of("n" * 200, op(rotation="u" * 36), Mark.CONTAINED).told)


def test_half_a_tag_is_none() -> None:
    assert user(tags=["keyturn:v1:plan=shop/orders-queue"]).tag is None


def test_a_disabled_user_keeps_its_hash_and_tags_and_remembers_its_limit() -> None:
    before = user(tags=["custom", "management"], limits={"max-connections": 20})
    tag = Tag.of("shop/orders-queue", op("Disable"), Mark.DISABLED)
    body = disabled(before, tag)
    assert body["password_hash"] == before.hash
    assert body["limits"] == {"max-connections": 0}
    assert body["tags"] == ["custom", "management", *replace(tag, was=20).told]
    after = user(password_hash=before.hash, tags=body["tags"], limits={"max-connections": 0})
    assert (after.shut, after.most, after.rights) == (True, 20, before.rights)
    assert disabled(after, tag) == body  # twice is the same as once
    back = enabled(after, Credential("orders_a", VALUE), Tag.of("shop/orders-queue", op("Enable"), Mark.ACTIVE))
    assert (back["password_hash"], back["limits"]) == (before.hash, {"max-connections": 20})


def test_a_stranger_that_is_cut_off_leaves_the_management_api() -> None:
    tag = Tag.of("shop/orders-queue", op("Contain"), Mark.CONTAINED)
    assert disabled(user(tags=["custom", "management"]), tag)["tags"] == ["custom", *tag.told]


def test_a_retired_user_has_no_password_and_no_connection() -> None:
    body = retired(user(), Tag.of("shop/orders-queue", op("Delete"), Mark.RETIRED))
    assert (body["password_hash"], body["limits"]) == ("", {"max-connections": 0})


def test_enabling_with_another_value_than_it_has_writes_that_value() -> None:
    other = Credential("orders_a", Sealed("the-escrowed-value-of-a-test"))
    body = enabled(user(), other, Tag.of("shop/orders-queue", op("Enable"), Mark.ACTIVE))
    assert user(password_hash=body["password_hash"]).holds(other.value)
    assert body["limits"] == {}
