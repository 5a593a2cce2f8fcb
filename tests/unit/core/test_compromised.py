"""Rotations of a credential that somebody else may know: single observations."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from keyturn.core.answers import Wait
from keyturn.core.compromised import AVAILABILITY, CONTAINMENT, TABLES
from keyturn.core.effects import ContainCredential, EnableCredential, EscrowCredential, RestartConsumer, WriteSecret
from keyturn.core.model import (
    Consent,
    ConsumerView,
    Existence,
    Idle,
    Mode,
    Observation,
    Phase,
    Problem,
    Rotation,
    Sameness,
    SecretView,
    SessionSeen,
    Side,
    Trial,
    Verdict,
)
from keyturn.core.rotation import FINISHED, decide, tries
from unit.core.test_rotation import API, NOW, POLICY, pod, rotation, seen
from unit.core.test_rotation import off as well_off

EVERY_STEP = [(mode, step.phase) for mode, table in TABLES.items() for step in table]


def known_to_others(phase: Phase, mode: Mode = Mode.CONTAINMENT, **changes: object) -> Rotation:
    begun = rotation(phase, policy=replace(POLICY, mode=mode), disabled_at=NOW)
    return replace(begun, **changes)  # type: ignore[arg-type]  # fields by name


def off(**changes: object) -> Observation:
    """OLD is off, and everything is well but for what is said."""
    return replace(well_off(), **changes)  # type: ignore[arg-type]  # fields by name


def uncut(**changes: object) -> Observation:
    """Before anything was changed: OLD is open, and NEW does not exist."""
    view = seen(trials={Side.OLD: Trial.WORKS}, secret=SecretView(Verdict.OLD), escrowed=False)
    return replace(view, **changes)  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(("mode", "phase"), EVERY_STEP)
def test_nothing_ever_enables_the_old_credential(mode: Mode, phase: Phase) -> None:
    somebody = (SessionSeen("orders_a", "10.1.0.9", consumer="Deployment/api", pod="api-1"),)
    for view in (
        off(),
        off(abort=True),
        off(pause=True),
        off(old_attempts=somebody),
        off(old_sessions=somebody, old_usage=Idle.IN_USE),
        off(secret=SecretView(Verdict.OLD, "argocd")),
        off(trials={Side.NEW: Trial.REFUSED, Side.OLD: Trial.DISABLED}),
    ):
        decision = decide(known_to_others(phase, mode), view, NOW)
        assert not any(isinstance(effect, EnableCredential) for effect in decision.effects)


def test_contained_pods_that_cannot_become_ready_are_restarted_and_not_waited_for() -> None:
    """Given pods that are unready because OLD is refused, only the restart settles their workload."""
    consumer = ConsumerView(API, rolled_to=None, settled=False, healthy=False)
    view = off(consumers=(consumer,), pods=(pod(Verdict.OLD, ready=False),))
    contained = known_to_others(Phase.ROLL, roll_started={f"{API}@0": NOW - timedelta(hours=1)})
    decision = decide(contained, view, NOW)
    assert RestartConsumer(API, 7) in decision.effects
    assert decision.rotation.paused is None
    waiting = decide(known_to_others(Phase.ROLL, Mode.AVAILABILITY), view, NOW)
    assert not any(isinstance(effect, RestartConsumer) for effect in waiting.effects)


@pytest.mark.parametrize(("mode", "phase"), EVERY_STEP)
def test_it_never_goes_back_once_something_was_changed(mode: Mode, phase: Phase) -> None:
    if phase in (Phase.PREFLIGHT, Phase.APPROVE):
        return
    refused = off(trials={Side.NEW: Trial.LACKING, Side.OLD: Trial.DISABLED}, abort=True)
    after = decide(known_to_others(phase, mode), refused, NOW + timedelta(hours=1)).rotation
    assert after.turned_back is None
    assert after.phase in {step.phase for step in TABLES[mode]}


@pytest.mark.parametrize(
    "reason", ["StrangerInInventory", "UnknownSession", "BlindWatch", "ConsumerUnhealthy", "ProbeSilent"]
)
def test_what_its_holder_could_bring_about_does_not_hold_containment_up(reason: str) -> None:
    view = uncut(problems=(Problem(reason, "…"),), window_open=False)
    assert decide(known_to_others(Phase.PREFLIGHT, disabled_at=None), view, NOW).rotation.phase is Phase.CREATE


def test_availability_still_needs_consumers_that_can_roll() -> None:
    view = uncut(problems=(Problem("ConsumerPaused", "resume it"),))
    assert decide(known_to_others(Phase.PREFLIGHT, Mode.AVAILABILITY), view, NOW).rotation.phase is Phase.PREFLIGHT


def test_a_wrong_system_is_refused_even_in_containment() -> None:
    here = known_to_others(Phase.PREFLIGHT, disabled_at=None)
    decision = decide(here, uncut(system=Sameness.DIFFERENT), NOW)
    assert decision.rotation.phase is Phase.PREFLIGHT
    assert isinstance(decision.answer, Wait)
    assert decision.answer.reason == "WrongSystem"


def test_a_password_that_its_holder_has_changed_does_not_hold_it_up() -> None:
    view = uncut(trials={Side.OLD: Trial.REFUSED}, system=Sameness.UNKNOWN)
    assert decide(known_to_others(Phase.PREFLIGHT, disabled_at=None), view, NOW).rotation.phase is Phase.CREATE


def test_containment_asks_first_and_cuts_off_only_while_the_approvals_hold() -> None:
    here = known_to_others(Phase.PREFLIGHT, disabled_at=None)
    not_asked, one = uncut(consent=Consent(2)), uncut(consent=Consent(2, "digest", approvers=("ann",)))
    both = uncut(consent=Consent(2, "digest", approvers=("ann", "bob"), strangers=("intruder",)))
    assert decide(here, not_asked, NOW).rotation.phase is Phase.APPROVE
    assert decide(replace(here, phase=Phase.APPROVE), one, NOW).rotation.phase is Phase.APPROVE
    agreed = decide(replace(here, phase=Phase.APPROVE), both, NOW)
    assert agreed.rotation.phase is Phase.CREATE
    assert decide(agreed.rotation, one, NOW).effects == ()
    assert decide(agreed.rotation, both, NOW).effects == (EscrowCredential(), ContainCredential(("intruder",)))


def test_containment_can_be_called_off_only_before_it_cuts_off() -> None:
    here = known_to_others(Phase.APPROVE, disabled_at=None, policy=replace(POLICY, mode=Mode.CONTAINMENT, approvals=1))
    assert decide(here, uncut(abort=True), NOW).rotation.phase is Phase.ROLLED_BACK
    cut = known_to_others(Phase.CREATE)
    assert decide(cut, off(abort=True), NOW).rotation.phase is not Phase.ROLLED_BACK


def test_cut_off_means_refused_and_off_in_the_inventory_and_no_session_left() -> None:
    here = known_to_others(Phase.CREATE, disabled_at=None)
    still_open = off(states={Side.OLD: Existence.ACTIVE, Side.NEW: Existence.ACTIVE})
    connected = off(old_usage=Idle.IN_USE, old_sessions=(SessionSeen("orders_a", "10.9.9.9"),))
    assert decide(here, still_open, NOW).rotation.phase is Phase.CREATE
    assert decide(here, connected, NOW).rotation.phase is Phase.CREATE
    done = decide(here, off(secret=SecretView(Verdict.OLD)), NOW).rotation
    assert (done.phase, done.disabled_at) == (Phase.STAGE, NOW)


def test_if_somebody_enables_old_again_it_is_cut_off_again_without_asking_anybody() -> None:
    reopened = off(trials={Side.OLD: Trial.WORKS, Side.NEW: Trial.WORKS}, states={Side.OLD: Existence.ACTIVE})
    asking = replace(POLICY, mode=Mode.CONTAINMENT, approvals=2)
    decision = decide(known_to_others(Phase.WATCH, policy=asking), reopened, NOW)
    assert decision.effects == (EscrowCredential(), ContainCredential())


def test_attempts_of_a_stranger_do_not_hold_up_its_end_but_those_of_a_consumer_do() -> None:
    long = replace(rotation(Phase.WATCH).clock, observed=timedelta(hours=1), last=NOW)
    stranger, pod = SessionSeen("orders_a", "10.9.9.9"), SessionSeen("orders_a", "10.1.0.9", "Deployment/api", "api-1")
    here = known_to_others(Phase.WATCH, clock=long)
    assert decide(here, off(old_attempts=(stranger,)), NOW).rotation.phase is not Phase.WATCH
    assert decide(here, off(old_attempts=(pod,)), NOW).rotation.phase is Phase.WATCH


def test_a_secret_put_back_is_repaired_once_and_then_contested() -> None:
    back = off(secret=SecretView(Verdict.OLD, "argocd"))
    repaired = decide(known_to_others(Phase.VERIFY), back, NOW)
    assert repaired.effects == (WriteSecret(Side.NEW),)
    again = decide(repaired.rotation, back, NOW)
    assert again.effects == ()
    assert again.rotation.paused is not None
    assert again.rotation.paused.reason == "SecretContested"


def test_a_failure_stops_with_new_valid_and_a_retry_goes_on_forward() -> None:
    lacking = off(trials={Side.NEW: Trial.LACKING, Side.OLD: Trial.DISABLED})
    stopped = decide(known_to_others(Phase.CREATE), lacking, NOW)
    assert stopped.rotation.paused is not None
    assert stopped.effects == ()
    assert decide(stopped.rotation, off(retry=1), NOW).rotation.paused is None


@pytest.mark.parametrize("table", [AVAILABILITY, CONTAINMENT], ids=["availability", "containment"])
def test_every_table_ends_and_names_no_phase_twice(table: object) -> None:
    phases = [step.phase for step in table]  # type: ignore[attr-defined]  # a table
    assert len(set(phases)) == len(phases)
    assert phases[-1] is Phase.DELETE
    assert not set(phases) & FINISHED


def test_old_is_tried_only_where_an_answer_needs_it() -> None:
    assert Side.OLD in tries(Phase.CREATE, Existence.DISABLED, Mode.CONTAINMENT)
    assert Side.OLD not in tries(Phase.ROLL, Existence.DISABLED, Mode.AVAILABILITY)
