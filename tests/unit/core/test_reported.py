"""What an app's own report counts for, beside the other kinds of evidence."""

from __future__ import annotations

import pytest

from keyturn.core.evidence import Sight, Subject, Testimony, judge
from keyturn.core.model import Kind, Side, Verdict

REQUIRED = frozenset({Kind.SESSION, Kind.PROCESS})
QUIET = Verdict.NONE  # no session just now


def subject(*, reload: bool = True, was_connected: bool = False, told: bool = False) -> Subject:
    return Subject("shop", "api-1", "uid", "10.1.0.7", "Deployment/api", reload, was_connected, told=told)


def shown(**kinds: Verdict) -> Testimony:
    return Testimony(tuple(Sight("app", "url", Kind(kind.capitalize()), verdict) for kind, verdict in kinds.items()))


def proves(about: Subject, testimony: Testimony, session: Verdict, target: Side = Side.NEW) -> Verdict:
    return judge(about, testimony, session, required=REQUIRED, target=target).proves


def test_an_idle_app_that_reloads_may_show_its_report_instead_of_a_session() -> None:
    both = shown(mounted=Verdict.NEW, reported=Verdict.NEW)
    assert proves(subject(), both, QUIET) is Verdict.NEW
    assert proves(subject(was_connected=True), both, QUIET) is Verdict.UNKNOWN
    assert proves(subject(reload=False), both, QUIET) is Verdict.UNKNOWN
    assert proves(subject(), shown(reported=Verdict.NEW), QUIET) is Verdict.UNKNOWN


@pytest.mark.parametrize("report", [Verdict.OLD, Verdict.OTHER, Verdict.MIXED])
def test_a_report_of_another_value_outweighs_file_and_session(report: Verdict) -> None:
    assert proves(subject(), shown(mounted=Verdict.NEW, reported=report), Verdict.NEW) not in {
        Verdict.NEW,
        Verdict.UNKNOWN,
    }


def test_a_plan_that_requires_reports_takes_nothing_instead() -> None:
    required = REQUIRED | {Kind.REPORTED}
    for report, expected in ((None, Verdict.UNKNOWN), (Verdict.UNKNOWN, Verdict.UNKNOWN), (Verdict.NEW, Verdict.NEW)):
        testimony = shown(process=Verdict.NEW, **({} if report is None else {"reported": report}))
        about = subject(reload=False)
        proof = judge(about, testimony, Verdict.NEW, required=required, target=Side.NEW)
        assert proof.proves is expected


@pytest.mark.parametrize(
    ("told", "reported", "proof"),
    [
        (False, None, Verdict.OLD),
        (True, None, Verdict.UNKNOWN),
        (True, Verdict.OLD, Verdict.OLD),
        (True, Verdict.UNKNOWN, Verdict.UNKNOWN),
    ],
)
def test_going_back_an_idle_app_that_waits_to_be_told_may_hold_new_whatever_its_file_says(
    *, told: bool, reported: Verdict | None, proof: Verdict
) -> None:
    testimony = shown(mounted=Verdict.OLD, **({} if reported is None else {"reported": reported}))
    assert proves(subject(told=told), testimony, QUIET, Side.OLD) is proof


def test_what_helps_to_understand_a_pod_is_said_only_of_one_that_is_not_proven() -> None:
    told = Testimony((Sight("app", "url", Kind.PROCESS, Verdict.NEW),), note="its reload waits")
    about = subject(reload=False, was_connected=True)
    unproven = judge(about, told, QUIET, required=REQUIRED, target=Side.NEW)
    assert unproven.why == "Session shows nothing yet; its reload waits"
    assert judge(about, told, Verdict.NEW, required=REQUIRED, target=Side.NEW).why == ""
