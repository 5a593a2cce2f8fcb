"""From a credential to the Secret's keys and back, byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.rendering import Login, Place, TemplateMismatch, extract, render, unknown_placeholders
from keyturn.core.sealed import Sealed

PLACE = Place("db.shop.svc", 5432, "shop")
URL = {"DATABASE_URL": "postgresql://{username}:{password}@{host}:{port}/{database}?sslmode=require"}
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,20}", fullmatch=True)
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


def data(url: str) -> dict[str, Sealed]:
    return {"DATABASE_URL": Sealed(url)}


def test_a_url_is_read_and_rendered_back() -> None:
    login = extract(URL, data("postgresql://orders:s3cret@db.shop.svc:5432/shop?sslmode=require"), PLACE)
    assert (login.username, login.password.reveal()) == ("orders", b"s3cret")


@given(NAMES, WORDS)
def test_what_is_rendered_into_a_url_is_read_back(username: str, password: str) -> None:
    login = Login(username, Sealed(password))
    assert extract(URL, render(URL, login, PLACE), PLACE) == login


@given(NAMES, st.from_regex(r"[A-Za-z0-9]{16,40}", fullmatch=True))
def test_keys_of_their_own_are_read_back(username: str, password: str) -> None:
    templates = {"user": "{username}", "pass": "{password}", "dsn": "host={host} user={username} password={password}"}
    login = Login(username, Sealed(password))
    assert extract(templates, render(templates, login, PLACE), PLACE) == login


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://orders:s3cret@other.host:5432/shop?sslmode=require", "host, port, database"),
        ("postgresql://orders:s3cret@db.shop.svc:5432/shop", "options"),
        ("postgresql://orders:a%2db@db.shop.svc:5432/shop?sslmode=require", "byte for byte"),
    ],
)
def test_a_rotation_would_silently_change_more_than_the_credential(url: str, why: str) -> None:
    with pytest.raises(TemplateMismatch, match=why) as caught:
        extract(URL, data(url), PLACE)
    assert "s3cret" not in str(caught.value)


def test_keys_that_disagree_are_refused() -> None:
    templates = {"a": "{username}:{password}", "b": "{password}"}
    with pytest.raises(TemplateMismatch, match="different values"):
        extract(templates, {"a": Sealed("orders:one"), "b": Sealed("two")}, PLACE)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(TemplateMismatch, match="no key DATABASE_URL"):
        extract(URL, {}, PLACE)


def test_other_braces_are_literal_text() -> None:
    templates = {"json": '{"user": "{username}", "password": "{password}"}'}
    login = Login("orders", Sealed("s3cret"))
    assert render(templates, login, PLACE)["json"].reveal() == b'{"user": "orders", "password": "s3cret"}'
    assert unknown_placeholders("{user}:{password}") == ("user",)


def test_a_database_in_a_url_is_percent_encoded_and_elsewhere_it_is_not() -> None:
    """RabbitMQ's first virtual host is called ``/``."""
    templates = {"URL": "amqps://{username}:{password}@{host}:{port}/{database}", "VHOST": "{database}"}
    place = Place("rabbitmq.shop.svc", 5671, "/")
    written = render(templates, Login("orders", Sealed("s3cret")), place)
    assert written["URL"].reveal() == b"amqps://orders:s3cret@rabbitmq.shop.svc:5671/%2F"
    assert written["VHOST"].reveal() == b"/"
    assert extract(templates, written, place).username == "orders"


PEM = {"id": "{username}", "tls.crt": "{certificate}", "tls.key": "{privateKey}", "ca.crt": "{ca}"}
KEY, LEAF, BETWEEN, ROOT = (
    f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"
    for label, body in (
        ("EC PRIVATE KEY", "a2V5"),
        *(("CERTIFICATE", body) for body in ("bGVhZg==", "Y2E=", "cm9vdA==")),
    )
)


@pytest.mark.parametrize("between", ["", BETWEEN])
def test_a_certificate_is_read_from_its_keys_and_written_back_into_them(between: str) -> None:
    data = {"id": "orders-1", "tls.crt": LEAF + between, "tls.key": KEY, "ca.crt": ROOT}
    sealed = {key: Sealed(text) for key, text in data.items()}
    login = extract(PEM, sealed, PLACE)
    assert login == Login("orders-1", Sealed(KEY + LEAF + between + ROOT))
    assert render(PEM, login, PLACE) == sealed
    whole = {"id": "{username}", "tls.pem": "{password}"}
    assert extract(whole, render(whole, login, PLACE), PLACE) == login


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("ca.crt", ROOT + ROOT),
        ("ca.crt", "the-secret-of-a-test"),
        ("tls.crt", "# a comment\n" + LEAF),
        ("tls.crt", KEY + LEAF),
        ("tls.key", KEY.strip() + LEAF),
    ],
)
def test_certificates_that_would_be_written_back_otherwise_are_refused(key: str, text: str) -> None:
    data = {"id": "orders-1", "tls.crt": LEAF, "tls.key": KEY, "ca.crt": ROOT, key: text}
    with pytest.raises(TemplateMismatch) as refused:
        extract(PEM, {name: Sealed(value) for name, value in data.items()}, PLACE)
    assert "secret-of-a-test" not in str(refused.value)


def test_two_of_three_parts_are_no_credential() -> None:
    with pytest.raises(TemplateMismatch, match="privateKey"):
        extract({"id": "{username}", "tls.key": "{privateKey}"}, {"id": Sealed("x"), "tls.key": Sealed(KEY)}, PLACE)
