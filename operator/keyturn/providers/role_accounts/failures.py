"""The one place where the driver's exceptions become ours. Its texts go no further; numbers are enough.

Numbers: https://mariadb.com/docs/server/reference/error-codes/mariadb-error-code-reference and
https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
"""

from __future__ import annotations

import ssl
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from pymysql import err

from keyturn.core.model import Trial
from keyturn.ports import Conflict, Denied, KeyturnError, Misconfigured, OutcomeUnknown, Unavailable
from keyturn.providers.logins import FailedLogin
from keyturn.providers.telling import SERVER_DOWN, TLS_FAILED, Words, said


class Login(StrEnum):
    """Why a login failed."""

    DISABLED = "Disabled"  # the password was right, the account is locked
    WRONG = "Wrong"  # wrong password, or no such account: the server does not tell them apart
    NO_DATABASE = "NoDatabase"
    NO_ACCESS = "NoAccess"
    EXPIRED = "Expired"  # the password was right, and has expired
    TLS = "Tls"
    DOWN = "Down"


_LOGINS: Final = {
    1045: Login.WRONG,
    1698: Login.WRONG,
    1130: Login.WRONG,  # no account for this host
    1044: Login.NO_ACCESS,
    1049: Login.NO_DATABASE,
    1820: Login.EXPIRED,
    1862: Login.EXPIRED,
    3159: Login.TLS,  # connections without TLS are not admitted
    2026: Login.TLS,
}
_TRIALS: Final = {
    Login.DISABLED: Trial.DISABLED,
    Login.WRONG: Trial.REFUSED,
    Login.NO_ACCESS: Trial.LACKING,
    Login.NO_DATABASE: Trial.LACKING,
    Login.EXPIRED: Trial.LACKING,
}


class LoginFailed(FailedLogin[Login]):
    """A login that did not come about."""

    trials = _TRIALS


def number_of(error: BaseException) -> int:
    """The server's number, 0 if there is none."""
    first = error.args[0] if isinstance(error, err.MySQLError) and error.args else 0
    return first if isinstance(first, int) else 0


def login_failure(error: Exception, locked: int) -> LoginFailed:
    """Which of them it was. ``locked``: the number by which this family says that the account is locked."""
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return LoginFailed(Login.TLS)
    number = number_of(error)
    return LoginFailed(Login.DISABLED if number == locked else _LOGINS.get(number, Login.DOWN))


_ROTATORS: Final[dict[Login, Words]] = {
    Login.WRONG: (Denied, "AdminRefused", "The server refuses the rotator's user or password: renew the admin Secret."),
    Login.DISABLED: (Denied, "AdminRefused", "The rotator's account is locked: unlock it or renew the admin Secret."),
    Login.EXPIRED: (
        Denied,
        "AdminRefused",
        "The rotator's password has expired: set it anew, and in the admin Secret.",
    ),
    Login.NO_ACCESS: (Misconfigured, "NotInstalled", "The rotator may not use database keyturn: run procedures.sql."),
    Login.NO_DATABASE: (Misconfigured, "NotInstalled", "There is no database keyturn: run procedures.sql."),
    Login.TLS: TLS_FAILED,
    Login.DOWN: SERVER_DOWN,
}


def rotators_login(kind: Login) -> KeyturnError:
    """The same failure, when it was the rotator's own login."""
    return said(_ROTATORS[kind])


_REFUSALS: Final = {
    31001: ("AccountNotAdmitted", "The account is not in the rotator's list: CALL keyturn.admit(…) for this plan."),
    31002: ("NotAHash", "Only hashes are accepted; nothing was changed. Install the procedures of this version."),
    31003: ("OtherPlansAccount", "The account belongs to another plan: give this plan accounts of its own."),
    31004: (
        "NewerLeader",
        (
            "An operator with a newer lease epoch, or the way back of this rotation, has changed the account since; "
            "this change stands back."
        ),
    ),
    31007: ("StillEnabled", "The account can still log in: that comes only after it was locked."),
    31008: ("StillInUse", "The account has open sessions. End them, or wait until they end."),
    31011: (
        "SlotInUse",
        "The free slot can log in or has sessions, but not by this rotation: see who uses it.",
    ),
    31012: ("AccountMissing", "The account does not exist: CALL keyturn.admit(…) makes it again."),
    31017: (
        "SessionsHidden",
        "The server lists no sessions, so nobody can tell whether one is left: start it with performance_schema=ON.",
    ),
    31014: (
        "NotContainable",
        (
            "An account that shall be cut off is an administrator, replicates, is the rotator, is declared, belongs to "
            "a plan, or does not reach this plan's data: nothing was changed. Take it off the list, or see to it."
        ),
    ),
}


_LOST: Final = frozenset({0, 2003, 2006, 2013, 1053, 1927})
_BUSY = (Unavailable, "ServerBusy", "The server could not carry it out just now; it will be tried again.")
_MISSING = (Misconfigured, "NotInstalled", "The rotator's procedures are missing: run procedures.sql.")
_LACKING = (Denied, "RotatorLacksRights", "The rotator may not do this: CALL keyturn.admit(…) gives it its rights.")
_OTHERS: Final[dict[int, Words]] = {
    **dict.fromkeys((1040, 1205, 1213, 1290, 31016), _BUSY),
    **dict.fromkeys((1305, 1146), _MISSING),
    **dict.fromkeys((1142, 1370, 1044), _LACKING),
    1396: (Conflict, "AccountChanged", "Somebody else changed the account at that moment; it is looked at again."),
}


def explained(error: Exception, *, writing: bool = False) -> KeyturnError:
    """Any failure of the driver as one of ours."""
    number = number_of(error)
    if number in _REFUSALS:
        return Denied(*_REFUSALS[number])
    if number in _OTHERS:
        return said(_OTHERS[number])
    if number not in _LOST:
        return Denied("ServerRefused", f"The server refused with error {number}; its log tells more.")
    if writing:
        return OutcomeUnknown("ConnectionLost", "The connection was lost in mid-write; accounts are read first.")
    return Unavailable("ServerDown", "The server cannot be reached, or did not answer in time.")


@contextmanager
def translated(*, writing: bool = False) -> Generator[None]:
    """Within this block nothing of the driver's gets out."""
    try:
        yield
    except (err.MySQLError, TimeoutError, OSError) as error:
        raise explained(error, writing=writing) from None
