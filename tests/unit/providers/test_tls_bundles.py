"""Bundles of certificates are written back byte for byte, and one certificate may stand for several credentials."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization

from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, Misconfigured
from keyturn.providers.ring.certificates import name_of
from keyturn.providers.ring.formats import Ring, entry_of, read
from keyturn.providers.ring.kinds import Format
from support.tls_rig import authority, root_of, signed

OLD, NEW, OTHER = (signed() for _ in range(3))
BLOCKS = [root_of(one).strip() for one in (OLD, OTHER)]


def ring(text: str, *there: str, **values: Sealed) -> Ring:
    return read(Format.CA_BUNDLE, Sealed(text), "here").known_by(values or {"old": OLD, "new": NEW}, there)


@pytest.mark.parametrize("gap", ["\n", "\n\n"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_what_people_write_comes_back_as_it_was_after_an_authority_came_and_went(gap: str, end: str) -> None:
    text = gap.join(BLOCKS) + end
    found = ring(text)
    assert found.ids == ("old", name_of(BLOCKS[1]))
    more = found.with_(entry_of(Format.CA_BUNDLE, Credential("new", NEW)), newest=True)
    again = ring(more.written().reveal_text())
    assert again.ids == ("new", "old", name_of(BLOCKS[1]))
    assert again.without("new").written() == Sealed(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "the-secret-of-a-test",
        "# our root\n" + BLOCKS[0],
        BLOCKS[0] + "\n" + BLOCKS[0],
        BLOCKS[0] + "\n\n\n" + BLOCKS[1],
        BLOCKS[0] + "\r\n" + BLOCKS[1],
        BLOCKS[0][:-40] + BLOCKS[0][-25:],
        OLD.reveal_text(),
    ],
    ids=["empty", "no PEM", "a comment", "twice", "two empty lines", "CRLF", "cut off", "a private key beside it"],
)
def test_what_could_not_be_written_again_as_it_is_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        read(Format.CA_BUNDLE, Sealed(text), "here")
    assert refused.value.reason == "AcceptorsUnreadable"
    assert "PRIVATE" not in str(refused.value)
    assert "secret-of-a-test" not in str(refused.value)


def test_the_bundle_is_given_the_root_and_nothing_else_of_a_credential() -> None:
    entry = entry_of(Format.CA_BUNDLE, Credential("new", NEW))
    assert entry.value.reveal_text() == root_of(NEW).strip()
    with pytest.raises(Misconfigured) as refused:
        entry_of(Format.CA_BUNDLE, Credential("new", Sealed("the-secret-of-a-test")))
    assert refused.value.reason == "NotACertificate"


def test_one_certificate_stands_for_all_that_it_signed_and_stays_where_it_is() -> None:
    signer = authority()
    mine = signer.root.public_bytes(serialization.Encoding.PEM).decode().strip()
    values = {"old": signed(signer), "new": signed(signer)}
    text = f"{BLOCKS[1]}\n{mine}\n"
    before = ring(text, "old", **values)
    assert before.ids == (name_of(BLOCKS[1]), "old")
    both = before.with_(entry_of(Format.CA_BUNDLE, Credential("new", values["new"])), newest=True)
    assert both.ids == (name_of(BLOCKS[1]), "new", "old")
    assert both.written() == Sealed(text)
    assert both.without("old").written() == both.without("new").written() == Sealed(text)
    assert ring(text, "old", "new", **values).ids == (name_of(BLOCKS[1]), "old", "new")
    assert ring(text, "new", **values).ids == (name_of(BLOCKS[1]), "new")


def test_an_authority_that_somebody_put_back_is_known_again() -> None:
    """Then it is told whose it is, though it was taken out."""
    assert ring(BLOCKS[0] + "\n", "new", old=OLD, new=NEW).ids == ("old",)
