"""What the demo concludes from the database's log, from pictures of the shop and from texts that may hold a secret."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from keyturn_dev.demo import leaks, picture
from keyturn_dev.demo.database import Line, first_shut, last_end, logins, parsed, refusals
from keyturn_dev.demo.part import Account
from keyturn_dev.demo.picture import Picture
from keyturn_dev.demo.roles import verifier
from keyturn_dev.demo.witnesses import role_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "pA/s+w?rd~5nQv0LZk3T"


def line(second: int, message: str, **others: str) -> Line:
    plain = {
        "severity": "LOG",
        "state": "00000",
        "role": "orders_a",
        "address": "10.0.0.7",
        "session": "s1",
        "detail": "",
    }
    return Line(at=NOON + timedelta(seconds=second), message=message, **({"detail": ""} | plain | others))


def login(second: int, session: str = "s1", **others: str) -> Line:
    return line(second, "connection authorized: user=orders_a database=shop", session=session, **others)


def end(second: int, session: str = "s1") -> Line:
    return line(second, "disconnection: session time: 0:00:01", session=session)


def test_the_last_session_ended_when_the_last_of_them_disconnected() -> None:
    log = [login(1, "s1"), login(2, "s2"), end(3, "s1"), end(9, "s2")]
    assert last_end(log, "orders_a") == NOON + timedelta(seconds=9)


def test_while_one_session_is_open_there_is_no_last_end() -> None:
    assert last_end([login(1, "s1"), login(2, "s2"), end(3, "s1")], "orders_a") is None


def test_a_login_that_is_refused_after_its_password_was_right_is_over_at_once() -> None:
    refused = line(3, 'role "orders_a" is not permitted to log in', session="s2", severity="FATAL", state="28000")
    assert last_end([login(1, "s1"), end(2, "s1"), login(3, "s2"), refused], "orders_a") == NOON + timedelta(seconds=3)


def test_sessions_of_keyturn_itself_are_no_sessions_of_pods() -> None:
    log = [login(1, "s1"), end(2, "s1"), login(3, "s2", address="10.0.0.99")]
    assert last_end(log, "orders_a", leave_out=frozenset({"10.0.0.99"})) == NOON + timedelta(seconds=2)
    assert len(logins(log, "orders_a", leave_out=frozenset({"10.0.0.99"}))) == 1


@pytest.mark.parametrize(
    ("shut", "detail"),
    [
        ("execute <unnamed>: SELECT keyturn.disable($1, $2)", "parameters: $1 = 'orders_a', $2 = 'keyturn:v1 ...'"),
        ('statement: ALTER ROLE "orders_a" NOLOGIN', ""),
    ],
)
def test_the_loss_of_login_is_found_whichever_form_the_rotator_has(shut: str, detail: str) -> None:
    log = [line(4, shut, role="keyturn_rotator", detail=detail)]
    assert first_shut(log, "orders_a", since=NOON) == NOON + timedelta(seconds=4)
    assert first_shut(log, "orders_b", since=NOON) is None


def test_a_loss_of_login_before_the_scene_is_not_the_scenes() -> None:
    log = [line(-5, 'statement: ALTER ROLE "orders_a" NOLOGIN')]
    assert first_shut(log, "orders_a", since=NOON) is None


@pytest.mark.parametrize("state", ["28P01", "28000", "53300"])
def test_a_refused_login_is_one_that_the_server_ended_for_its_credential_or_for_want_of_room(state: str) -> None:
    refused = line(1, "password authentication failed", severity="FATAL", state=state)
    others = [
        replace(refused, role="somebody"),
        replace(refused, severity="LOG"),
        replace(refused, state="57P01"),
        replace(refused, address="10.0.0.99"),
    ]
    found = refusals([refused, *others], frozenset({"orders_a"}), leave_out=frozenset({"10.0.0.99"}))
    assert found == [refused]


def test_a_line_of_the_servers_json_log_is_read_with_its_time_in_utc() -> None:
    entry = {
        "timestamp": "2026-03-01 12:00:07.250 UTC",
        "user": "orders_a",
        "remote_host": "10.0.0.7",
        "session_id": "65e1.1",
        "error_severity": "FATAL",
        "state_code": "28P01",
        "message": "password authentication failed",
    }
    assert parsed(json.dumps(entry)) == Line(
        at=NOON + timedelta(seconds=7.25),
        severity="FATAL",
        state="28P01",
        role="orders_a",
        address="10.0.0.7",
        session="65e1.1",
        message="password authentication failed",
        detail="",
    )


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
def test_a_value_is_found_in_every_form_and_at_every_offset_of_base64(before: str) -> None:
    url = f"{before}{SECRET}@host"
    for text in (url.encode(), quote(url, safe="").encode(), base64.b64encode(url.encode())):
        assert leaks.holds(b"... " + text + b" ...", {"old": SECRET}) == ["old"]


def test_another_value_is_not_found() -> None:
    other = base64.b64encode(b"postgresql://orders_b:anotherValue@host") + b" anotherValue"
    assert leaks.holds(other, {"old": SECRET}) == []


def shop() -> Picture:
    accounts = {"a": Account(enabled=True, stored="SCRAM")}
    return Picture(secret={"data": {"k": "v"}}, accounts=accounts, workloads={"api": {"x": 1}}, decoy="d")


def test_a_picture_equals_itself() -> None:
    assert picture.differences(shop(), shop()) == []


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (replace(shop(), secret={"data": {"k": "w"}}), "the Secret's bytes differ"),
        (replace(shop(), accounts={"a": Account(enabled=True, stored="another")}), "account a differs"),
        (replace(shop(), accounts={**shop().accounts, "b": Account(enabled=True, stored="")}), "account b differs"),
        (replace(shop(), workloads={}), "Deployment api differs"),
        (replace(shop(), decoy="e"), "the decoy was touched"),
    ],
)
def test_what_differs_is_named_and_no_value_is_told(after: Picture, told: str) -> None:
    assert picture.differences(shop(), after) == [told]


def test_another_stored_value_of_one_account_can_be_left_out_and_nothing_else() -> None:
    stored = replace(shop(), accounts={"a": Account(enabled=True, stored="another")})
    assert picture.differences(picture.without_stored(shop(), "a"), picture.without_stored(stored, "a")) == []
    assert picture.differences(picture.without_stored(shop(), "b"), picture.without_stored(stored, "b")) != []
    shut = replace(shop(), accounts={"a": Account(enabled=False, stored="SCRAM")})
    assert picture.differences(picture.without_stored(shop(), "a"), picture.without_stored(shut, "a")) != []


def test_a_verifier_carries_no_password_and_no_two_are_equal() -> None:
    made = verifier(SECRET)
    assert made.startswith("SCRAM-SHA-256$4096:")
    assert leaks.holds(made.encode(), {"password": SECRET}) == []
    assert made != verifier(SECRET)


def test_the_role_of_a_url_is_its_user() -> None:
    assert role_of("postgresql://orders_a:x@postgres.shop.svc:5432/shop") == "orders_a"
    assert role_of("") == ""
