"""The one place where the driver's exceptions become ours. Its texts are read here and go no further.

At login libpq gives no SQLSTATE, only words; the server's are in its ``lc_messages`` (Preflight asks for English),
libpq's own are always English in psycopg's binary wheels. What is not recognised counts as down: nobody can tell.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum

import psycopg

from keyturn.core.model import Trial
from keyturn.ports import Conflict, Denied, KeyturnError, Misconfigured, OutcomeUnknown, Unavailable
from keyturn.providers.logins import FailedLogin
from keyturn.providers.postgres.refusals import refusal
from keyturn.providers.telling import SERVER_DOWN, TLS_FAILED, Words, said


class Login(StrEnum):
    """Why a login failed."""

    DISABLED = "Disabled"  # the password was right, the role is NOLOGIN
    WRONG = "Wrong"  # wrong password, or no such role: the server does not tell them apart
    NOT_ADMITTED = "NotAdmitted"  # pg_hba.conf
    NO_CONNECT = "NoConnect"  # no CONNECT privilege on the database
    NO_DATABASE = "NoDatabase"
    NOT_SCRAM = "NotScram"  # the server asked for another kind of proof; it was given nothing
    TLS = "Tls"
    DOWN = "Down"


_WORDS: tuple[tuple[str, Login], ...] = (
    ("is not permitted to log in", Login.DISABLED),
    ("password authentication failed", Login.WRONG),
    ("no pg_hba.conf entry", Login.NOT_ADMITTED),
    ("pg_hba.conf rejects", Login.NOT_ADMITTED),
    ("permission denied for database", Login.NO_CONNECT),
    ("authentication method requirement", Login.NOT_SCRAM),
    ("channel binding", Login.NOT_SCRAM),
    ("server does not support SSL", Login.TLS),
    ("SSL error", Login.TLS),
    ("certificate", Login.TLS),
)

_TRIALS = {
    Login.DISABLED: Trial.DISABLED,
    Login.WRONG: Trial.REFUSED,
    Login.NOT_ADMITTED: Trial.REFUSED,
    Login.NO_CONNECT: Trial.REFUSED,
    Login.NO_DATABASE: Trial.REFUSED,
}


class LoginFailed(FailedLogin[Login]):
    """A login that did not come about. TLS and method failures say nothing about the credential."""

    trials = _TRIALS


def login_failure(error: psycopg.Error) -> LoginFailed:
    """Read libpq's words once."""
    text = str(error)
    if 'database "' in text and "does not exist" in text:
        return LoginFailed(Login.NO_DATABASE)
    return LoginFailed(next((kind for words, kind in _WORDS if words in text), Login.DOWN))


_ROTATORS: dict[Login, Words] = {
    Login.WRONG: (Denied, "AdminRefused", "The server refuses the rotator's user or password: renew the admin Secret."),
    Login.DISABLED: (
        Denied,
        "AdminRefused",
        "The rotator may not log in (NOLOGIN): enable it or renew the admin Secret.",
    ),
    Login.NOT_ADMITTED: (
        Denied,
        "AdminNotAdmitted",
        "pg_hba.conf does not admit the rotator from the operator's address: add a line for it.",
    ),
    Login.NO_CONNECT: (
        Denied,
        "AdminNoConnect",
        "The rotator lacks CONNECT on spec.postgres.database: GRANT it.",
    ),
    Login.NO_DATABASE: (
        Misconfigured,
        "NoSuchDatabase",
        "spec.postgres.database does not exist on this server: correct it.",
    ),
    Login.NOT_SCRAM: (
        Misconfigured,
        "NotScram",
        (
            "The server asked for another proof than SCRAM-SHA-256 and was given nothing. Set password_encryption = "
            "scram-sha-256, set the password again, and use scram-sha-256 in pg_hba.conf."
        ),
    ),
    Login.TLS: TLS_FAILED,
    Login.DOWN: SERVER_DOWN,
}


def rotators_login(kind: Login) -> KeyturnError:
    """The same failure, when it was the rotator's own login."""
    return said(_ROTATORS[kind])


def _by_state(state: str) -> KeyturnError:
    if ours := refusal(state):
        return ours
    if state[:2] in {"08", "53", "57", "58"} or state in {"55P03", "40001", "40P01", "25006"}:
        return Unavailable("ServerBusy", "The server could not carry it out just now; it will be tried again.")
    if state in {"XX000", "42710", "23505"}:  # "tuple concurrently updated", or the role appeared meanwhile
        return Conflict("RoleChanged", "Somebody else changed the role at the same moment; it will be looked at again.")
    if state in {"42883", "3F000"}:
        return Misconfigured(
            "FunctionsMissing",
            "The rotator's functions are not installed in spec.postgres.database: run functions.sql there, or set "
            "rotator: "
            "CreateRole.",
        )
    if state == "42501":
        return Denied(
            "RotatorLacksRights",
            "The rotator may not do this. Run the installation SQL of its form (docs/providers/postgres) again.",
        )
    return Denied("ServerRefused", f"The server refused with SQLSTATE {state}; its log tells more.")


def explained(error: Exception, *, writing: bool = False) -> KeyturnError:
    """Any failure of the driver as one of ours."""
    state = (error.diag.sqlstate or error.sqlstate) if isinstance(error, psycopg.Error) else None
    lost = state is None or state.startswith("08") or state in {"57P01", "57P02"}
    if lost and writing:
        return OutcomeUnknown("ConnectionLost", "The connection was lost in mid-write; the role is read back first.")
    if state is None:
        return Unavailable("ServerDown", "The server cannot be reached, or did not answer in time.")
    return _by_state(state)


@contextmanager
def translated(*, writing: bool = False) -> Generator[None]:
    """Within this block nothing of the driver's gets out."""
    try:
        yield
    except (psycopg.Error, TimeoutError, OSError) as error:
        raise explained(error, writing=writing) from None
