"""What the operator and a probe say to each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn_probe import wire

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
CHALLENGE = wire.Challenge("0123456789", "ab" * 16, 7, "pod-1", 1_900_000_000)


def one_key(plan: str) -> bytes | None:
    return KEY if plan == CHALLENGE.plan else None


def test_a_challenge_arrives_as_it_was_asked() -> None:
    read = wire.read_challenge(wire.challenge_line(KEY, CHALLENGE), one_key)
    assert read.bound() == CHALLENGE.bound()


@pytest.mark.parametrize("errand", [("http", "8080", "/-/reload"), ("signal", "SIGHUP", "app"), ("a b", "", "%\n")])
def test_an_errand_arrives_with_the_challenge_and_is_sealed_with_it(errand: tuple[str, str, str]) -> None:
    sent = wire.Challenge(CHALLENGE.plan, CHALLENGE.nonce, 7, "pod-1", CHALLENGE.expires, errand)
    line = wire.challenge_line(KEY, sent)
    assert wire.read_challenge(line, one_key).errand == errand
    stripped = line.split(b" ")
    with pytest.raises(wire.Malformed):
        wire.read_challenge(b" ".join([*stripped[:6], stripped[-1]]), one_key)


@pytest.mark.parametrize("nonsense", [b"seven", b"", b"7" * 5000])
def test_nonsense_sealed_with_the_key_is_malformed_and_nothing_worse(nonsense: bytes) -> None:
    """Whoever may read a namespace's Secrets has the key."""
    bound = b" ".join([b"KT1", CHALLENGE.plan.encode(), b"ab", nonsense, b"pod-1", b"1900000000"])[:400]
    line = bound + b" " + wire.mark(wire.derived(KEY, b"challenge"), bound).encode() + b"\n"
    with pytest.raises(wire.Malformed):
        wire.read_challenge(line, one_key)


def test_a_challenge_sealed_with_another_key_is_refused() -> None:
    with pytest.raises(wire.Malformed):
        wire.read_challenge(wire.challenge_line(OTHER_KEY, CHALLENGE), one_key)


def test_a_challenge_of_an_unknown_plan_is_refused() -> None:
    stranger = wire.Challenge("9876543210", "ab" * 16, 7, "pod-1", 1_900_000_000)
    with pytest.raises(wire.Malformed):
        wire.read_challenge(wire.challenge_line(KEY, stranger), one_key)


@given(st.integers(0, 150), st.binary(min_size=1, max_size=1))
def test_no_byte_of_a_challenge_can_be_changed(position: int, byte: bytes) -> None:
    line = wire.challenge_line(KEY, CHALLENGE)
    position %= len(line) - 1  # the newline frames, it is not part of the challenge
    changed = line[:position] + byte + line[position + 1 :]
    if changed == line:
        return
    with pytest.raises(wire.Malformed):
        wire.read_challenge(changed, one_key)


@given(st.binary(max_size=600))
def test_noise_is_malformed_and_nothing_worse(noise: bytes) -> None:
    with pytest.raises(wire.Malformed):
        wire.read_challenge(noise, one_key)


@given(st.lists(st.lists(st.text(max_size=12), min_size=1, max_size=4), max_size=5))
def test_an_answer_arrives_word_by_word(lines: list[list[str]]) -> None:
    sealed = wire.sealed_answer(KEY, CHALLENGE, [" ".join(map(wire.quoted, words)) for words in lines])
    header, _, body = sealed.partition(b"\n")
    assert wire.answer_length(header) == len(body)
    assert wire.open_answer(KEY, CHALLENGE, header, body) == lines


@pytest.mark.fm(26)
def test_an_answer_to_another_question_is_refused() -> None:
    header, _, body = wire.sealed_answer(KEY, CHALLENGE, ["none a b Env P 1"]).partition(b"\n")
    for other in (
        wire.Challenge(CHALLENGE.plan, "cd" * 16, 7, "pod-1", CHALLENGE.expires),
        wire.Challenge(CHALLENGE.plan, CHALLENGE.nonce, 8, "pod-1", CHALLENGE.expires),
        wire.Challenge(CHALLENGE.plan, CHALLENGE.nonce, 7, "pod-2", CHALLENGE.expires),
    ):
        with pytest.raises(wire.Malformed):
            wire.open_answer(KEY, other, header, body)
    with pytest.raises(wire.Malformed):
        wire.open_answer(OTHER_KEY, CHALLENGE, header, body)


@pytest.mark.parametrize("header", [b"", b"KT1", b"KT1 x y", b"KT2 1 aa", b"KT1 999999999 aa", b"HTTP/1.1 400 Bad"])
def test_a_header_that_is_not_ours_is_refused(header: bytes) -> None:
    with pytest.raises(wire.Malformed):
        wire.answer_length(header)


def test_the_same_value_has_another_mark_for_every_pod_container_key_and_nonce() -> None:
    other_pod = wire.Challenge(CHALLENGE.plan, CHALLENGE.nonce, 7, "pod-2", CHALLENGE.expires)
    marks = {
        wire.value_mark(KEY, CHALLENGE, "app", "url", b"v"),
        wire.value_mark(KEY, other_pod, "app", "url", b"v"),
        wire.value_mark(KEY, CHALLENGE, "side", "url", b"v"),
        wire.value_mark(KEY, CHALLENGE, "app", "url2", b"v"),
        wire.value_mark(OTHER_KEY, CHALLENGE, "app", "url", b"v"),
        wire.accept_mark(KEY, b"v"),
    }
    assert len(marks) == 6


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_parts_of_a_mark_cannot_run_into_each_other(left: list[bytes], right: list[bytes]) -> None:
    assert (wire.mark(KEY, *left) == wire.mark(KEY, *right)) == (left == right)


@given(st.text())
def test_a_quoted_word_has_no_blank_and_reads_back(text: str) -> None:
    word = wire.quoted(text)
    assert word.split() == [word]
    assert len(word.splitlines()) == 1
    assert wire.unquoted(word) == text
