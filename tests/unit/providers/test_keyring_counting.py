"""Counters from look to look: what is idle was watched, and what nobody can know is never called idle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keyturn.core.model import Idle
from keyturn.ports import Usage
from keyturn.providers.keyring.counting import RECENT, Tally, Told, counts_of
from keyturn.providers.keyring.kinds import Counters
from keyturn.providers.keyring.pages import Unread

OLD, NEW = "2026-01", "orders-1"
NOON = datetime(2026, 3, 21, 12, tzinfo=UTC)
LONG_AGO = NOON - timedelta(days=3)
TICK = timedelta(seconds=5)
WISH = Counters(port=9090, metric="tokens_accepted_total")


class Watcher:
    """Looks every five seconds, and asks about OLD while NEW serves."""

    def __init__(self, now: datetime = NOON) -> None:
        self.tally, self.now = Tally(), now

    def sees(self, *told: Told) -> Usage:
        self.now += TICK
        return self.tally.look(told, self.now).usage(OLD, frozenset({OLD, NEW}))

    def settles(self, *told: Told) -> None:
        """Looks until nothing is of late any more."""
        for _ in range(RECENT // TICK + 1):
            self.sees(*told)


def gate(old: float | None, new: float = 0, *, name: str = "gate-1", since: datetime = LONG_AGO, life: int = 1) -> Told:
    counts = {NEW: new} if old is None else {OLD: old, NEW: new}
    return Told(f"pod {name}", f"{name}/{life}", since, counts)


def silent(name: str = "gate-1") -> Told:
    return Told(f"pod {name}", f"{name}/1", LONG_AGO, None, "its page does not answer")


def test_uses_from_before_the_first_look_are_unknown_until_they_are_surely_over() -> None:
    """A new leader has seen nothing: for longer than a soak may be interrupted he does not say that it is idle."""
    watcher = Watcher()
    first = watcher.sees(gate(7))
    assert first.idle is Idle.UNKNOWN
    assert first.blind == f"when pod gate-1 last accepted {OLD} is not known yet"
    while watcher.now < NOON + TICK + RECENT:
        assert watcher.sees(gate(7)).idle is Idle.UNKNOWN
    assert watcher.sees(gate(7)) == Usage(Idle.NOT_SEEN)


def test_a_pod_that_never_accepted_it_is_idle_at_the_first_look() -> None:
    assert Watcher().sees(gate(0, 12)) == Usage(Idle.NOT_SEEN)


def test_one_more_in_any_pod_is_use_for_long_enough_that_no_lost_look_hides_it() -> None:
    watcher = Watcher()
    watcher.settles(gate(7), gate(0, name="gate-2"))
    used = watcher.sees(gate(7), gate(1, name="gate-2"))
    assert (used.idle, used.accepted_by) == (Idle.IN_USE, ("pod gate-2",))
    assert used.blind == f"{OLD} was accepted of late by pod gate-2"
    for _ in range(RECENT // TICK):
        assert watcher.sees(gate(7), gate(1, name="gate-2")).idle is Idle.IN_USE
    assert watcher.sees(gate(7), gate(1, name="gate-2")).idle is Idle.NOT_SEEN


def test_use_is_told_even_if_another_pod_is_silent() -> None:
    watcher = Watcher()
    watcher.settles(gate(7), gate(0, name="gate-2"))
    assert watcher.sees(gate(8), silent("gate-2")).idle is Idle.IN_USE


def test_a_page_that_cannot_be_read_is_named_and_its_next_one_makes_up_for_it() -> None:
    watcher = Watcher()
    watcher.settles(gate(7))
    hidden = watcher.sees(silent())
    assert (hidden.idle, hidden.blind) == (Idle.UNKNOWN, "pod gate-1: its page does not answer")
    assert watcher.sees(gate(7)).idle is Idle.NOT_SEEN, "a counter that stands has counted nothing meanwhile"
    watcher.sees(silent())
    assert watcher.sees(gate(8)).idle is Idle.IN_USE


def test_a_counter_that_begins_anew_is_unknown_for_a_look() -> None:
    watcher = Watcher()
    watcher.settles(gate(7, 30))
    fresh = watcher.sees(gate(0, 0))
    assert fresh.idle is Idle.UNKNOWN
    assert "pod gate-1 counts anew" in fresh.blind
    assert watcher.sees(gate(0, 0)).idle is Idle.NOT_SEEN


def test_only_the_others_counter_shows_that_a_process_began_anew() -> None:
    """Given OLD was at 0 before and after, when NEW falls back, then what came in between is lost."""
    watcher = Watcher()
    watcher.settles(gate(0, 30))
    assert watcher.sees(gate(0, 1)).idle is Idle.UNKNOWN


def test_what_a_process_counted_since_it_began_anew_is_use() -> None:
    watcher = Watcher()
    watcher.settles(gate(7, 30))
    assert watcher.sees(gate(2, 0)).idle is Idle.IN_USE


def test_a_container_that_was_started_again_is_another_one() -> None:
    """Given its numbers happen to be as before, when its container is another one, then what it did last is lost."""
    watcher = Watcher()
    watcher.settles(gate(0, 0))
    gone = watcher.sees(gate(0, 0, life=2, since=watcher.now))
    assert (gone.idle, "pod gate-1 is gone" in gone.blind) == (Idle.UNKNOWN, True)
    assert watcher.sees(gate(0, 0, life=2)).idle is Idle.NOT_SEEN


def test_a_pod_that_came_while_we_watched_has_accepted_all_it_counted_since() -> None:
    watcher = Watcher()
    watcher.settles(gate(7))
    born = watcher.now
    watcher.settles(gate(7))
    assert watcher.now - born > RECENT
    assert watcher.sees(gate(7), gate(1, name="gate-2", since=born)).idle is Idle.IN_USE


def test_a_pod_that_came_while_nobody_watched_is_not_said_to_have_accepted_it_of_late() -> None:
    watcher = Watcher()
    watcher.settles(gate(7))
    born = watcher.now + timedelta(hours=1)
    watcher.now += timedelta(days=7)
    assert watcher.sees(gate(7), gate(1, name="gate-2", since=born)).idle is Idle.UNKNOWN


def test_what_was_counted_while_nobody_watched_has_no_date_and_what_was_not_is_quiet() -> None:
    watcher = Watcher()
    watcher.settles(gate(7), gate(3, name="gate-2"))
    watcher.now += timedelta(days=7)
    seen = watcher.sees(gate(9), gate(3, name="gate-2"))
    assert (seen.idle, seen.blind) == (Idle.UNKNOWN, f"when pod gate-1 last accepted {OLD} is not known yet")
    watcher.now += timedelta(days=7)
    assert watcher.sees(gate(9), gate(3, name="gate-2")).idle is Idle.NOT_SEEN


@pytest.mark.parametrize("counted", [OLD, NEW])
def test_a_key_without_a_line_is_not_known_to_be_counted(counted: str) -> None:
    told = Told("pod gate-1", "gate-1/1", LONG_AGO, {id_: 0.0 for id_ in (OLD, NEW) if id_ != counted})
    seen = Watcher().sees(told)
    assert (seen.idle, seen.blind) == (Idle.UNKNOWN, f"pod gate-1 shows no line for {counted}")


def test_a_key_that_left_the_ring_needs_no_line() -> None:
    look = Tally().look([gate(None, 3, since=NOON)], NOON + TICK)
    assert look.usage(OLD, frozenset({NEW})) == Usage(Idle.NOT_SEEN)


def test_nobody_who_could_tell_is_no_idleness() -> None:
    assert Watcher().sees() == Usage(Idle.UNKNOWN, (), "no acceptor runs")


# ------------------------------------------------------------------------------------------------------- reading


def test_lines_of_one_key_are_added_up_and_others_left_alone() -> None:
    page = b"""# HELP tokens_accepted_total Tokens.
