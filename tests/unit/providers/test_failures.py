"""What drivers say becomes ours, and not a word of theirs gets out. A refusal is told from "nobody can tell"."""

from __future__ import annotations

import ssl

import httpx
import pytest
from aiormq.exceptions import AMQPConnectionError
from pymysql import err
from redis import exceptions

from keyturn.core.model import Trial
from keyturn.ports import Conflict, Denied, KeyturnError, Misconfigured, OutcomeUnknown, Unavailable
from keyturn.providers.rabbitmq import failures as rabbitmq
from keyturn.providers.redis import failures as redis
from keyturn.providers.role_accounts import failures as role_accounts

LOCKED = 4151  # as MariaDB says it
THEIRS = "hunter2 in the driver's own words"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (exceptions.ConnectionError(THEIRS), Unavailable),
        (TimeoutError(THEIRS), Unavailable),
        (OSError(THEIRS), Unavailable),
        (exceptions.ResponseError(f"LOADING {THEIRS}"), Unavailable),
        (exceptions.ResponseError(f"MASTERDOWN {THEIRS}"), Unavailable),
        (exceptions.NoPermissionError(THEIRS), Denied),
        (exceptions.ResponseError(f"ERR {THEIRS}"), Denied),
        (
            exceptions.ResponseError(f"{THEIRS} you are trying to remove from the user does not exist"),
            Conflict,
        ),
    ],
)
def test_redis(error: Exception, expected: type[KeyturnError]) -> None:
    found = redis.explained(error)
    assert type(found) is expected
    assert THEIRS not in str(found)


def test_redis_in_mid_write_nobody_knows() -> None:
    assert isinstance(redis.explained(exceptions.ConnectionError(THEIRS), writing=True), OutcomeUnknown)
    assert isinstance(redis.explained(exceptions.NoPermissionError(THEIRS), writing=True), Denied)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (exceptions.AuthenticationError(THEIRS), redis.Login.REFUSED),
        (exceptions.ResponseError(f"WRONGPASS {THEIRS}"), redis.Login.REFUSED),
        (exceptions.ConnectionError(f"[SSL: CERTIFICATE_VERIFY_FAILED] {THEIRS}"), redis.Login.TLS),
        (exceptions.ConnectionError(THEIRS), redis.Login.DOWN),
        (exceptions.ResponseError(f"LOADING {THEIRS}"), redis.Login.DOWN),
    ],
)
def test_a_login_at_redis(error: Exception, expected: redis.Login) -> None:
    assert redis.login_failure(error).kind is expected
    assert isinstance(redis.rotators_login(expected), KeyturnError)
    assert THEIRS not in str(redis.login_failure(error))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (err.OperationalError(2013, THEIRS), Unavailable),
        (err.OperationalError(1040, THEIRS), Unavailable),
        (err.OperationalError(31016, THEIRS), Unavailable),
        (err.InterfaceError(THEIRS), Unavailable),
        (TimeoutError(THEIRS), Unavailable),
        (err.OperationalError(31004, THEIRS), Denied),
        (err.OperationalError(1370, THEIRS), Denied),
        (err.ProgrammingError(1305, THEIRS), Misconfigured),
        (err.OperationalError(1396, THEIRS), Conflict),
        (err.OperationalError(1234, THEIRS), Denied),
    ],
)
def test_mariadb_and_mysql(error: Exception, expected: type[KeyturnError]) -> None:
    found = role_accounts.explained(error)
    assert type(found) is expected
    assert THEIRS not in str(found)


def test_mariadb_and_mysql_in_mid_write_nobody_knows() -> None:
    assert isinstance(role_accounts.explained(err.OperationalError(2013, THEIRS), writing=True), OutcomeUnknown)
    assert isinstance(role_accounts.explained(err.OperationalError(31004, THEIRS), writing=True), Denied)


