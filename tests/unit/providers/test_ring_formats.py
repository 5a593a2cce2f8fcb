"""Rings are written back byte for byte, or refused; what they hold is told to nobody."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.model import Op
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, Misconfigured
from keyturn.providers.keyring.provider import MAKING
from keyturn.providers.ring import jwks
from keyturn.providers.ring.formats import Entry, entry_of, read, same
from keyturn.providers.ring.kinds import Format
from keyturn.providers.ring.tags import RingTag

TWO = {"2026-02": "the-second-key", "2026-01": "the-first-key"}
WRITTEN = {
    "compact": (Format.JSON_MAP, json.dumps(TWO, separators=(",", ":"))),
    "usual": (Format.JSON_MAP, json.dumps(TWO)),
    "indented": (Format.JSON_MAP, json.dumps(TWO, indent=2) + "\n"),
    "deep": (Format.JSON_MAP, json.dumps(TWO, indent=4)),
    "lines": (Format.LINES, "the-second-key\nthe-first-key\n"),
    "lines without an end": (Format.LINES, "the-second-key\nthe-first-key"),
    "commas": (Format.COMMA_LIST, "the-second-key,the-first-key"),
    "commas with blanks": (Format.COMMA_LIST, "the-second-key, the-first-key\n"),
}


@pytest.mark.parametrize(("form", "text"), WRITTEN.values(), ids=WRITTEN)
def test_what_people_write_comes_back_as_it_was_after_a_key_came_and_went(form: Format, text: str) -> None:
    ring = read(form, Sealed(text), "here").known_by({name: Sealed(key) for name, key in TWO.items()})
    assert [one.id for one in ring.entries] == ["2026-02", "2026-01"]
    more = ring.with_(Entry("2026-03", Sealed("the-third-key")), newest=True)
    again = read(form, more.written(), "here").known_by(
        {"2026-03": Sealed("the-third-key")} | {name: Sealed(key) for name, key in TWO.items()}
    )
    assert [one.id for one in again.entries] == ["2026-03", "2026-02", "2026-01"]
    assert again.without("2026-03").written() == Sealed(text)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (Format.JSON_MAP, '{"a": "secret-of-a-test", "a": "x"}'),
        (Format.JSON_MAP, '{ "a" : "secret-of-a-test" }'),
        (Format.JSON_MAP, '{"a": ["secret-of-a-test"]}'),
        (Format.JSON_MAP, '{"a": "  "}'),
        (Format.JSON_MAP, '["secret-of-a-test"]'),
        (Format.JSON_MAP, "{}"),
        (Format.JSON_MAP, "secret-of-a-test"),
        (Format.JWKS, '{"keys": [{"kty": "oct"}]}'),
        (Format.JWKS, '{"keys": [{"kid": "a"}, {"kid": "a"}]}'),
        (Format.JWKS, '{"keys": {}, "secret-of-a-test": 1}'),
        (Format.LINES, "secret-of-a-test\n\nb\n"),
        (Format.LINES, ""),
        (Format.COMMA_LIST, "secret-of-a-test,,b"),
        (Format.COMMA_LIST, " secret-of-a-test"),
    ],
)
def test_what_could_not_be_written_again_is_refused_without_a_word_of_it(form: Format, text: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        read(form, Sealed(text), "key keys of Secret ring")
    assert refused.value.reason == "AcceptorsUnreadable"
    assert "secret-of-a-test" not in repr(refused.value) + str(refused.value.__cause__) + str(refused.value.__context__)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(Misconfigured):
        read(Format.LINES, Sealed(b"\xff\xfe"), "here")


def test_an_entry_of_a_list_that_nobody_knows_is_called_by_its_place() -> None:
    ring = read(Format.LINES, Sealed("a-key\nb-key\nc-key"), "here").known_by({"mine": Sealed("b-key")})
    assert [one.id for one in ring.entries] == ["entry-1", "mine", "entry-3"]


_NAMES = st.text("abc019._-", min_size=1, max_size=8)
_KEYS = st.text("abcXYZ019+/=_-", min_size=1, max_size=12)


@given(st.dictionaries(_NAMES, _KEYS, min_size=1, max_size=4), st.sampled_from([Format.JSON_MAP, Format.LINES]))
def test_any_ring_is_read_and_written_the_same(keys: dict[str, str], form: Format) -> None:
    text = json.dumps(keys) if form is Format.JSON_MAP else "\n".join(keys.values())
    assert read(form, Sealed(text), "here").written() == Sealed(text)


# --------------------------------------------------------------------------------------------------- public keys


def made(kind: str) -> Credential:
    return Credential("kid-1", MAKING[kind]())


@pytest.mark.parametrize("kind", ["Ed25519", "Rsa"])
def test_acceptors_get_the_public_half_and_can_verify_with_it(kind: str) -> None:
    credential = made(kind)
    published: dict[str, Any] = json.loads(entry_of(Format.JWKS, credential).value.reveal_text())
    private: Any = serialization.load_pem_private_key(credential.value.reveal(), password=None)
    assert not {"d", "p", "q", "k"} & set(published)
    if kind == "Ed25519":
        signature = private.sign(b"token")
        ed25519.Ed25519PublicKey.from_public_bytes(_bytes(published["x"])).verify(signature, b"token")
    else:
        numbers = rsa.RSAPublicNumbers(*(int.from_bytes(_bytes(published[one])) for one in ("e", "n")))
        signature = private.sign(b"token", padding.PKCS1v15(), hashes.SHA256())
        numbers.public_key().verify(signature, b"token", padding.PKCS1v15(), hashes.SHA256())
    assert same(Format.JWKS, entry_of(Format.JWKS, credential), credential)
    assert not same(Format.JWKS, entry_of(Format.JWKS, credential), made(kind))


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_an_adopted_key_on_a_curve_is_known_by_its_public_half() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = Sealed(key.private_bytes(serialization.Encoding.PEM, form, plain))
    numbers = key.public_key().public_numbers()
    published = jwks.public("kid", pem)
    assert [int.from_bytes(_bytes(published[one])) for one in ("x", "y")] == [numbers.x, numbers.y]
    assert jwks.same({**published, "alg": "other", "x5t": "kept"}, pem)


@pytest.mark.parametrize(
    "text", ["", "not-a-pem-of-a-test", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
)
def test_what_is_no_private_key_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        jwks.public("kid", Sealed(text))
    assert refused.value.reason == "NotAPrivateKey"
    assert refused.value.__context__ is None
    assert "not-a-pem" not in refused.value.message
    assert not jwks.same({"kty": "OKP"}, Sealed(text))


# ------------------------------------------------------------------------------------------- what programs do with it


def test_with_the_new_key_first_multifernet_reads_both_and_writes_the_new_one() -> None:
    """The first key encrypts, any decrypts: https://cryptography.io/en/latest/fernet/ (MultiFernet)."""
    old, new = (Credential(name, MAKING["Fernet"]()) for name in ("old", "new"))
    ring = read(Format.COMMA_LIST, old.value, "here").known_by({"old": old.value})
    grown = ring.with_(entry_of(Format.COMMA_LIST, new), newest=True).written().reveal_text()
    several = MultiFernet([Fernet(one) for one in grown.split(",")])
    assert several.decrypt(Fernet(old.value.reveal()).encrypt(b"kept")) == b"kept"
    assert Fernet(new.value.reveal()).decrypt(several.encrypt(b"fresh")) == b"fresh"


