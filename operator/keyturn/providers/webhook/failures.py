"""Codes of answers, and calls that did not come about, as errors of ours. A server's own words are never read."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pydantic import ValidationError

from keyturn.ports import Conflict, Denied, KeyturnError, Misconfigured, OutcomeUnknown, Unavailable
from keyturn.providers.telling import Words, said
from keyturn.providers.webhook.wire import Code, Refusal

_UNCHANGED: Final = "nothing was changed."
_KEY_REFUSED: Final[Words] = (
    Denied,
    "AdminRefused",
    "The webhook server refuses our signature: give it the key of the admin Secret, and let both clocks be right.",
)
_BUSY: Final[Words] = (
    Unavailable,
    "ServerBusy",
    "The webhook server could not carry it out just now; it will be tried again.",
)
_OTHERWISE: Final[Words] = (
    Denied,
    "ServerRefused",
    "The webhook server refuses this; its own log may tell more.",
)

MEANING: Final[Mapping[Code, Words]] = {
    Code.BAD_REQUEST: (
        Misconfigured,
        "RequestNotUnderstood",
        "The webhook server does not understand the request: let it speak docs/providers/webhook/openapi.yaml.",
    ),
    Code.UNSIGNED: _KEY_REFUSED,
    Code.STALE: (
        Denied,
        "ClocksDiffer",
        "The webhook server finds our request too old or too new: set its clock, or the operator's node's.",
    ),
    Code.REPLAYED: _BUSY,  # a nonce is ours alone: whoever answered so saw it before, and a new one will do
    Code.NOT_SERVED: (
        Denied,
        "NotServed",
        "The webhook server does not serve this plan, owner or slots: see its configuration.",
    ),
    Code.OVERTAKEN: (
        Denied,
        "Overtaken",
        "Another replica has taken over, or the rotation has turned back: nothing was done.",
    ),
    Code.NOT_OURS: (
        Denied,
        "NotOurs",
        f"A credential of this name exists and is not this plan's: {_UNCHANGED} Delete it, or name another.",
    ),
    Code.SLOT_IN_USE: (
        Denied,
        "SlotInUse",
        "The free slot can log in or has sessions, and not because of this rotation: see who uses it, then disable it.",
    ),
    Code.STILL_ENABLED: (
        Denied,
        "StillEnabled",
        "The credential can still log in. It goes only after it was disabled.",
    ),
    Code.STILL_IN_USE: (
        Denied,
        "StillInUse",
        "The credential has open sessions. End them, or wait until they end.",
    ),
    Code.MISSING: (Denied, "CredentialMissing", f"The credential does not exist at the backend: {_UNCHANGED}"),
    Code.OWNER_MISSING: (
        Denied,
        "OwnerMissing",
        "The owner, whose rights the slots are given, is gone: make it again with its rights.",
    ),
    Code.RETIRED: (Denied, "CredentialRetired", "The credential is retired: nothing brings it back."),
    Code.NOT_CONTAINABLE: (
        Denied,
        "NotContainable",
        (
            "A credential that shall be cut off administers the backend, replicates, is the server's own or is "
            f"declared: {_UNCHANGED} Take it off the list, or see to it."
        ),
    ),
    Code.UNSUITABLE_VALUE: (Denied, "UnsuitableValue", f"The backend does not take this value: {_UNCHANGED}"),
    Code.CHANGED_MEANWHILE: (
        Conflict,
        "CredentialChanged",
        "Somebody else changed the credential meanwhile; it will be looked at again.",
    ),
    Code.SERVER_LACKS_RIGHTS: (
        Denied,
        "RotatorLacksRights",
        "The backend refuses this to the webhook server: give it its rights again.",
    ),
    Code.BUSY: _BUSY,
    Code.BACKEND_DOWN: (Unavailable, "BackendDown", "The webhook server cannot reach its backend."),
    Code.INTERNAL: (
        OutcomeUnknown,
        "ServerFailed",
        "The webhook server failed; its own log tells more. What it did is read back first.",
    ),
}

REDIRECTED: Final[Words] = (
    Misconfigured,
    "Redirected",
    "The webhook server sends us elsewhere, where we never go: let spec.webhook.url name the place itself.",
)
NOT_SIGNED: Final[Words] = (
    Denied,
    "AnswerNotSigned",
    (
        "The webhook server's answer does not carry the right signature: give it the key of the admin Secret, or see "
        "who else answers at its address."
    ),
)
UNREADABLE: Final[Words] = (
    Denied,
    "AnswerUnreadable",
    "The webhook server's answer is not what docs/providers/webhook/openapi.yaml says; nothing was concluded from it.",
)
REPEATS_VALUE: Final[Words] = (
    Denied,
    "AnswerRepeatsValue",
    "The webhook server's answer holds a credential's value, so nothing of it was read: mend the server.",
)
LOST: Final[Words] = (
    OutcomeUnknown,
    "AnswerLost",
    "The webhook server did not answer a change, twice; what it did is read back first.",
)
NOT_DONE: Final[Words] = (
    Conflict,
    "NotCarriedOut",
    "The webhook server said that it was done, and its own inventory does not show it: mend the server.",
)

_LATER: Final = frozenset({HTTPStatus.LOCKED, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


def refused(status: int, body: bytes) -> KeyturnError:
    """What a signed answer other than 200 says; what says nothing we know counts by its status alone."""
    try:
        return said(MEANING[Refusal.model_validate_json(body).code])
    except ValidationError:
        return by_status(status) or said(_OTHERWISE)


def by_status(status: int) -> KeyturnError | None:
    """What a status says by itself, also when something in between answers: try again. None: it says nothing."""
    if status in _LATER:
        return said(_BUSY)
    return said(MEANING[Code.INTERNAL]) if status >= HTTPStatus.INTERNAL_SERVER_ERROR else None
