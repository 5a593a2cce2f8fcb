"""A probe's answer against OLD and NEW."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from keyturn.core.delivery import Delivery, Way
from keyturn.core.evidence import Connection, RunsAs, Testimony
from keyturn.core.model import ConsumerRef, Kind, Verdict
from keyturn.core.sealed import Sealed
from keyturn.kube.testimony import Recogniser
from keyturn.ports import PodRecord
from keyturn_probe import wire
from support.plan_records import pod_record

KEY = Sealed(b"k" * 32)
QUESTION = wire.Challenge("0123456789", "ab" * 16, 4, "uid-1", 1_900_000_000)
EXPECTED = {
    "Old": {"url": Sealed("old-url"), "host": Sealed("db")},
    "New": {"url": Sealed("new-url"), "host": Sealed("db")},
}
URL = Delivery("app", init=False, secret="orders", key="url", way=Way.ENV, place="URL")


def val(value: str, *, container: str = "app", key: str = "url", way: str = "Env", kind: str = "P") -> list[str]:
    marked = wire.value_mark(KEY.reveal(), QUESTION, container, key, value.encode())
    return ["val", container, key, way, kind, marked, "1"]


def heard(lines: Sequence[list[str]], about: PodRecord | None = None) -> Testimony:
    return Recogniser(KEY, QUESTION, about or pod_record(URL), EXPECTED).testimony(lines)


def verdicts(lines: Sequence[list[str]], about: PodRecord | None = None) -> list[tuple[Kind, Verdict]]:
    return [(sight.kind, sight.verdict) for sight in heard(lines, about).sights]


@pytest.mark.parametrize(
    ("value", "verdict"), [("old-url", Verdict.OLD), ("new-url", Verdict.NEW), ("else", Verdict.OTHER)]
)
def test_a_value_is_recognised(value: str, verdict: Verdict) -> None:
    assert verdicts([val(value)]) == [(Kind.PROCESS, verdict)]
    assert verdicts([val(value), val(value, way="File", kind="M")])[1] == (Kind.MOUNTED, verdict)


@pytest.mark.fm(26)
def test_a_mark_for_another_nonce_is_not_recognised() -> None:
    other = wire.Challenge(QUESTION.plan, "cd" * 16, 4, "uid-1", QUESTION.expires)
    line = val("new-url")
    line[5] = wire.value_mark(KEY.reveal(), other, "app", "url", b"new-url")
    assert verdicts([line]) == [(Kind.PROCESS, Verdict.OTHER)]


def test_a_key_that_both_credentials_share_tells_nothing_unless_it_is_wrong() -> None:
    assert verdicts([val("new-url"), val("db", key="host")]) == [(Kind.PROCESS, Verdict.NEW)]
    assert verdicts([val("new-url"), val("other-db", key="host")])[1] == (Kind.PROCESS, Verdict.OTHER)


def test_a_gap_says_why_and_what_to_do() -> None:
    (sight,) = heard([["gap", "app", "url", "Env", "P", wire.DENIED, "101:102", "1"]]).sights
    assert sight.verdict is Verdict.UNKNOWN
    assert "user 101, group 102" in sight.why
    assert "runAsUser" in sight.why


def test_a_process_that_was_denied_while_its_container_started_is_not_called_misconfigured() -> None:
    """A container's first process hides until its program runs; who asks whose it is a moment later is told the app."""
    (sight,) = heard([DENIED]).sights
    assert "unless it says so already" in sight.why
    assert "just starting is seen at the next look" in sight.why


DENIED = ["gap", "app", "url", "Env", "P", wire.DENIED, "101:102", "1"]


def test_as_whom_a_container_runs_is_told_where_all_its_processes_agree() -> None:
    same, other = ["user", "app", "101", "102"], ["user", "app", "103", "102"]
    assert heard([val("new-url"), same]).users == {"app": RunsAs(101, 102)}
    assert heard([val("new-url"), same, other]).users == {}


@pytest.mark.parametrize("owner", [("0", "0"), ("0", "101"), (str(2**31), "5"), ("-5", "5"), ("5", "-1")])
def test_a_probe_is_never_told_to_run_as_root_or_nonsense(owner: tuple[str, str]) -> None:
    assert heard([val("new-url"), ["user", "app", *owner]]).users == {}


