"""When a rotation is due, and when it may begin."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

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