def test_a_shared_key_has_32_random_bytes() -> None:
    first, second = (MAKING["Hmac"]().reveal_text() for _ in range(2))
    assert len(_bytes(first)) == 32
    assert first != second


# ---------------------------------------------------------------------------------------------------------- tags


_TAGS = st.builds(
    RingTag,
    plan=st.just("shop/orders"),
    rotation=st.text("abc-019", min_size=1, max_size=8),
    generation=st.integers(0, 10**6),
    epoch=st.integers(0, 10**9),
    version=st.integers(0, 99),
    made=st.integers(0, 99),
    ids=st.lists(_NAMES, max_size=3).map(tuple),
    before=st.lists(_NAMES, max_size=3).map(tuple),
    disabled=st.lists(_NAMES, max_size=3).map(tuple),
    retired=st.lists(_NAMES, max_size=3).map(tuple),
    kept=st.dictionaries(_NAMES, st.text(max_size=20), max_size=2),
)


@given(_TAGS)
def test_a_tag_is_read_as_it_was_written(tag: RingTag) -> None:
    assert RingTag.read(tag.written()) == tag


@pytest.mark.parametrize("text", ["", "rotation-1/1", "x plan=a/b", "/1 plan=a/b", "r/x plan=a/b", "r/1 plan="])
def test_what_is_no_tag_of_a_ring_is_none(text: str) -> None:
    assert RingTag.read(text) == RingTag()


def test_a_damaged_copy_of_a_public_key_is_left_out() -> None:
    assert RingTag.read("r/1 plan=a/b kept=kid:%%%,other:e30").kept == {"other": "{}"}


def test_only_the_latest_ids_are_remembered_as_gone() -> None:
    tag = RingTag().after(Op("r", 1, "delete"), "a/b")
    for number in range(20):
        tag = tag.with_retired(f"k-{number}")
    assert tag.retired[0] == "k-19"
    assert len(tag.retired) == 8
