"""Two key patterns overlap exactly if some key matches both: compared with trying all short keys."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyturn.providers.redis.patterns import a_key, overlap

PIECES = ["a", "b", "*", "?", "[ab]", "[^a]", "[a-b]", "\\*"]
SIGNS = "ab*c"
KEYS = ["".join(signs) for length in range(6) for signs in product(SIGNS, repeat=length)]
patterns = st.lists(st.sampled_from(PIECES), max_size=3)


def as_expression(pieces: list[str]) -> re.Pattern[str]:
    plain = {"*": ".*", "?": ".", "\\*": "\\*"}
    return re.compile("".join(plain.get(piece, piece) for piece in pieces), re.DOTALL)


@settings(max_examples=300)
@given(patterns, patterns)
def test_overlap_is_what_trying_every_key_finds(left: list[str], right: list[str]) -> None:
    one, other = as_expression(left), as_expression(right)
    found = any(one.fullmatch(key) and other.fullmatch(key) for key in KEYS)
    assert overlap("".join(left), "".join(right)) is found
    assert overlap("".join(right), "".join(left)) is found


@settings(max_examples=100)
@given(patterns)
def test_a_key_matches_its_pattern(pieces: list[str]) -> None:
    assert as_expression(pieces).fullmatch(a_key("".join(pieces)))


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("*", "orders:*", True),
        ("orders:*", "orders:secret:*", True),
        ("orders:*", "payments:*", False),
        ("orders:*:a", "orders:b:*", True),
        ("a*x", "*bx", True),
        ("a*x", "b*x", False),
        ("", "*", True),
        ("", "?", False),
        ("[abc", "c", True),  # a bracket that is not closed reaches to the end, as in the server
    ],
)
def test_patterns_that_people_write(left: str, right: str, *, expected: bool) -> None:
    assert overlap(left, right) is expected
