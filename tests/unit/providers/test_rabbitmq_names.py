"""Permissions are patterns over names: what is not plainly apart is taken to meet."""

from __future__ import annotations

import pytest

from keyturn.providers.rabbitmq.names import a_name, apart, beginnings, reaches


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (r"^orders\.", r"^payments\.", True),
        (r"^orders\.", r"^orders\.secret", False),
        ("^ord", "^orders", False),
        ("^orders", "orders", False),  # the other is not anchored
        (r"^orders\.", ".*", False),
        ("^(orders|shop)", "^payments", True),
        ("^(?:orders|shop)-.*$", "^payments", True),
        ("^(orders|shop)?x", "^payments", False),  # the group may be left out
        ("^(orders|pay)", "^payments", False),
        ("^(orders)|payments", "^payments", False),
        ("^orders|^shop", "^payments|^basket", True),
        ("^orders|shop", "^payments", False),
        ("^((a|b)c)", "^d", False),  # not plain enough
        ("^[ab]|^c", "^d", False),
        ("^(orders[|]x)", "^d", False),
        ("^a*", "^b", False),  # as well nothing at all
        ("^orders?x", "^orderx", False),
        (r"^a\d", "^ab", False),
        ("", ".*", True),
        ("^$", ".*", True),
    ],
)
def test_apart(left: str, right: str, *, expected: bool) -> None:
    assert apart(left, right) is expected
    assert apart(right, left) is expected


def test_what_a_pattern_begins_with() -> None:
    assert beginnings(r"^orders\.eu-.*") == ("orders.eu-",)
    assert beginnings(r"^(orders\.|amq\.default$)") == ("orders.", "amq.default")
    assert beginnings(".*") == ("",)
    assert not reaches("")


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ((".*", ".*", ".*"), "probe"),
        ((r"^orders\.", ".*", r"^(orders\.|amq\.)"), "orders.probe"),
        (("^(amq|orders)", "^orders", ".*"), "ordersprobe"),
        ((r"^orders\.", "", ".*"), ""),  # may not write
        ((r"^orders\.in$", ".*", ".*"), ""),  # these names and no others
        ((r"(?P=x", ".*", ".*"), ""),  # PCRE's alone
    ],
)
def test_a_name_that_all_of_them_match(patterns: tuple[str, ...], expected: str) -> None:
    assert a_name(patterns, "probe") == expected