def test_a_container_whose_template_does_not_say_its_user_says_what_happens_next_and_who_does_it() -> None:
    pod = replace(pod_record(URL), unsaid_users={"app": None}, consumer=ConsumerRef("Deployment", "shop", "orders"))
    (sight,) = heard([DENIED, ["user", "app", "101", "102"]], pod).sights
    assert "user 101, group 102" in sight.why
    assert "the next pod's probe may" in sight.why
    assert "`kubectl rollout restart deployment/orders -n shop`: Keyturn does not" in sight.why


@pytest.mark.parametrize("unsaid", [{}, {"other": None}])
def test_where_the_template_says_it_the_template_is_to_be_changed(unsaid: dict[str, None]) -> None:
    (sight,) = heard([DENIED, ["user", "app", "101", "102"]], replace(pod_record(URL), unsaid_users=unsaid)).sights
    assert "set runAsUser and runAsGroup" in sight.why


def test_a_place_that_was_not_told_is_unknown() -> None:
    (sight,) = heard([]).sights
    assert (sight.container, sight.verdict) == ("app", Verdict.UNKNOWN)
    assert "injected anew" in sight.why


def test_a_variable_that_no_process_has_is_unknown_and_one_that_some_have_is_enough() -> None:
    none = ["none", "app", "url", "Env", "P", "3"]
    assert verdicts([none]) == [(Kind.PROCESS, Verdict.NONE), (Kind.PROCESS, Verdict.UNKNOWN)]
    assert verdicts([none, val("new-url")]) == [(Kind.PROCESS, Verdict.NONE), (Kind.PROCESS, Verdict.NEW)]


def test_a_pod_in_which_nothing_is_declared_is_unknown_whatever_strays_say() -> None:
    stray = val("new-url", way="Stray")
    assert verdicts([stray], pod_record()) == [(Kind.PROCESS, Verdict.NEW), (Kind.PROCESS, Verdict.UNKNOWN)]


def test_an_old_stray_speaks_against_the_pod_and_a_foreign_one_says_nothing() -> None:
    assert verdicts([val("new-url"), val("old-url", way="Stray")])[1] == (Kind.PROCESS, Verdict.OLD)
    assert verdicts([val("new-url"), val("else", way="Stray")]) == [(Kind.PROCESS, Verdict.NEW)]


def test_init_containers_need_not_be_told() -> None:
    init = Delivery("migrate", init=True, secret="orders", key="url", way=Way.ENV, place="URL")
    assert verdicts([val("new-url")], pod_record(URL, init)) == [(Kind.PROCESS, Verdict.NEW)]


def test_a_terminating_pods_ended_container_holds_nothing() -> None:
    gap = ["gap", "app", "url", "Env", "P", wire.NO_PROCESS, "", "1"]
    assert verdicts([gap]) == [(Kind.PROCESS, Verdict.UNKNOWN)]
    assert verdicts([gap], pod_record(URL, terminating=True)) == [(Kind.PROCESS, Verdict.NONE)]


def test_connections_are_told() -> None:
    line = ["conn", "10.0.0.1", "50000", "10.0.0.9", "5432"]
    assert heard([val("new-url"), line]).connections == (Connection("10.0.0.1", 50000, "10.0.0.9", 5432),)


@pytest.mark.parametrize("code", [wire.CLOCK, wire.OTHER_POD, wire.REPLAY, wire.BUSY, "later"])
def test_a_refusal_is_silence_with_a_reason(code: str) -> None:
    testimony = heard([["no", code]])
    assert testimony.silent
    assert testimony.sights == ()


@pytest.mark.parametrize(
    "line",
    [
        ["val", "app"],
        ["conn", "a", "b", "c", "d"],
        ["gap", "app", "url", "Env", "P"],
        ["none", "app", "url", "Env", "Z", "1"],
        ["user", "app", "root", "0"],
    ],
)
def test_words_of_another_version_are_silence(line: list[str]) -> None:
    assert "another version" in heard([line]).silent
