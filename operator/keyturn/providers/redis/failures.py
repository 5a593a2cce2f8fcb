"""The one place where the driver's exceptions become ours. Its texts are read here and go no further."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from redis import exceptions

from keyturn.ports import Conflict, Denied, KeyturnError, OutcomeUnknown, Unavailable
from keyturn.providers.logins import FailedLogin
from keyturn.providers.telling import SERVER_DOWN, TLS_FAILED, Words, said


class Login(StrEnum):
    """Why a login failed."""

    REFUSED = "Refused"  # wrong password, disabled, or no such user: the server does not tell them apart
    TLS = "Tls"
    DOWN = "Down"


class LoginFailed(FailedLogin[Login]):
    """A login that did not come about."""


def login_failure(error: Exception) -> LoginFailed:
    """Read the server's words once."""
    text = str(error)
    if isinstance(error, exceptions.AuthenticationError) or text.startswith(("WRONGPASS", "NOAUTH")):
        return LoginFailed(Login.REFUSED)
    if "CERTIFICATE_VERIFY_FAILED" in text or "SSL" in text:
        return LoginFailed(Login.TLS)
    return LoginFailed(Login.DOWN)


_ROTATORS: Final[dict[Login, Words]] = {
    Login.REFUSED: (
        Denied,
        "AdminRefused",
        "The server refuses the rotator's user or password, or it is off: renew the admin Secret.",
    ),
    Login.TLS: TLS_FAILED,
    Login.DOWN: SERVER_DOWN,
}


def rotators_login(kind: Login) -> KeyturnError:
    """The same failure, when it was the rotator's own login."""
    return said(_ROTATORS[kind])


_BUSY: Final = ("LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN", "UNKILLABLE")
_LACKING: Final = "The rotator may not do this. Give it the rights of docs/providers/redis.md again."


def explained(error: Exception, *, writing: bool = False) -> KeyturnError:
    """Any failure of the driver as one of ours."""
    if not isinstance(error, exceptions.ResponseError):
        if writing:
            return OutcomeUnknown("ConnectionLost", "The connection was lost in mid-write; users are read back first.")
        return Unavailable("ServerDown", "The server cannot be reached, or did not answer in time.")
    text = str(error)
    if "trying to remove from the user does not exist" in text:
        return Conflict("UserChanged", "Somebody else changed the user meanwhile; it will be looked at again.")
    if isinstance(error, exceptions.NoPermissionError):
        return Denied("RotatorLacksRights", _LACKING)
    if text.startswith(_BUSY):
        return Unavailable("ServerBusy", "The server could not carry it out just now; it will be tried again.")
    return Denied("ServerRefused", "The server refused a command; its log may tell more.")


@contextmanager
def translated(*, writing: bool = False) -> Generator[None]:
    """Within this block nothing of the driver's gets out."""
    try:
        yield
    except (exceptions.RedisError, TimeoutError, OSError) as error:
        raise explained(error, writing=writing) from None
