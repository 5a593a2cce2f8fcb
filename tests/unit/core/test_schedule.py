"""When a rotation is due, and when it may begin."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.schedule import InvalidSchedule, Schedule, Window, check, due, open_now

MONDAY = datetime(2026, 3, 23, 12, tzinfo=UTC)


def test_without_a_schedule_only_a_person_rotates() -> None:
    assert due(Schedule(), MONDAY) is None


def test_cron_means_local_time_on_both_sides_of_the_change_to_summer_time() -> None:
    weekly = Schedule(cron="0 3 * * 1", zone="Europe/Berlin")
    assert due(weekly, MONDAY) == datetime(2026, 3, 30, 1, tzinfo=UTC)  # 03:00 in summer
    assert due(weekly, MONDAY - timedelta(days=7)) == datetime(2026, 3, 23, 2, tzinfo=UTC)  # 03:00 in winter


def test_the_earlier_of_cron_and_age_wins() -> None:
    both = Schedule(cron="0 3 1 1 *", max_age=timedelta(days=30))
    assert due(both, MONDAY) == MONDAY + timedelta(days=30)


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        (Schedule(cron="every monday"), "schedule.cron"),
        (Schedule(cron="0 0 31 2 *"), "schedule.cron"),
        (Schedule(cron="0 3 * * 1", zone="Mars/Olympus"), "schedule.timeZone"),
        (Schedule(max_age=timedelta()), "schedule.maxAge"),
    ],
)
def test_what_can_never_be_right_names_its_field(broken: Schedule, field: str) -> None:
    with pytest.raises(InvalidSchedule, match=field):
        check(broken)


NIGHT = Window(time(22), time(4), frozenset({"Sun"}))


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        (datetime(2026, 3, 22, 21, 30, tzinfo=UTC), True),  # Sunday 22:30 in Berlin
        (datetime(2026, 3, 23, 2, 0, tzinfo=UTC), True),  # Monday 03:00, still Sunday's window
        (datetime(2026, 3, 23, 3, 0, tzinfo=UTC), False),  # Monday 04:00, over
        (datetime(2026, 3, 23, 22, 0, tzinfo=UTC), False),  # Monday night is not Sunday's
    ],
)
def test_a_window_past_midnight_belongs_to_the_day_on_which_it_began(*, now: datetime, is_open: bool) -> None:
    assert open_now([NIGHT], "Europe/Berlin", now) is is_open


def test_without_windows_it_is_always_open() -> None:
    assert open_now([], "UTC", MONDAY)


BERLIN = "Europe/Berlin"  # 2026: 02:00 -> 03:00 on 29 March, 03:00 -> 02:00 on 25 October


def utc(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cron", "since", "when"),
    [
        ("30 2 * * *", utc(2026, 3, 28, 12), utc(2026, 3, 29, 1)),  # 02:30 does not exist: when the clock has jumped
        ("30 2 * * *", utc(2026, 3, 29, 1), utc(2026, 3, 30, 0, 30)),  # and not once more on that day
        ("30 2 * * *", utc(2026, 10, 24, 12), utc(2026, 10, 25, 0, 30)),  # 02:30 comes twice: the first one
        ("30 2 * * *", utc(2026, 10, 25, 0, 31), utc(2026, 10, 26, 1, 30)),  # and not the second one
        ("30 2 * * *", utc(2026, 10, 25, 1, 15), utc(2026, 10, 26, 1, 30)),  # not even to whom asks in the second hour
        ("0 * * * *", utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 1)),  # every hour means every real hour
        ("15 2 29 3 *", utc(2026, 1, 1), utc(2026, 3, 29, 1)),
    ],
)
def test_cron_neither_skips_a_night_nor_rotates_twice_when_the_clock_is_changed(
    cron: str, since: datetime, when: datetime
) -> None:
    assert due(Schedule(cron=cron, zone=BERLIN), since) == when


@given(
    since=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants them naive
    hour=st.integers(0, 23),
    minute=st.integers(0, 59),
    zone=st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC"]),
)
def test_the_next_rotation_is_always_ahead_and_at_most_a_day_and_an_hour_away(
    since: datetime, hour: int, minute: int, zone: str
) -> None:
    when = due(Schedule(cron=f"{minute} {hour} * * *", zone=zone), since)
    assert when is not None
    assert since < when <= since + timedelta(hours=25)


EARLY = Window(time(2), time(3))


@pytest.mark.parametrize(
    ("window", "now", "is_open"),
    [
        # spring: the local hour from 02:00 to 03:00 does not exist, so a window inside it stays shut for that night
        (EARLY, utc(2026, 3, 29, 0, 59), False),
        (EARLY, utc(2026, 3, 29, 1, 0), False),
        (EARLY, utc(2026, 3, 30, 0, 30), True),
        (Window(time(1), time(4)), utc(2026, 3, 29, 0, 59), True),
        (Window(time(1), time(4)), utc(2026, 3, 29, 1, 0), True),  # 03:00: open, and two real hours long in all
        (Window(time(1), time(4)), utc(2026, 3, 29, 2, 0), False),
        # autumn: it exists twice, and the window is open both times
        (EARLY, utc(2026, 10, 24, 23, 59), False),
        (EARLY, utc(2026, 10, 25, 0, 0), True),
        (EARLY, utc(2026, 10, 25, 1, 59), True),
        (EARLY, utc(2026, 10, 25, 2, 0), False),
        (Window(time(2), time(2, 30)), utc(2026, 10, 25, 0, 45), False),  # shut between its two halves
        (Window(time(2), time(2, 30)), utc(2026, 10, 25, 1, 15), True),
        # past midnight, over the change: still the day on which it began
        (Window(time(23), time(4), frozenset({"Sat"})), utc(2026, 3, 29, 1, 30), True),
        (Window(time(23), time(4), frozenset({"Sun"})), utc(2026, 3, 29, 1, 30), False),
        (Window(time(23), time(4), frozenset({"Sat"})), utc(2026, 10, 25, 2, 30), True),
        (Window(time(23), time(4), frozenset({"Sat"})), utc(2026, 10, 25, 3, 0), False),
    ],
)
def test_a_window_means_what_the_clock_on_the_wall_says(*, window: Window, now: datetime, is_open: bool) -> None:
    assert open_now([window], BERLIN, now) is is_open
