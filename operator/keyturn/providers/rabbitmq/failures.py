"""The one place where what httpx, the driver and the server say becomes ours. Their texts go no further.

Reply codes of AMQP: https://www.rabbitmq.com/amqp-0-9-1-reference.html#constants
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

import httpx
from aiormq.exceptions import AMQPError

from keyturn.core.model import Trial
from keyturn.ports import Denied, KeyturnError, Misconfigured, OutcomeUnknown, Unavailable
from keyturn.providers.logins import FailedLogin
from keyturn.providers.telling import SERVER_DOWN, TLS_FAILED, Words, said


class Login(StrEnum):
    """Why a login with AMQP did not come about."""

    DISABLED = "Disabled"  # the password was right, the user's limit is zero connections (seen on 3.10)
    WRONG = "Wrong"  # wrong password, none, or no such user: the server does not tell them apart
    NO_ACCESS = "NoAccess"  # the password was right; no permission in the virtual host, or there is no such one
    FULL = "Full"  # the password was right; a limit other than zero is reached
    TLS = "Tls"
    DOWN = "Down"


_TRIALS: Final = {
    Login.DISABLED: Trial.DISABLED,
    Login.WRONG: Trial.REFUSED,
    Login.NO_ACCESS: Trial.LACKING,
}
_USER_LIMIT: Final = re.compile(r"user connection limit \((?P<most>\d+)\)")
_ANY_LIMIT: Final = re.compile(r"limit \(\d+\)")
_ACCESS_REFUSED, _NOT_ALLOWED = 403, 530


class LoginFailed(FailedLogin[Login]):
    """A login that did not come about."""

    trials = _TRIALS


def refusal(code: int, text: str) -> Login:
    """What the server said when it hung up in the middle of a login. Limits are asked after the password was right."""
    if code == _ACCESS_REFUSED:
        return Login.WRONG
    if code != _NOT_ALLOWED:
        return Login.DOWN
    limit = _USER_LIMIT.search(text)
    if limit is not None:
        return Login.DISABLED if limit["most"] == "0" else Login.FULL
    return Login.FULL if _ANY_LIMIT.search(text) else Login.NO_ACCESS


def login_failure(error: BaseException) -> Login:
    """Of a login in which the server said nothing."""
    return Login.TLS if any(isinstance(one, ssl.SSLError) for one in _behind(error)) else Login.DOWN


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


_LACKING: Final[Words] = (
    Denied,
    "RotatorLacksRights",
    "The rotator may not do this: give it the tag administrator, as docs/providers/rabbitmq.md says.",
)
_REFUSED: Final[Words] = (
    Denied,
    "AdminRefused",
    "The management API refuses the rotator's user or password: renew the admin Secret.",
)
_ELSEWHERE: Final[Words] = (
    Misconfigured,
    "NotManagementApi",
    "What answers at host and port of the admin Secret is not RabbitMQ's management API: name that one.",
)
_LOST: Final[Words] = (
    OutcomeUnknown,
    "ConnectionLost",
    "The answer was lost in mid-write; users are read back first.",
)
_BUSY: Final[Words] = (
    Unavailable,
    "ServerBusy",
    "The server could not carry it out just now; it will be tried again.",
)
_LEAST_ERROR, _UNAUTHORISED, _SERVERS_FAULT = 400, 401, 500


def require_well(answer: httpx.Response, *, writing: bool) -> None:
    """Raises what an answer says that is no success."""
    if answer.status_code >= _SERVERS_FAULT:
        raise said(_LOST if writing else _BUSY)
    if answer.status_code == _UNAUTHORISED:
        raise said(_REFUSED if b"Login failed" in answer.content else _LACKING)
    if answer.status_code >= _LEAST_ERROR:
        raise Denied("ServerRefused", "The management API refused a call; the server's log may tell more.")
    if answer.is_redirect:
        raise said(_ELSEWHERE)


def elsewhere() -> KeyturnError:
    """The answer is not the management API's."""
    return said(_ELSEWHERE)


def explained(error: Exception, *, writing: bool = False) -> KeyturnError:
    """Any failure of httpx or the driver as one of ours."""
    if any(isinstance(one, ssl.SSLError) for one in _behind(error)):
        return said(TLS_FAILED)
    unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return said(_LOST if writing and not unsent else SERVER_DOWN)


@contextmanager
def translated(*, writing: bool = False) -> Generator[None]:
    """Within this block nothing of theirs gets out."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, AMQPError, TimeoutError, OSError) as error:
        raise explained(error, writing=writing) from None
