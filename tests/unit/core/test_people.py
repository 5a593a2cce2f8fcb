"""What people ask for while a rotation runs: freeze, pause, retry, windows. Single observations."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from keyturn.core.answers import Wait
from keyturn.core.effects import EnableCredential
from keyturn.core.gates import BEGINNINGS
from keyturn.core.model import Existence, Observation, Phase, Problem, Rotation, SecretView, Side, Trial, Verdict
from keyturn.core.rotation import BACKWARD, FORWARD, decide
from unit.core.test_rotation import NOW, off, rotation, seen

BEFORE = {after.phase: before.phase for before, after in pairwise(FORWARD)}


def about_to_enter(phase: Phase) -> tuple[Rotation, Observation]:
    """Everything the phase before asks for holds."""
    here = rotation(BEFORE[phase])
    quiet = replace(here.clock, observed=timedelta(hours=1), last=NOW)
    view = (
        off()
        if phase is Phase.DELETE
        else seen(secret=SecretView(Verdict.OLD if phase is Phase.CREATE else Verdict.NEW))
    )
    return replace(here, clock=quiet), view


@pytest.mark.parametrize("phase", sorted(BEGINNINGS))
def test_outside_the_window_nothing_begins(phase: Phase) -> None:
    here, view = about_to_enter(phase)
    assert decide(here, view, NOW).rotation.phase is not here.phase
    waiting = decide(here, replace(view, window_open=False), NOW)
    assert waiting.rotation.phase is here.phase
    assert isinstance(waiting.answer, Wait)
    assert waiting.answer.reason == "OutsideWindow"


@pytest.mark.parametrize("phase", sorted(BEGINNINGS))
def test_frozen_nothing_begins_and_the_reason_is_told(phase: Phase) -> None:
    here, view = about_to_enter(phase)
    waiting = decide(here, replace(view, frozen="namespace shop is frozen (incident 7)"), NOW)
    assert waiting.rotation.phase is here.phase
    assert waiting.effects == ()
    assert isinstance(waiting.answer, Wait)
    assert waiting.answer == Wait("Frozen", "namespace shop is frozen (incident 7)")


@pytest.mark.parametrize("step", [*FORWARD, *BACKWARD], ids=lambda s: str(s.phase))
def test_a_closed_window_never_holds_up_what_has_begun_nor_the_way_back(step: object) -> None:
    phase = step.phase  # type: ignore[attr-defined]  # a row of the tables
    if phase in (Phase.PREFLIGHT, Phase.APPROVE):
        return
    view = seen(secret=SecretView(Verdict.MIXED))
    assert (
        decide(rotation(phase), view, NOW).effects
        == decide(rotation(phase), replace(view, window_open=False), NOW).effects
    )


def test_a_pause_once_old_is_off_opens_old_and_verifies_again_when_it_ends() -> None:
    paused = decide(rotation(Phase.WATCH), off(pause=True), NOW)
    assert paused.effects == (EnableCredential(Side.OLD),)
    assert paused.rotation.phase is Phase.VERIFY
    assert paused.rotation.paused is not None
    assert paused.rotation.paused.reason == "PausedOnRequest"
    resumed = decide(paused.rotation, seen(), NOW)
    assert resumed.rotation.paused is None
    assert resumed.rotation.phase is not Phase.VERIFY


def test_while_paused_on_request_nothing_is_done() -> None:
    first = decide(rotation(Phase.STAGE), seen(secret=SecretView(Verdict.OLD), pause=True), NOW)
    assert first.effects == ()
    again = decide(first.rotation, seen(secret=SecretView(Verdict.OLD), pause=True), NOW)
    assert again.effects == ()
    assert again.rotation.phase is Phase.STAGE


@pytest.mark.parametrize("phase", [Phase.ENABLE, Phase.DELETE])
def test_neither_the_way_back_to_a_working_old_nor_the_end_can_be_paused(phase: Phase) -> None:
    view = off(pause=True) if phase is Phase.DELETE else seen(pause=True, trials={Side.OLD: Trial.DISABLED})
    assert decide(rotation(phase), view, NOW).rotation.paused is None


def test_a_retry_clears_the_pause_and_forgives_once() -> None:
    stuck = rotation(
        Phase.VERIFY, paused=Problem("SecretContested", "argocd"), reopened=True, repaired_from="argocd", retried=1
    )
    assert decide(stuck, seen(retry=1), NOW).rotation.paused is not None
    tried = decide(stuck, seen(retry=2), NOW).rotation
    assert (tried.paused, tried.reopened, tried.repaired_from, tried.retried) == (None, False, "", 2)


def test_deadlines_start_again_with_a_retry() -> None:
    long_ago = NOW - timedelta(hours=5)
    stuck = rotation(Phase.CREATE, entered=long_ago, paused=Problem("NewCredentialRefused", "late"), staged_at=None)
    tried = decide(stuck, seen(retry=1, trials={Side.NEW: Trial.REFUSED}), NOW)
    assert tried.rotation.entered == NOW
    assert isinstance(tried.answer, Wait)


def test_an_abort_ends_a_pause_by_going_back() -> None:
    stuck = rotation(Phase.ROLL, paused=Problem("PausedOnRequest", "paused"))
    assert decide(stuck, seen(pause=True, abort=True), NOW).rotation.turned_back is not None


def test_frozen_an_old_credential_that_was_closed_is_opened_all_the_same() -> None:
    closed = seen(states={Side.OLD: Existence.DISABLED, Side.NEW: Existence.ACTIVE}, frozen="everything is frozen")
    assert decide(rotation(Phase.SOAK), closed, NOW).effects == (EnableCredential(Side.OLD),)
