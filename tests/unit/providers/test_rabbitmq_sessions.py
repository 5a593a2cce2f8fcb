"""Whose a connection is: by its name; by where it comes from only while it is too young to have been told its name."""

from __future__ import annotations

import pytest

from keyturn.providers.rabbitmq.connections import OwnLines
from keyturn.providers.rabbitmq.sessions import Listed, Seen

HERE = ("10.0.0.5", 40_000)
THERE = ("10.0.0.7", 40_000)


@pytest.fixture
def own() -> OwnLines:
    lines = OwnLines()
    lines.labels.add("keyturn-1")
    lines.open.add(HERE)
    return lines


@pytest.mark.parametrize(
    ("found", "ours"),
    [
        ([(HERE, "")], [True]),
        ([(HERE, ""), (THERE, "")], [True, False]),
        ([(THERE, "keyturn-1")], [True]),  # a gateway changed where it comes from
        ([(HERE, "keyturn-2")], [False]),  # whoever has another name is another
        ([(HERE, "keyturn-1"), (THERE, "keyturn-1")], [False, False]),  # one of them is forged
        ([(THERE, "")], [False]),
        ([(("", None), "")], [False]),  # a shovel's
    ],
)
def test_whose_a_connection_is(
    own: OwnLines, found: list[tuple[tuple[str, int | None], str]], ours: list[bool]
) -> None:
    seen = Seen(tuple(Listed("orders_a", place, label, None) for place, label in found), ())
    assert [one.ours for one in seen.of("orders_a", own)] == ours
    assert seen.of("orders_b", own) == ()
