"""The rules of the two tables, one by one, on single observations."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from keyturn.core.answers import Fail, Wait
from keyturn.core.effects import (
    DeleteCredential,
    DisableCredential,
    EnableCredential,
    EndSessions,
    RestartConsumer,
    WriteSecret,
)
from keyturn.core.model import (
    Clock,
    ConsumerView,
    Existence,
    Idle,
    Mode,
    Observation,
    OnFailure,
    Phase,
    Problem,
    Reach,
    SecretView,
    SessionSeen,
    Side,
    Trial,
    Verdict,
)
from keyturn.core.rotation import BACKWARD, CHANGED, FINISHED, FORWARD, decide, tries
from support.single_looks import API, NOW, POLICY, off, pod, rotation, seen


def test_entering_a_phase_does_nothing_yet_so_that_fresh_evidence_justifies_the_first_effect() -> None:
    decision = decide(rotation(Phase.APPROVE), seen(), NOW)
    assert (decision.rotation.phase, decision.effects) == (Phase.DISABLE, ())
    again = decide(decision.rotation, seen(), NOW)
    assert DisableCredential(Side.OLD) in again.effects


@pytest.mark.fm(25)
@pytest.mark.parametrize("shown", [Verdict.UNKNOWN, Verdict.OTHER, Verdict.NONE, Verdict.OLD, Verdict.MIXED])
@pytest.mark.parametrize("phase", [Phase.DISABLE, Phase.DELETE])
def test_nothing_is_taken_away_while_one_pod_does_not_prove_new(phase: Phase, shown: Verdict) -> None:
    view = off() if phase is Phase.DELETE else seen()
    decision = decide(rotation(phase), replace(view, pods=(pod(), pod(shown, name="api-2"))), NOW)
    assert not any(isinstance(e, (DisableCredential, DeleteCredential)) for e in decision.effects)


@pytest.mark.fm(32)
@pytest.mark.parametrize("phase", [s.phase for s in FORWARD if s.phase in CHANGED - {Phase.WATCH}])
@pytest.mark.parametrize("usage", [Idle.UNKNOWN, Idle.IN_USE])
def test_unknown_is_never_taken_for_idle(phase: Phase, usage: Idle) -> None:
    view = seen(old_usage=usage, old_sessions=(SessionSeen("orders_a", "10.9.9.9"),))
    decision = decide(rotation(phase, clock=Clock(timedelta(days=1), NOW)), view, NOW)
    assert phase is Phase.DISABLE or decision.rotation.phase is not Phase.DISABLE
    assert DisableCredential(Side.OLD) not in decision.effects


@pytest.mark.parametrize(("count", "words"), [(1, "1 session of the old credential is open"), (2, "2 sessions of the")])
def test_who_is_still_connected_is_counted_and_named(count: int, words: str) -> None:
    view = seen(old_usage=Idle.IN_USE, old_sessions=(SessionSeen("orders_a", "10.9.9.9"),) * count)
    answer = decide(rotation(Phase.SOAK), view, NOW).answer
    assert isinstance(answer, Wait)
    assert answer.message.startswith(words)
    assert answer.message.endswith(": 10.9.9.9")


def test_a_strangers_leftover_session_is_ended_once_old_is_closed() -> None:
    left = off(old_usage=Idle.IN_USE, old_sessions=(SessionSeen("orders_a", "10.9.9.9"),))
    assert EndSessions(Side.OLD) in decide(rotation(Phase.DISABLE), left, NOW).effects


class DescribeReopen:
    @pytest.mark.fm(31, 34)
    def test_a_known_consumers_use_of_old_opens_it_at_once_and_verifies_again(self) -> None:
        missed = off(old_attempts=(SessionSeen("orders_a", "10.1.0.7", str(API), "api-1"),))
        decision = decide(rotation(Phase.WATCH), missed, NOW)
        assert (decision.rotation.phase, decision.rotation.reopened) == (Phase.VERIFY, True)
        assert decision.effects == (EnableCredential(Side.OLD),)

    @pytest.mark.fm(34)
    def test_the_second_time_it_pauses_with_old_open(self) -> None:
        decision = decide(rotation(Phase.WATCH, reopened=True), off(pods=(pod(Verdict.OLD),)), NOW)
        assert decision.rotation.paused is not None
        assert decision.effects == (EnableCredential(Side.OLD),)

    def test_a_stranger_gets_no_way_back(self) -> None:
        decision = decide(rotation(Phase.WATCH), off(old_attempts=(SessionSeen("orders_a", "10.9.9.9"),)), NOW)
        assert decision.rotation.phase is Phase.WATCH
        assert decision.effects == ()

    @pytest.mark.parametrize("phase", [Phase.DISABLE, Phase.WATCH])
    def test_a_use_that_was_found_good_opens_it_whoever_it_was(self, phase: Phase) -> None:
        """Given those who judge OLD have just let somebody in with it, then it is missed, and still good somewhere."""
        used = off(old_usage=Idle.IN_USE, old_accepted_by=("pod gate-1",))
        decision = decide(rotation(phase), used, NOW)
        assert (decision.rotation.phase, decision.rotation.reopened) == (Phase.VERIFY, True)
        assert decision.effects == (EnableCredential(Side.OLD),)
        assert isinstance(decision.answer, Wait)
        assert "pod gate-1" in decision.answer.message

    def test_a_crash_before_the_enable_is_made_good_by_the_next_look(self) -> None:
        decision = decide(rotation(Phase.VERIFY, reopened=True), off(), NOW)
        assert decision.effects == (EnableCredential(Side.OLD),)


class DescribeContestedSecret:
    REVERTED = SecretView(Verdict.OLD, "argocd")

    @pytest.mark.fm(13)
    def test_the_first_time_it_is_repaired(self) -> None:
        decision = decide(rotation(Phase.SOAK), seen(secret=self.REVERTED), NOW)
        assert decision.effects == (WriteSecret(Side.NEW),)
        assert decision.rotation.repaired_from == "argocd"

    @pytest.mark.fm(13)
    def test_the_second_time_it_pauses_and_names_the_writer(self) -> None:
        decision = decide(rotation(Phase.SOAK, repaired_from="argocd"), seen(secret=self.REVERTED), NOW)
        assert decision.rotation.paused is not None
        assert "argocd" in decision.rotation.paused.message
        assert decision.effects == ()

    @pytest.mark.fm(12)
    def test_a_value_that_is_neither_is_never_overwritten(self) -> None:
        decision = decide(rotation(Phase.SOAK), seen(secret=SecretView(Verdict.OTHER, "kubectl-edit")), NOW)
        assert decision.rotation.paused is not None
        assert decision.effects == ()

    def test_once_old_is_off_whatever_was_put_back_must_open_sessions_first(self) -> None:
        decision = decide(rotation(Phase.WATCH), off(secret=self.REVERTED), NOW)
        assert decision.effects == (EnableCredential(Side.OLD),)
        assert decision.rotation.phase is Phase.VERIFY

    def test_put_back_once_after_disable_it_is_repaired_as_soon_as_old_is_open(self) -> None:
        opened = decide(rotation(Phase.WATCH), off(secret=self.REVERTED), NOW).rotation
        decision = decide(opened, seen(secret=self.REVERTED), NOW)
        assert decision.rotation.paused is None
        assert decision.effects == (WriteSecret(Side.NEW),)
        assert decision.rotation.repaired_from == "argocd"


class DescribeDownAgainstRefused:
    @pytest.mark.fm(53)
    def test_a_backend_that_nobody_can_reach_blames_nobody(self) -> None:
        begun = rotation(Phase.ROLL, roll_started={f"{API}@7": NOW - timedelta(hours=1)})
        down = seen(admin=Reach.DOWN, trials={Side.NEW: Trial.DOWN}, consumers=(ConsumerView(API, 7, settled=False),))
        decision = decide(begun, down, NOW)
        assert isinstance(decision.answer, Wait)
        assert decision.rotation.phase is Phase.ROLL
        back = decide(decision.rotation, replace(down, admin=Reach.UP), NOW + timedelta(hours=2))
        assert back.rotation.phase is Phase.ROLL  # the deadline began again when it was back

    @pytest.mark.fm(37)
    @pytest.mark.parametrize("trial", [Trial.REFUSED, Trial.DISABLED, Trial.LACKING])
    def test_a_backend_that_works_and_refuses_new_goes_back(self, trial: Trial) -> None:
        decision = decide(rotation(Phase.WATCH), replace(off(), trials={Side.NEW: trial}), NOW)
        assert decision.rotation.phase is Phase.ENABLE

    @pytest.mark.fm(54)
    def test_an_endpoint_that_is_down_is_no_refusal(self) -> None:
        decision = decide(rotation(Phase.VERIFY), seen(trials={Side.NEW: Trial.DOWN}), NOW)
        assert decision.rotation.phase is not Phase.ENABLE


class DescribeRollback:
    @pytest.mark.fm(17)
    def test_a_roll_past_its_deadline_goes_back(self) -> None:
        late = rotation(Phase.ROLL, roll_started={f"{API}@7": NOW - timedelta(minutes=2)})
        decision = decide(late, seen(consumers=(ConsumerView(API, 7, settled=False),)), NOW)
        assert decision.rotation.phase is Phase.ENABLE
        assert decision.rotation.turned_back == Problem(
            "RolloutDeadlineExceeded", "Deployment/api did not finish rolling in time; its old pods still serve"
        )

    def test_unroll_uses_a_fresh_generation_because_the_former_would_reuse_its_replica_set(self) -> None:
        view = seen(secret=SecretView(Verdict.OLD, "keyturn"))
        decision = decide(rotation(Phase.UNROLL), view, NOW)
        assert decision.effects == (RestartConsumer(API, 8),)

    def test_on_failure_pause_changes_nothing_more(self) -> None:
        late = rotation(
            Phase.ROLL,
            policy=replace(POLICY, on_failure=OnFailure.PAUSE),
            roll_started={f"{API}@7": NOW - timedelta(minutes=2)},
        )
        decision = decide(late, seen(consumers=(ConsumerView(API, 7, settled=False),)), NOW)
        assert isinstance(decision.answer, Fail)
        assert decision.effects == ()
        assert decision.rotation.paused is not None

    def test_on_failure_pause_once_old_is_off_opens_it_first(self) -> None:
        late = rotation(Phase.WATCH, policy=replace(POLICY, on_failure=OnFailure.PAUSE))
        decision = decide(late, off(pods=(pod(Verdict.OTHER),)), NOW + timedelta(hours=1))
        assert decision.rotation.paused is not None
        assert decision.effects == (EnableCredential(Side.OLD),)

    @pytest.mark.fm(41)
    @pytest.mark.parametrize("phase", sorted(CHANGED))
    def test_an_abort_goes_back_from_every_phase_that_changed_something(self, phase: Phase) -> None:
        assert decide(rotation(phase), seen(abort=True), NOW).rotation.phase is Phase.ENABLE

    def test_an_abort_in_preflight_needs_no_look_because_nothing_was_changed(self) -> None:
        blind = Observation(abort=True, unreadable=Problem("WrongSystem", "another system answers"))
        assert decide(rotation(Phase.PREFLIGHT), blind, NOW).rotation.phase is Phase.ROLLED_BACK

    @pytest.mark.fm(41)
    def test_an_abort_in_delete_comes_too_late(self) -> None:
        assert decide(rotation(Phase.DELETE), off(abort=True), NOW).rotation.phase is Phase.DELETE


@pytest.mark.parametrize("phase", sorted(FINISHED))
def test_what_is_finished_does_nothing_whatever_is_seen(phase: Phase) -> None:
    decision = decide(rotation(phase), Observation(), NOW)
    assert (decision.rotation.phase, decision.effects) == (phase, ())


@pytest.mark.fm(51)
@pytest.mark.parametrize("phase", [s.phase for s in (*FORWARD, *BACKWARD)])
def test_a_cluster_that_cannot_be_read_allows_no_conclusion(phase: Phase) -> None:
    blind = seen(unreadable=Problem("Unavailable", "the API server does not answer"))
    decision = decide(rotation(phase), blind, NOW)
    assert (decision.rotation.phase, decision.effects) == (phase, ())


def test_a_freeze_stops_every_change_but_never_a_re_enable() -> None:
    assert decide(rotation(Phase.STAGE), seen(frozen="oncall", secret=SecretView(Verdict.OLD)), NOW).effects == ()
    reverted = seen(frozen="oncall", secret=SecretView(Verdict.OLD, "argocd"))
    assert decide(rotation(Phase.SOAK), reverted, NOW).effects == ()
    frozen = replace(off(), frozen="oncall")
    assert decide(rotation(Phase.ENABLE), frozen, NOW).effects == (EnableCredential(Side.OLD),)


class TestLateWrites:
    """A leader was stopped right before a write; another one turned back. What comes late must be refused."""

    def test_going_back_waits_until_the_backend_knows_of_it_though_old_works(self) -> None:
        turned = rotation(Phase.ENABLE)
        for tag in ("", "uid/7", "another/8"):
            decision = decide(turned, seen(old_tag=tag), NOW)
            assert (decision.rotation.phase, decision.effects) == (Phase.ENABLE, (EnableCredential(Side.OLD),))
        assert decide(turned, seen(old_tag="uid/8"), NOW).rotation.phase is not Phase.ENABLE

    def test_a_backend_that_keeps_no_tags_is_not_waited_for(self) -> None:
        assert decide(rotation(Phase.ENABLE), seen(old_tag=None), NOW).rotation.phase is not Phase.ENABLE

    def test_going_back_writes_the_secret_once_more_though_it_holds_old(self) -> None:
        turned = rotation(Phase.RESTORE)
        for tag in ("", "uid/7", "another/8"):
            decision = decide(turned, seen(secret=SecretView(Verdict.OLD, tag=tag)), NOW)
            assert (decision.rotation.phase, decision.effects) == (Phase.RESTORE, (WriteSecret(Side.OLD),))
        written = seen(secret=SecretView(Verdict.OLD, tag="uid/8"))
        assert decide(turned, written, NOW).rotation.phase is not Phase.RESTORE

    def test_forward_a_secret_that_holds_new_is_not_written_for_its_tag(self) -> None:
        assert decide(rotation(Phase.STAGE), seen(), NOW).rotation.phase is not Phase.STAGE


def test_a_login_is_a_use_so_old_is_tried_only_where_an_answer_needs_it() -> None:
    untried = {p for p in CHANGED if Side.OLD not in tries(p, Existence.DISABLED)}
    assert untried == CHANGED - {Phase.DISABLE, Phase.WATCH}


@pytest.mark.parametrize(
    ("phase", "mode"), [(Phase.DISABLE, Mode.GRACEFUL), (Phase.WATCH, Mode.GRACEFUL), (Phase.CREATE, Mode.CONTAINMENT)]
)
def test_whether_old_is_refused_is_not_asked_before_it_is_off(phase: Phase, mode: Mode) -> None:
    """Where the backend shows the last use only, our own would hold up the very Disable that it waits for."""
    assert tries(phase, Existence.ACTIVE, mode) == {Side.NEW}
    assert tries(phase, Existence.DISABLED, mode) == {Side.OLD, Side.NEW}


def test_before_a_rotation_and_on_the_way_back_old_is_tried_because_it_must_work() -> None:
    for phase in (Phase.PREFLIGHT, Phase.ENABLE, Phase.RESTORE, Phase.DISCARD):
        assert Side.OLD in tries(phase, Existence.ACTIVE)


@pytest.mark.parametrize("idle", [Idle.UNKNOWN, Idle.IN_USE])
def test_a_backend_without_sessions_says_in_words_why_old_is_not_idle(idle: Idle) -> None:
    words = "AKIAOLD was last used at 12:03 UTC (s3, eu-central-1)"
    waiting = decide(rotation(Phase.SOAK), seen(old_usage=idle, old_usage_why=words), NOW)
    assert isinstance(waiting.answer, Wait)
    assert words in waiting.answer.message
    assert "0 sessions" not in waiting.answer.message


def test_what_somebody_opens_in_delete_is_closed_again_before_it_is_retired() -> None:
    opened = replace(off(), states={Side.OLD: Existence.ACTIVE, Side.NEW: Existence.ACTIVE})
    assert decide(rotation(Phase.DELETE), off(), NOW).effects == (DeleteCredential(Side.OLD),)
    closing = (DisableCredential(Side.OLD), EndSessions(Side.OLD), DeleteCredential(Side.OLD))
    assert decide(rotation(Phase.DELETE), opened, NOW).effects == closing
