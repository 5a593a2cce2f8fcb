"""A challenge is answered once, by the right pod, and nobody else learns anything."""

from __future__ import annotations

import os

import pytest

from keyturn_probe import wire
from keyturn_probe.answer import Answerer
from keyturn_probe.look import Watch
from support.pod_inside import KEY, POD, Folder, Tree

URL = Watch("app", "url", wire.ENV, "DATABASE_URL")
NOW = 1_900_000_000
ME = ["user", "app", str(os.getuid()), str(os.getgid())]  # whose the made-up processes are


class Probe:
    """A probe whose clocks a test winds, and an operator who holds its key."""

    def __init__(self, tree: Tree, folder: Folder, *watches: Watch) -> None:
        self.now = 0.0
        self.plan = folder.plan(*watches)
        self.answerer = Answerer([self.plan], tree.proc, POD, lambda: NOW + self.now, lambda: self.now)

    def challenge(self, nonce: str = "01" * 16, *, pod: str = POD, expires: int = NOW + 30) -> wire.Challenge:
        return wire.Challenge(self.plan.id, nonce, 4, pod, expires)

    def asked(self, challenge: wire.Challenge, key: bytes = KEY) -> list[list[str]] | None:
        sealed = self.answerer.answer(wire.challenge_line(key, challenge))
        if sealed is None:
            return None
        header, _, body = sealed.partition(b"\n")
        assert wire.answer_length(header) == len(body)
        return wire.open_answer(KEY, challenge, header, body)


def test_it_tells_what_each_process_holds_in_marks_only_the_operator_recognises(tree: Tree, folder: Folder) -> None:
    for pid in (7, 8):
        tree.add(pid, env={"DATABASE_URL": "new-secret-value"})
    probe = Probe(tree, folder, URL)
    challenge = probe.challenge()
    sealed = probe.answerer.answer(wire.challenge_line(KEY, challenge))
    assert sealed is not None
    assert b"new-secret-value" not in sealed
    header, _, body = sealed.partition(b"\n")
    marked = wire.value_mark(KEY, challenge, "app", "url", b"new-secret-value")
    assert wire.open_answer(KEY, challenge, header, body) == [["val", "app", "url", "Env", "P", marked, "2"], ME]


def test_it_tells_why_it_saw_nothing(tree: Tree, folder: Folder) -> None:
    tree.add(7, env=b"nginx: worker")
    tree.add(8, env={"HOME": "/"})
    probe = Probe(tree, folder, URL)
    assert sorted(probe.asked(probe.challenge()) or []) == [
        ["gap", "app", "url", "Env", "P", wire.OVERWRITTEN, "", "1"],
        ["none", "app", "url", "Env", "P", "1"],
        ME,
    ]


def test_it_tells_as_whom_the_watched_containers_run(tree: Tree, folder: Folder) -> None:
    """Everyone may see that, and the operator remembers it for the next pod."""
    for pid, user in ((7, 101), (8, 101), (9, 102)):
        os.chown(tree.add(pid, env={}), user, 200)
    os.chown(tree.add(10, "side", env={}), 999, 999)
    probe = Probe(tree, folder, URL)
    users = [line for line in probe.asked(probe.challenge()) or [] if line[0] == "user"]
    assert sorted(users) == [["user", "app", "101", "200"], ["user", "app", "102", "200"]]


def test_it_lists_the_pods_connections(tree: Tree, folder: Folder) -> None:
    row = "   0: 0500000A:C350 0900000A:1538 01 0:0\n"
    (tree.root / "net" / "tcp").write_text("head\n" + row)
    probe = Probe(tree, folder)
    assert probe.asked(probe.challenge()) == [["conn", "10.0.0.5", "50000", "10.0.0.9", "5432"]]


def test_strays_are_told_only_for_values_that_the_plan_knows(tree: Tree, folder: Folder) -> None:
    tree.add(7, env={"LEGACY": "old", "OTHER": "private"})
    folder.accept({3: {"url": "old"}})
    probe = Probe(tree, folder)
    challenge = probe.challenge()
    marked = wire.value_mark(KEY, challenge, "app", "url", b"old")
    assert probe.asked(challenge) == [["val", "app", "url", "Stray", "P", marked, "1"]]


@pytest.mark.fm(26)
def test_a_forged_challenge_gets_no_word(tree: Tree, folder: Folder) -> None:
    probe = Probe(tree, folder, URL)
    assert probe.asked(probe.challenge(), key=b"x" * 32) is None
    assert probe.answerer.answer(b"GET / HTTP/1.1\r\n\n") is None


def test_before_the_plans_key_is_there_it_says_nothing(tree: Tree, folder: Folder) -> None:
    probe = Probe(tree, folder, URL)
    (folder.root / probe.plan.id / "key").unlink()
    assert probe.asked(probe.challenge()) is None


@pytest.mark.fm(26)
def test_a_challenge_for_another_pod_is_refused(tree: Tree, folder: Folder) -> None:
    probe = Probe(tree, folder, URL)
    assert probe.asked(probe.challenge(pod="another")) == [["no", wire.OTHER_POD]]


@pytest.mark.fm(26)
def test_a_replayed_challenge_is_refused(tree: Tree, folder: Folder) -> None:
    probe = Probe(tree, folder, URL)
    assert probe.asked(probe.challenge()) == [["gap", "app", "url", "Env", "P", wire.NO_PROCESS, "", "1"]]
    assert probe.asked(probe.challenge()) == [["no", wire.REPLAY]]


@pytest.mark.parametrize("expires", [NOW - 1, NOW + 121])
def test_a_challenge_out_of_its_time_is_refused(tree: Tree, folder: Folder, expires: int) -> None:
    probe = Probe(tree, folder, URL)
    assert probe.asked(probe.challenge(expires=expires)) == [["no", wire.CLOCK]]


def test_a_flood_of_right_challenges_is_slowed_down_and_then_served_again(tree: Tree, folder: Folder) -> None:
    probe = Probe(tree, folder)
    answers = [probe.asked(probe.challenge(f"{number:032x}")) for number in range(50)]
    assert answers.count([]) == 20
    assert answers.count([["no", wire.BUSY]]) == 30
    probe.now += 1
    assert probe.asked(probe.challenge("ff" * 16)) == []
