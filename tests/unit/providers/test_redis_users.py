"""Users as a server prints them, and the tag that hides in a set of rules without rights."""

from __future__ import annotations

import pytest

from keyturn.core.model import Existence, Op
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential
from keyturn.providers.redis.changes import disabled, enabled, made, retired
from keyturn.providers.redis.tags import Tag
from keyturn.providers.redis.users import Rules, User, hash_of, read_users
from keyturn.providers.turns import Mark

VALUE = Sealed("value-of-a-test")
TAG = Tag.of("shop/orders-cache", Op("uid-1", 3, "Create", 7), Mark.ACTIVE)
SELECTOR = str(TAG).replace(" -@all", " resetchannels -@all")  # as the server prints it (seen on 7.0)


def printed(*entries: str) -> User:
    return read_users([" ".join(("user", "orders", *entries))])["orders"]


def test_a_user_is_read_as_it_was_printed() -> None:
    user = printed(
        "on", "sanitize-payload", f"#{hash_of(VALUE)}", "~orders:*", "%R~catalogue:*", "resetchannels", "&orders:*",
        "-@all", "+@read", "(~extra:* resetchannels -@all +get)",
    )  # fmt: skip
    assert user.enabled
    assert user.holds(VALUE)
    assert not user.holds(Sealed("another-value"))
    assert user.rules == Rules(
        ("-@all", "+@read"), ("~orders:*", "%R~catalogue:*"), ("&orders:*",), ("(~extra:* resetchannels -@all +get)",)
    )
    assert user.rules.patterns() == ("orders:*", "catalogue:*", "extra:*")
    assert user.rules.patterns(writing=True) == ("orders:*", "extra:*")
    assert user.existence is Existence.ACTIVE


def test_neither_the_lock_nor_the_tag_counts_as_a_password_or_a_rule() -> None:
    user = printed("off", "sanitize-payload", f"#{TAG.lock}", "resetchannels", "-@all", "+get", SELECTOR)
    assert user.tag == TAG
    assert user.tag is not None
    assert user.tag.lock == TAG.lock
    assert user.hashes == frozenset()
    assert user.rules.selectors == ()
    assert user.existence is Existence.RETIRED


def test_hashes_and_locks_are_in_no_text() -> None:
    user = printed("on", f"#{hash_of(VALUE)}", f"#{TAG.lock}", "-@all", SELECTOR)
    assert hash_of(VALUE) not in repr(user)
    assert TAG.lock not in repr(user)


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ("+@all", True),
        ("+@all -@dangerous", False),
        ("+@all -@admin", False),
        ("-@all +acl|setuser", True),
        ("-@all +acl -acl|setuser", False),
        ("-@all +@read +@write", False),
        ("+@all -@dangerous +@slow", True),
    ],
)
def test_who_may_change_users_is_seen_from_the_rules(commands: str, *, expected: bool) -> None:
    assert printed("on", *commands.split()).rules.administers is expected
    assert printed("on", "-@all", f"(~x {commands})").rules.administers is expected


def test_a_user_without_password_is_open_and_holds_any_value() -> None:
    user = printed("on", "nopass", "sanitize-payload", "~*", "&*", "+@all")
    assert user.open
    assert user.holds(VALUE)
    assert user.existence is Existence.ACTIVE


def test_every_change_takes_the_former_lock_away_first_and_so_fails_if_it_is_gone() -> None:
    before = printed("on", f"#{hash_of(VALUE)}", f"#{TAG.lock}", "~a", "-@all", SELECTOR, "(~b -@all +get)")
    after = Tag.of("shop/orders-cache", Op("uid-1", 4, "Enable", 7), Mark.DISABLED)
    credential = Credential("orders", VALUE)
    for words in (disabled(before, after), retired(before, after), enabled(before, credential, after)):
        assert words[:4] == ("ACL", "SETUSER", "orders", f"!{TAG.lock}")
        assert words[-3:] == ("clearselectors", "(~b -@all +get)", str(after))
        assert f"#{after.lock}" in words
    assert made(before, before, credential, after)[:5] == ("ACL", "SETUSER", "orders", f"!{TAG.lock}", "reset")


def test_a_value_is_never_among_the_words() -> None:
    before = printed("on", "-@all")
    words = (*enabled(before, Credential("orders", VALUE), TAG), *made(None, before, Credential("orders", VALUE), TAG))
    assert VALUE.reveal_text() not in " ".join(words)


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        (Op("uid-1", 3, "x", 7), Op("uid-1", 4, "x", 7), False),
        (Op("uid-1", 4, "x", 7), Op("uid-1", 3, "x", 7), True),
        (Op("uid-1", 3, "x", 8), Op("uid-2", 9, "x", 7), True),
        (Op("uid-1", 9, "x", 7), Op("uid-2", 3, "x", 7), False),
    ],
)
def test_later_leaders_and_later_steps_overtake(mine: Op, theirs: Op, *, expected: bool) -> None:
    assert Tag.of("p", mine, Mark.ACTIVE).overtakes(Tag.of("p", theirs, Mark.ACTIVE)) is expected


def test_two_tags_of_one_step_are_equal_and_their_locks_are_not() -> None:
    one, other = (Tag.of("p", Op("uid-1", 3, "x", 7), Mark.ACTIVE) for _ in range(2))
    assert one == other
    assert one.lock != other.lock