# TYPE tokens_accepted_total counter
tokens_accepted_total{kid="2026-01",route="/a"} 3
tokens_accepted_total{kid="2026-01",route="/b"} 4.0
tokens_accepted_total{route="/b", kid="orders-1"} 0 1700000000000
tokens_accepted_total_more{kid="2026-01"} 100
tokens_refused_total{kid="2026-01"} 100
this is no line at all {{{
"""
    assert counts_of(page, WISH) == {OLD: 7, NEW: 0}


def test_a_page_without_the_counter_counts_nothing() -> None:
    assert counts_of(b"up 1\n", WISH) == {}


@pytest.mark.parametrize(
    "line",
    [
        b'tokens_accepted_total{kid="2026-01"} NaN',
        b'tokens_accepted_total{kid="2026-01"} +Inf',
        b'tokens_accepted_total{kid="2026-01"} -1',
        b'tokens_accepted_total{key="2026-01"} 1',
        b"tokens_accepted_total 1",
        b'tokens_accepted_total{kid="2026-01',
        b'tokens_accepted_total{kid="2026-01"}',
        b'tokens_accepted_total{kid="2026-01"} one',
        b'tokens_accepted_total{kid="\xff\xfe"} 1',
        b'tokens_accepted_total{kid="a"} 1\n' * 2001,
        b'tokens_accepted_total{kid="' + b"a" * 1000 + b'"} 1',
    ],
)
def test_a_page_that_is_not_as_declared_is_not_read(line: bytes) -> None:
    with pytest.raises(Unread):
        counts_of(line + b"\n", WISH)
