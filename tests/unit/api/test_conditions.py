"""Conditions: set without losing since when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from keyturn.api.base import Condition, format_duration, parse_duration
from keyturn.api.conditions import ConditionType, condition, set_condition
from keyturn.api.labels import escrow_name, probe_secret_name, restart_annotation

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = START + timedelta(minutes=5)


State = bool | None
YES, NO, UNKNOWN = True, False, None


def ready(status: State, known: list[Condition], now: datetime, message: str = "") -> list[Condition]:
    return set_condition(known, ConditionType.READY, status, "Because", message, 3, now)


def test_a_first_condition_begins_now() -> None:
    (made,) = ready(YES, [], START)
    assert (made.status, made.last_transition_time, made.observed_generation) == ("True", START, 3)


def test_the_same_status_keeps_its_time_and_takes_the_new_words() -> None:
    (made,) = ready(YES, ready(YES, [], START, "old words"), LATER, "new words")
    assert (made.last_transition_time, made.message) == (START, "new words")


def test_another_status_begins_anew() -> None:
    (made,) = ready(UNKNOWN, ready(YES, [], START), LATER)
    assert (made.status, made.last_transition_time) == ("Unknown", LATER)


def test_others_keep_their_place_and_the_given_list_is_left_alone() -> None:
    known = set_condition(ready(YES, [], START), ConditionType.STALLED, NO, "Moving", "", 1, START)
    made = ready(NO, known, LATER)
    assert [one.type for one in made] == ["Ready", "Stalled"]
    assert known[0].status == "True"


def test_saying_the_same_again_is_the_same() -> None:
    known = ready(YES, [], START, "words")
    assert ready(YES, known, LATER, "words") == known


def test_a_condition_that_was_never_set_is_none() -> None:
    assert condition([], ConditionType.APPROVED) is None


@given(st.integers(min_value=0, max_value=10**9))
def test_a_duration_reads_back_as_it_was_written(milliseconds: int) -> None:
    value = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(value)) == value


def test_names_in_the_cluster_are_those_that_were_agreed() -> None:
    assert restart_annotation("shop", "orders-db") == "keyturn.dev/gen-24ad43c52a"
    assert len(restart_annotation("n" * 63, "p" * 253).partition("/")[2]) <= 63
    assert escrow_name("1234") == "keyturn-escrow-1234"
    assert probe_secret_name("orders-db") == "keyturn-probe-orders-db"
