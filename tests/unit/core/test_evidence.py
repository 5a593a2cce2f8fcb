"""What counts as proof, and what never does."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from keyturn.core.evidence import Connection, Session, Sight, Subject, Testimony, combine, judge, session_verdict
from keyturn.core.model import Kind, Side, Verdict

PODS_ADDRESS = "10.1.0.7"
PRINCIPALS = {Side.OLD: "orders_a", Side.NEW: "orders_b"}
REQUIRED = frozenset({Kind.SESSION, Kind.PROCESS})


def subject(*, reload: bool = False, was_connected: bool = True, host_network: bool = False) -> Subject:
    return Subject(
        "shop", "api-1", "uid", PODS_ADDRESS, "Deployment/api", reload, was_connected, host_network=host_network
    )


def session(principal: str, port: int | None = 5001, address: str = PODS_ADDRESS) -> Session:
    return Session(principal, address, port, datetime(2026, 1, 1, tzinfo=UTC))


def connected(*ports: int) -> Testimony:
    return Testimony(connections=tuple(Connection(PODS_ADDRESS, p, "10.0.0.2", 5432) for p in ports))


def sworn(kind: Kind, verdict: Verdict, *ports: int) -> Testimony:
    return Testimony((Sight("app", "url", kind, verdict),), connected(*ports).connections)


def verdict_of(sessions: list[Session], testimony: Testimony, **what: bool) -> Verdict:
    return session_verdict(subject(**what), testimony, sessions, PRINCIPALS)


class DescribeSessions:
    def test_new_needs_the_pods_own_port(self) -> None:
        assert verdict_of([session("orders_b", 5001)], connected(5001)) is Verdict.NEW
        assert verdict_of([session("orders_b", 5001)], connected(5002)) is Verdict.NONE

    def test_any_old_rests_on_the_address_alone(self) -> None:
        assert verdict_of([session("orders_a", 9999)], connected(5001)) is Verdict.OLD
        assert verdict_of([session("orders_a", 9999), session("orders_b")], connected(5001)) is Verdict.MIXED

    def test_a_local_port_seen_twice_is_unknown(self) -> None:
        assert verdict_of([session("orders_b", 5001)], connected(5001, 5001)) is Verdict.UNKNOWN

    def test_a_mapped_address_is_the_same_address(self) -> None:
        assert verdict_of([session("orders_b", 5001, f"::ffff:{PODS_ADDRESS}")], connected(5001)) is Verdict.NEW

    def test_another_pods_session_says_nothing(self) -> None:
        assert verdict_of([session("orders_b", 5001, "10.1.0.8")], connected(5001)) is Verdict.NONE

    @pytest.mark.fm(32)
    def test_a_backend_that_hides_an_address_makes_everything_unknown(self) -> None:
        assert verdict_of([session("orders_b"), session("orders_b", None, "")], connected(5001)) is Verdict.UNKNOWN

    def test_a_pod_on_the_hosts_network_shares_its_address(self) -> None:
        assert verdict_of([session("orders_b")], connected(5001), host_network=True) is Verdict.UNKNOWN

    def test_a_silent_probe_cannot_show_new_but_old_still_shows(self) -> None:
        silent = Testimony(silent="no answer")
        assert verdict_of([session("orders_b")], silent) is Verdict.UNKNOWN
        assert verdict_of([session("orders_a")], silent) is Verdict.OLD


class DescribeProof:
    def proof(self, testimony: Testimony, seen: Verdict, **what: bool) -> Verdict:
        return judge(subject(**what), testimony, seen, required=REQUIRED, target=Side.NEW).proves

    def test_process_and_session_together_prove_new(self) -> None:
        assert self.proof(sworn(Kind.PROCESS, Verdict.NEW), Verdict.NEW) is Verdict.NEW

    def test_no_connection_is_neutral_only_for_a_consumer_that_never_was_connected(self) -> None:
        quiet = sworn(Kind.PROCESS, Verdict.NEW)
        assert self.proof(quiet, Verdict.NONE, was_connected=False) is Verdict.NEW
        assert self.proof(quiet, Verdict.NONE, was_connected=True) is Verdict.UNKNOWN

    @pytest.mark.fm(27)
    def test_a_file_alone_never_stands_for_what_a_process_has_in_memory(self) -> None:
        assert self.proof(sworn(Kind.MOUNTED, Verdict.NEW), Verdict.NEW) is Verdict.UNKNOWN

    def test_a_consumer_that_reloads_proves_by_file_and_session(self) -> None:
        file = sworn(Kind.MOUNTED, Verdict.NEW)
        assert self.proof(file, Verdict.NEW, reload=True) is Verdict.NEW
        assert self.proof(file, Verdict.NONE, reload=True, was_connected=False) is Verdict.UNKNOWN

    @pytest.mark.fm(27)
    @pytest.mark.parametrize("bad", [Verdict.OLD, Verdict.OTHER, Verdict.MIXED])
    @pytest.mark.parametrize("kind", list(Kind))
    def test_one_kind_that_objects_outweighs_all_others(self, bad: Verdict, kind: Kind) -> None:
        sights = (Sight("app", "url", Kind.PROCESS, Verdict.NEW), Sight("app", "url", kind, bad))
        session_says = bad if kind is Kind.SESSION else Verdict.NEW
        assert self.proof(Testimony(sights), session_says) not in (Verdict.NEW, Verdict.UNKNOWN)

    @pytest.mark.fm(25, 29)
    def test_silence_proves_nothing_and_says_why(self) -> None:
        proof = judge(
            subject(), Testimony(silent="the probe did not answer"), Verdict.UNKNOWN, required=REQUIRED, target=Side.NEW
        )
        assert (proof.proves, proof.why) == (Verdict.UNKNOWN, "the probe did not answer")

    def test_unknown_of_a_kind_that_nobody_required_does_not_block(self) -> None:
        sights = (Sight("app", "url", Kind.PROCESS, Verdict.NEW), Sight("app", "url", Kind.MOUNTED, Verdict.UNKNOWN))
        assert self.proof(Testimony(sights), Verdict.NEW) is Verdict.NEW


def test_exhaustively_new_is_proved_only_when_nothing_contradicts_it() -> None:
    for process, mounted, seen in itertools.product(Verdict, Verdict, Verdict):
        sights = (Sight("app", "url", Kind.PROCESS, process), Sight("app", "url", Kind.MOUNTED, mounted))
        proof = judge(subject(), Testimony(sights), seen, required=REQUIRED, target=Side.NEW)
        objects = {Verdict.OLD, Verdict.OTHER, Verdict.MIXED} & {process, mounted, seen}
        if proof.proves is Verdict.NEW:
            assert process is Verdict.NEW
            assert seen is Verdict.NEW
            assert not objects


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [
        ([], Verdict.UNKNOWN),
        ([Verdict.NEW, Verdict.NEW], Verdict.NEW),
        ([Verdict.NEW, Verdict.OLD], Verdict.MIXED),
        ([Verdict.NEW, Verdict.OTHER], Verdict.OTHER),
        ([Verdict.NEW, Verdict.UNKNOWN], Verdict.UNKNOWN),
        ([Verdict.NEW, Verdict.NONE], Verdict.NEW),
        ([Verdict.OLD, Verdict.UNKNOWN], Verdict.OLD),
    ],
)
def test_sights_of_one_kind_combine_to_the_worst(verdicts: list[Verdict], together: Verdict) -> None:
    assert combine(verdicts, Verdict.NEW) is together


def test_going_back_one_container_that_could_not_be_read_is_no_proof_of_old() -> None:
    sights = (Sight("app", "url", Kind.PROCESS, Verdict.OLD), Sight("other", "url", Kind.PROCESS, Verdict.UNKNOWN))
    proof = judge(subject(), Testimony(sights), Verdict.OLD, required=REQUIRED, target=Side.OLD)
    assert proof.proves is not Verdict.OLD
