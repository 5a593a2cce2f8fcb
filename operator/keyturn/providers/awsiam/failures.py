"""The one place where the driver's exceptions become ours. Its texts are read here and go no further."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Final, cast

from botocore import exceptions
from botocore.parsers import ResponseParserError

from keyturn.ports import Denied, KeyturnError, OutcomeUnknown, Unavailable
from keyturn.providers.logins import FailedLogin
from keyturn.providers.telling import TLS_FAILED, Words, said

THEIRS: Final = (
    exceptions.BotoCoreError,
    exceptions.ClientError,
    ResponseParserError,
    TimeoutError,
    OSError,
)
"""All that the driver raises."""


class Login(StrEnum):
    """Why a signed request was not taken for whom it names."""

    UNKNOWN = "Unknown"  # no such key, or it is off: the services do not tell which
    WRONG = "Wrong"  # the key is known, and the signature is not its own
    TLS = "Tls"
    DOWN = "Down"


class LoginFailed(FailedLogin[Login]):
    """A key that was not let in."""


class Missing(Denied):
    """There is no such user or key, or not yet everywhere."""


_LIMITED: Final = {
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
    "RequestLimitExceeded", "TooManyRequestsException", "SlowDown", "PriorRequestNotComplete",
}  # fmt: skip
_BUSY: Final = {"ConcurrentModification", "ConcurrentModificationException", "EntityTemporarilyUnmodifiable"}
_NO_KEY: Final = {"InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException"}
_LATE: Final = ("expired", "not yet current")  # a SignatureDoesNotMatch that speaks of clocks, not of the value
_NEVER_SENT: Final = (
    exceptions.EndpointConnectionError,
    exceptions.ConnectTimeoutError,
    exceptions.ProxyConnectionError,
)


def _code(error: exceptions.ClientError) -> tuple[str, str, int]:
    """Code, words and HTTP status.

    https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
    """
    answer = cast("dict[str, Any]", error.response)
    told: dict[str, Any] = answer.get("Error", {})
    status: int = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return str(told.get("Code", "")), str(told.get("Message", "")), status


def login_failure(error: Exception) -> LoginFailed:
    """Of a request that was signed with somebody's key. What nobody can conclude from is DOWN."""
    if isinstance(error, exceptions.SSLError):
        return LoginFailed(Login.TLS)
    if isinstance(error, exceptions.ClientError):
        code, words, _status = _code(error)
        if code in _NO_KEY:
            return LoginFailed(Login.UNKNOWN)
        if code == "SignatureDoesNotMatch" and not any(late in words.lower() for late in _LATE):
            return LoginFailed(Login.WRONG)
    return LoginFailed(Login.DOWN)


_REFUSED: Final[Words] = (
    Denied,
    "AdminRefused",
    "AWS refuses the rotator's own access key: it is off, deleted or wrong. Renew the admin Secret.",
)
_LACKING: Final[Words] = (
    Denied,
    "RotatorLacksRights",
    "The rotator may not do this. Give it the policy of docs/providers/aws-iam.md again.",
)
_THROTTLED: Final[Words] = (
    Unavailable,
    "Throttled",
    "AWS limits how often it is asked just now, and did nothing; it will be asked again.",
)
_DOWN: Final[Words] = (Unavailable, "ServerDown", "AWS cannot be reached, or did not answer in time.")
_LOST: Final[Words] = (
    OutcomeUnknown,
    "ConnectionLost",
    "The answer to a change was lost; the user's keys are read back first.",
)
_BY_CODE: Final[dict[str, Words]] = {
    **dict.fromkeys(_LIMITED, _THROTTLED),
    **dict.fromkeys(_BUSY, (Unavailable, "ServerBusy", "AWS is changing the user just now; it will be asked again.")),
    **dict.fromkeys(_NO_KEY, _REFUSED),
    "SignatureDoesNotMatch": _REFUSED,
    "AccessDenied": _LACKING,
    "AccessDeniedException": _LACKING,
    "UnauthorizedOperation": _LACKING,
    "NoSuchEntity": (Missing, "NoSuchEntity", "The user has no such access key, or there is no such user."),
    "LimitExceeded": (
        Denied,
        "NoFreeSlot",
        "The user has as many access keys as AWS allows: delete the one that nobody needs.",
    ),
}
_OTHERWISE: Final[Words] = (Denied, "ServerRefused", "AWS refused a request; CloudTrail may tell more.")


def explained(error: Exception, *, writing: bool = False) -> KeyturnError:
    """Any failure of the rotator's own requests as one of ours."""
    if isinstance(error, exceptions.SSLError):
        return said(TLS_FAILED)
    if isinstance(error, exceptions.ClientError):
        code, words, status = _code(error)
        if any(late in words.lower() for late in _LATE) or code in {"RequestExpired", "RequestTimeTooSkewed"}:
            return Unavailable("ClockDiffers", "The operator's clock differs from AWS' by minutes: set it right.")
        if code in _BY_CODE:
            return said(_BY_CODE[code])
        if status < 500:
            return said(_OTHERWISE)
    never_sent = isinstance(error, _NEVER_SENT)
    return said(_LOST if writing and not never_sent else _DOWN)


@contextmanager
def translated(*, writing: bool = False) -> Generator[None]:
    """Within this block nothing of the driver's gets out."""
    try:
        yield
    except THEIRS as error:
        raise explained(error, writing=writing) from None
