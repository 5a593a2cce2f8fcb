"""Where pods judge a key: a trial may be awaited, quiet is what pods prove, and tokens outlive their key."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from keyturn.core.answers import Fail, Wait
from keyturn.core.effects import DeleteCredential, DisableCredential, EndSessions, EnsureCredential, EscrowCredential
from keyturn.core.model import (
    Clock,
    Existence,
    Idle,
    Mode,
    Observation,
    Phase,
    Problem,
    Rotation,
    SecretView,
    Side,
    Trial,
    Verdict,
)
from keyturn.core.rotation import decide
from support import single_looks as looks
from support.single_looks import NOW, POLICY

SOAK = POLICY.soak
LATE = "1 of 2 acceptor pods prove it; pod gate-1 of Deployment/gate: not asked yet"


def rotation(phase: Phase, **changes: object) -> Rotation:
    return looks.rotation(phase, **({"old_id": "old", "new_id": "new"} | changes))


def seen(proves: Verdict = Verdict.NEW, **changes: object) -> Observation:
    """Everything well, with one pod that proves this."""
    ring: dict[str, object] = {
        "old_tag": "uid/8",
        "secret": SecretView(Verdict.NEW if proves is Verdict.NEW else Verdict.OLD, "keyturn", tag="uid/8"),
        "consumers": (),
        "pods": (looks.pod(proves),),
        "new_id": "",
        "use_unseen": True,
        "outlived": True,
        "blind": True,
    }
    return looks.seen(**(ring | changes))


def awaited(side: Side) -> Observation:
    return seen(trials={**seen().trials, side: Trial.AWAITED}, awaits={side: Problem("AcceptorsBehind", LATE)})


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_in_preflight_who_is_late_is_named_and_nobody_is_told_to_change_the_secret() -> None:
    late = replace(awaited(Side.OLD), secret=SecretView(Verdict.OLD))
    answer = decide(rotation(Phase.PREFLIGHT, staged_at=None, new_id=""), late, after(1)).answer
    assert isinstance(answer, Wait)
    assert [one.reason for one in answer.blockers] == ["AcceptorsBehind"]
    assert answer.reason == "AcceptorsBehind"
    assert LATE in answer.message
    assert "nothing was changed" in answer.message


def test_while_acceptors_are_late_create_goes_on_and_says_for_whom() -> None:
    decision = decide(rotation(Phase.CREATE), awaited(Side.NEW), after(1))
    assert isinstance(decision.answer, Wait)
    assert decision.answer.reason == "AcceptorsBehind"
    assert LATE in decision.answer.message
    assert decision.effects == (EscrowCredential(), EnsureCredential(Side.NEW))


def test_acceptors_that_are_late_for_too_long_send_it_back() -> None:
    decision = decide(rotation(Phase.CREATE), awaited(Side.NEW), after(61))
    assert decision.rotation.phase is Phase.ENABLE
    assert decision.rotation.turned_back is not None
    assert LATE in decision.rotation.turned_back.message


@pytest.mark.parametrize("phase", [Phase.ROLL, Phase.VERIFY, Phase.SOAK, Phase.APPROVE])
def test_an_acceptor_that_starts_anew_later_turns_nothing_back(phase: Phase) -> None:
    decision = decide(rotation(phase, clock=Clock(SOAK, NOW)), awaited(Side.NEW), after(1))
    assert decision.rotation.turned_back is None
    assert not isinstance(decision.answer, Fail)


@pytest.mark.parametrize("mode", [Mode.AVAILABILITY, Mode.CONTAINMENT])
def test_an_acceptor_that_starts_anew_after_any_deadline_pauses_no_compromised_rotation(mode: Mode) -> None:
    going = rotation(Phase.ROLL, policy=replace(POLICY, mode=mode), disabled_at=NOW)
    trials = {Side.NEW: Trial.AWAITED, Side.OLD: Trial.DISABLED}
    late = replace(awaited(Side.NEW), trials=trials, states={**seen().states, Side.OLD: Existence.DISABLED})
    decision = decide(going, late, after(600))
    assert decision.rotation.paused is None
    assert isinstance(decision.answer, Wait)
    assert decision.answer.reason == "AcceptorsBehind"


def test_nothing_is_disabled_for_good_before_the_last_acceptor_followed() -> None:
    off = awaited(Side.OLD)
    decision = decide(
        rotation(Phase.DISABLE, disabled_at=NOW), replace(off, states={Side.OLD: Existence.DISABLED}), after(1)
    )
    assert decision.rotation.phase is Phase.DISABLE
    assert isinstance(decision.answer, Wait)
    assert LATE in decision.answer.message


def test_going_back_says_who_does_not_accept_the_old_key_again() -> None:
    decision = decide(rotation(Phase.ENABLE), awaited(Side.OLD), after(1))
    assert isinstance(decision.answer, Wait)
    assert LATE in decision.answer.message


# --------------------------------------------------------------------------------------------- the clock, forward


def test_time_in_which_every_pod_proves_new_counts() -> None:
    decision = decide(rotation(Phase.SOAK, clock=Clock(timedelta(seconds=10), NOW)), seen(), after(5))
    assert decision.rotation.clock == Clock(timedelta(seconds=15), after(5))


def test_a_pod_that_proves_nothing_yet_stops_the_clock_for_as_long_as_it_takes_and_no_more() -> None:
    began = rotation(Phase.SOAK, clock=Clock(timedelta(seconds=10), NOW))
    unknown = seen(Verdict.UNKNOWN, secret=SecretView(Verdict.NEW))
    for second in range(5, 120, 5):
        began = decide(began, unknown, after(second)).rotation
    assert began.clock == Clock(timedelta(seconds=10), after(115))


def test_while_nobody_can_say_who_uses_old_the_soak_never_claims_that_it_is_idle() -> None:
    began = rotation(Phase.SOAK, clock=Clock(timedelta(seconds=10), NOW))
    unseen = decide(began, seen(secret=SecretView(Verdict.NEW)), after(5)).answer
    assert isinstance(unseen, Wait)
    assert unseen.reason == "Soaking"
    assert "idle" not in unseen.message
    assert "every pod must prove the new one for 30 s" in unseen.message
    counted = decide(began, seen(secret=SecretView(Verdict.NEW), use_unseen=False), after(5)).answer
    assert isinstance(counted, Wait)
    assert "stays idle for 30 s" in counted.message


@pytest.mark.parametrize(
    ("unseen", "rests"),
    [(True, "rests on what pods prove"), (False, "rests on what pods prove and on who is seen to use it")],
)
def test_watch_names_what_it_rests_on_and_nothing_that_is_not_there(*, unseen: bool, rests: str) -> None:
    began = rotation(Phase.WATCH, clock=Clock(timedelta(seconds=10), NOW), disabled_at=NOW)
    closed = seen(
        secret=SecretView(Verdict.NEW),
        use_unseen=unseen,
        trials={Side.NEW: Trial.WORKS, Side.OLD: Trial.DISABLED},
        states={Side.OLD: Existence.DISABLED, Side.NEW: Existence.ACTIVE},
    )
    answer = decide(began, closed, after(5)).answer
    assert isinstance(answer, Wait)
    assert answer.reason == "Watching"
    assert answer.message.endswith(rests)


def test_a_pod_that_holds_the_old_key_starts_the_clock_again() -> None:
    began = rotation(Phase.SOAK, clock=Clock(timedelta(seconds=10), NOW))
    old = seen(Verdict.OLD, secret=SecretView(Verdict.NEW))
    assert decide(began, old, after(5)).rotation.clock.observed == timedelta()


def test_where_use_can_be_seen_unknown_is_a_gap() -> None:
    began = rotation(Phase.SOAK, clock=Clock(timedelta(seconds=10), NOW))
    unknown = seen(old_usage=Idle.UNKNOWN, use_unseen=False)
    assert decide(began, unknown, after(5)).rotation.clock == Clock(timedelta(seconds=10), NOW)


# ---------------------------------------------------------------------------------------------- the clock, backward

CLOSING = (DisableCredential(Side.NEW), EndSessions(Side.NEW), DeleteCredential(Side.NEW))


def test_on_the_way_back_new_stays_until_what_was_made_with_it_has_run_out() -> None:
    going = rotation(Phase.DISCARD)
    for second in range(5, 35, 5):
        decision = decide(going, seen(Verdict.OLD), after(second))
        assert decision.effects == ()
        assert isinstance(decision.answer, Wait)
        assert decision.answer.reason == "Soaking"
        going = decision.rotation
    assert decide(going, seen(Verdict.OLD), after(35)).effects == CLOSING


def test_a_pod_that_presents_new_again_starts_it_anew_and_one_that_proves_nothing_stops_it() -> None:
    going = rotation(Phase.DISCARD, clock=Clock(timedelta(seconds=25), NOW))
    silent = seen(Verdict.UNKNOWN, secret=SecretView(Verdict.OLD, tag="uid/8"))
    assert decide(going, silent, after(5)).rotation.clock == Clock(timedelta(seconds=25), after(5))
    again = seen(Verdict.MIXED, secret=SecretView(Verdict.OLD, tag="uid/8"))
    assert decide(going, again, after(5)).rotation.clock == Clock()


def test_a_day_in_which_nobody_looked_is_no_day() -> None:
    going = rotation(Phase.DISCARD, clock=Clock(timedelta(seconds=25), NOW))
    assert decide(going, seen(Verdict.OLD), after(86_400)).rotation.clock.observed == timedelta()


def test_what_was_never_presented_has_nothing_that_could_outlive_it() -> None:
    assert decide(rotation(Phase.DISCARD, staged_at=None), seen(Verdict.OLD), after(5)).effects == CLOSING


def test_a_login_is_not_outlived_by_anything() -> None:
    assert decide(rotation(Phase.DISCARD), seen(Verdict.OLD, outlived=False), after(5)).effects == CLOSING


def test_what_is_retired_already_is_not_waited_for() -> None:
    gone = seen(Verdict.OLD, states={Side.OLD: Existence.ACTIVE, Side.NEW: Existence.RETIRED})
    assert decide(rotation(Phase.DISCARD), gone, after(5)).rotation.phase is Phase.ROLLED_BACK