@pytest.mark.parametrize(
    ("error", "kind", "trial"),
    [
        (err.OperationalError(LOCKED, THEIRS), role_accounts.Login.DISABLED, Trial.DISABLED),
        (err.OperationalError(1820, THEIRS), role_accounts.Login.EXPIRED, Trial.LACKING),
        (err.OperationalError(1862, THEIRS), role_accounts.Login.EXPIRED, Trial.LACKING),
        (err.OperationalError(1045, THEIRS), role_accounts.Login.WRONG, Trial.REFUSED),
        (err.OperationalError(1044, THEIRS), role_accounts.Login.NO_ACCESS, Trial.LACKING),
        (err.OperationalError(1049, THEIRS), role_accounts.Login.NO_DATABASE, Trial.LACKING),
        (err.OperationalError(2003, THEIRS), role_accounts.Login.DOWN, Trial.DOWN),
        (err.OperationalError(1040, THEIRS), role_accounts.Login.DOWN, Trial.DOWN),
        (ssl.SSLError(THEIRS), role_accounts.Login.TLS, Trial.DOWN),
    ],
)
def test_a_login_at_mariadb_or_mysql(error: Exception, kind: role_accounts.Login, trial: Trial) -> None:
    found = role_accounts.login_failure(error, LOCKED)
    assert (found.kind, found.trial) == (kind, trial)
    assert isinstance(role_accounts.rotators_login(kind), KeyturnError)
    assert THEIRS not in str(found)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected", "writing"),
    [
        (httpx.ConnectError(THEIRS), Unavailable, Unavailable),  # nothing was sent
        (httpx.ReadTimeout(THEIRS), Unavailable, OutcomeUnknown),
        (AMQPConnectionError(THEIRS), Unavailable, OutcomeUnknown),
        (TimeoutError(THEIRS), Unavailable, OutcomeUnknown),
        (caused(httpx.ConnectError(THEIRS), ssl.SSLError(THEIRS)), Misconfigured, Misconfigured),
    ],
)
def test_rabbitmq(error: Exception, expected: type[KeyturnError], writing: type[KeyturnError]) -> None:
    for found, wanted in ((rabbitmq.explained(error), expected), (rabbitmq.explained(error, writing=True), writing)):
        assert type(found) is wanted
        assert THEIRS not in str(found)


@pytest.mark.parametrize(
    ("status", "words", "expected", "writing"),
    [
        (401, '{"error":"not_authorised","reason":"Login failed"}', "AdminRefused", "AdminRefused"),
        (401, THEIRS, "RotatorLacksRights", "RotatorLacksRights"),
        (400, THEIRS, "ServerRefused", "ServerRefused"),
        (302, THEIRS, "NotManagementApi", "NotManagementApi"),
        (503, THEIRS, "ServerBusy", "ConnectionLost"),
    ],
)
def test_an_answer_of_rabbitmqs_management_api(status: int, words: str, expected: str, writing: str) -> None:
    answer = httpx.Response(status, text=words, headers={"location": "https://elsewhere"})
    for mode, reason in ((False, expected), (True, writing)):
        with pytest.raises(KeyturnError) as refused:
            rabbitmq.require_well(answer, writing=mode)
        assert refused.value.reason == reason
        assert THEIRS not in str(refused.value)


@pytest.mark.parametrize(
    ("code", "words", "expected"),
    [
        (403, THEIRS, Trial.REFUSED),
        (530, "connection refused for user 'a': user connection limit (0) is reached", Trial.DISABLED),
        (530, "connection refused for user 'a': user connection limit (10) is reached", Trial.DOWN),
        (530, "access to vhost '/' refused for user 'a': connection limit (0) is reached", Trial.DOWN),
        (530, "access to vhost '/' refused for user 'a'", Trial.LACKING),
        (530, "vhost shop not found", Trial.LACKING),
        (320, THEIRS, Trial.DOWN),
    ],
)
def test_what_rabbitmq_says_when_it_hangs_up(code: int, words: str, expected: Trial) -> None:
    assert rabbitmq.LoginFailed(rabbitmq.refusal(code, words)).trial is expected
