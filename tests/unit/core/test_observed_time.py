"""Soak and Watch count time in which somebody really looked, and saw quiet."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from keyturn.core.answers import Wait
from keyturn.core.model import (
    Clock,
    Existence,
    Idle,
    Phase,
    Policy,
    Side,
    Verdict,
)
from keyturn.core.rotation import decide
from support.single_looks import NOW, off, pod, rotation, seen


class DescribeObservedTime:
    def test_it_adds_up_what_was_really_observed(self) -> None:
        begun = rotation(Phase.SOAK, clock=Clock(timedelta(seconds=10), NOW))
        decision = decide(begun, seen(), NOW + timedelta(seconds=5))
        assert decision.rotation.clock.observed == timedelta(seconds=15)

    @pytest.mark.fm(45)
    def test_a_day_of_downtime_is_not_a_quiet_day(self) -> None:
        begun = rotation(Phase.SOAK, clock=Clock(timedelta(seconds=29), NOW))
        decision = decide(begun, seen(), NOW + timedelta(days=1))
        assert decision.rotation.phase is Phase.SOAK
        assert decision.rotation.clock.observed == timedelta()

    @pytest.mark.fm(51)
    def test_looks_that_take_longer_than_three_samples_still_come_to_an_end(self) -> None:
        here = rotation(Phase.SOAK, policy=Policy(soak=timedelta(seconds=6), sample_every=timedelta(seconds=1)))
        for look in range(4):
            here = decide(here, seen(), NOW + look * timedelta(seconds=5)).rotation
        assert here.phase is not Phase.SOAK

    @pytest.mark.fm(45)
    def test_a_clock_that_jumps_back_starts_it_again(self) -> None:
        """Nobody knows how long nobody looked."""
        begun = rotation(Phase.SOAK, clock=Clock(timedelta(seconds=10), NOW))
        decision = decide(begun, seen(), NOW - timedelta(hours=1))
        assert decision.rotation.clock == Clock(timedelta(), NOW - timedelta(hours=1))

    def test_a_look_that_cannot_say_who_is_connected_is_not_where_it_begins(self) -> None:
        begun = rotation(Phase.WATCH, clock=Clock(timedelta(seconds=10), NOW))
        opened = seen(states={Side.OLD: Existence.ACTIVE, Side.NEW: Existence.ACTIVE}, old_usage=Idle.UNKNOWN)
        decision = decide(begun, opened, NOW + timedelta(seconds=2))
        assert decision.rotation.clock == Clock()

    @pytest.mark.fm(31)
    def test_old_seen_again_starts_it_again(self) -> None:
        begun = rotation(Phase.SOAK, clock=Clock(timedelta(seconds=29), NOW))
        decision = decide(begun, seen(old_usage=Idle.IN_USE), NOW + timedelta(seconds=2))
        assert decision.rotation.clock.observed == timedelta()

    @pytest.mark.fm(42)
    def test_it_begins_with_a_look_that_saw_quiet_and_not_with_the_last_that_saw_old(self) -> None:
        """Status need not hold that last one: a process that starts anew would count from an earlier one."""
        begun = decide(rotation(Phase.SOAK), seen(old_usage=Idle.IN_USE), NOW).rotation
        quiet = decide(begun, seen(), NOW + timedelta(seconds=5)).rotation
        assert quiet.clock == Clock(timedelta(), NOW + timedelta(seconds=5))

    def test_a_new_pod_that_has_not_proved_yet_is_waited_for_without_starting_it_again(self) -> None:
        begun = rotation(Phase.SOAK, clock=Clock(timedelta(seconds=29), NOW))
        decision = decide(begun, seen(pods=(pod(), pod(Verdict.UNKNOWN, name="api-2"))), NOW + timedelta(seconds=2))
        assert isinstance(decision.answer, Wait)
        assert decision.rotation.clock.observed == timedelta(seconds=31)


def test_soak_outlasts_the_time_by_which_a_record_of_uses_may_be_late() -> None:
    short = rotation(Phase.SOAK, clock=Clock(timedelta(seconds=31), NOW))
    assert decide(short, seen(), NOW).rotation.phase is not Phase.SOAK
    waiting = decide(short, seen(usage_lag=timedelta(hours=4)), NOW)
    assert waiting.rotation.phase is Phase.SOAK
    assert isinstance(waiting.answer, Wait)
    assert "14400 s" in waiting.answer.message


def test_watch_outlasts_every_login_that_began_before_disable() -> None:
    """Given a backend where such a login may succeed for a minute, a shorter watch time is not enough."""
    short = rotation(Phase.WATCH, clock=Clock(timedelta(seconds=31), NOW))
    assert decide(short, off(), NOW).rotation.phase is not Phase.WATCH
    waiting = decide(short, replace(off(), settles=timedelta(minutes=1), blind=True), NOW)
    assert waiting.rotation.phase is Phase.WATCH
    assert isinstance(waiting.answer, Wait)
    assert "60 s" in waiting.answer.message
    assert "rests on what pods prove" in waiting.answer.message
