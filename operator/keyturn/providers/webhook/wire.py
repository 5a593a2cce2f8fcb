"""What is said over the wire, as strict models: what does not fit is refused whole.

docs/providers/webhook/openapi.yaml is generated from here. Answers carry codes, names, numbers and times, never prose:
nothing of a server's wording can reach a log or a person.
"""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from keyturn.core.sealed import Sealed

_LIKE_A_VALUE: Final = re.compile(r"kt[A-Za-z0-9]{40}")  # as ``providers.values`` makes them


def _no_value(text: str) -> str:
    """A value is never a name: whoever put it there made a mistake that must not be printed."""
    if _LIKE_A_VALUE.search(text):
        raise ValueError("looks like a credential's value")
    return text


def _address(text: str) -> str:
    return str(ip_address(text)) if text else text


Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9_.:@-]+$"), AfterValidator(_no_value)]
Plan = Annotated[str, Field(max_length=507, pattern=r"^[a-z0-9.-]+/[a-z0-9.-]+$"), AfterValidator(_no_value)]
Uid = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9-]+$"), AfterValidator(_no_value)]
Label = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Number = Annotated[int, Field(ge=0, le=2**53)]
Seconds = Annotated[int, Field(ge=0, le=604_800)]
Ip = Annotated[str, Field(max_length=45), AfterValidator(_address)]
Port = Annotated[int, Field(ge=1, le=65535)]
Value = Annotated[
    Sealed,
    PlainSerializer(lambda value: value.reveal_text(), return_type=str),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 1024, "format": "password"}),
]


class Said(BaseModel):
    """Camel case on the wire; nothing else than what is named, in exactly its type; never printed in errors."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
    )


# -------------------------------------------------------------------------------------------------- parts


class Op(Said):
    """Names one step of one rotation. The same op always has the same outcome, however often it is asked for."""

    rotation: Uid = Field(description="Uid of the rotation.")
    generation: Number = Field(description="Of the rotation; the way back has a higher one.")
    step: str = Field(max_length=32, description="For people who read the server's log.")
    epoch: Number = Field(description="Of the operator that leads; a later leader has a higher one.")


class Tag(Said):
    """Of the last change to a credential: the rotation, generation and epoch of its op."""

    rotation: Uid
    generation: Number
    epoch: Number


class Credential(Said):
    """A credential and the value that logs in with it."""

    id: Name
    value: Value


class State(StrEnum):
    """What a credential is good for."""

    ACTIVE = "Active"
    DISABLED = "Disabled"  # logins are refused, and can be allowed again
    RETIRED = "Retired"  # nobody knows a value of it any more
    ABSENT = "Absent"


class Principal(Said):
    """One credential that matters to the plan."""

    id: Name
    state: State
    plan: Plan | None = Field(default=None, description="Whose tag it carries, namespace/name.")
    tag: Tag | None = Field(default=None, description="Of the last change by Keyturn; null before any.")
    reaches: bool = Field(default=True, description="Does it reach the data that the owner reaches, just now?")
    sessions: Number | None = Field(default=None, description="How many are open; null where nobody can tell.")
    expires: AwareDatetime | None = Field(default=None, description="When it stops working by itself.")


class Session(Said):
    """One open session, by the credential that opened it."""

    principal: Name
    address: Ip = Field(default="", description="Of the client; empty if it is hidden.")
    port: Port | None = Field(default=None, description="Of the client.")
    started: AwareDatetime | None = None
    label: Label | None = Field(
        default=None, description="Of the request that the server opened it for; null: others'."
    )


class Outcome(StrEnum):
    """Of a login."""

    WORKS = "Works"  # logged in, with the owner's rights, and could write
    DISABLED = "Disabled"  # refused, the value being right
    REFUSED = "Refused"  # refused otherwise
    LACKING = "Lacking"  # logged in, with other rights than the owner's
    DOWN = "Down"  # the backend did not answer


class Verdict(StrEnum):
    """Is it the same system?"""

    SAME = "Same"
    DIFFERENT = "Different"
    UNKNOWN = "Unknown"


class Finding(StrEnum):
    """What would make a rotation unsafe; the words for people are Keyturn's."""

    BACKEND_TOO_OLD = "BackendTooOld"
    CHANGES_NOT_KEPT = "ChangesNotKept"
    CLIENT_NOT_ADMITTED = "ClientNotAdmitted"
    NODE_MISSING = "NodeMissing"
    OWNER_MISSING = "OwnerMissing"
    OWNER_TOO_POWERFUL = "OwnerTooPowerful"
    RIGHTS_DIFFER = "RightsDiffer"
    SERVER_LACKS_RIGHTS = "ServerLacksRights"
    TOO_FEW_CONNECTIONS = "TooFewConnections"


class Code(StrEnum):
    """Why a request was refused."""

    BAD_REQUEST = "BadRequest"
    UNSIGNED = "Unsigned"
    STALE = "Stale"
    REPLAYED = "Replayed"
    NOT_SERVED = "NotServed"
    OVERTAKEN = "Overtaken"
    NOT_OURS = "NotOurs"
    SLOT_IN_USE = "SlotInUse"
    STILL_ENABLED = "StillEnabled"
    STILL_IN_USE = "StillInUse"
    MISSING = "Missing"
    OWNER_MISSING = "OwnerMissing"
    RETIRED = "Retired"
    NOT_CONTAINABLE = "NotContainable"
    UNSUITABLE_VALUE = "UnsuitableValue"
    CHANGED_MEANWHILE = "ChangedMeanwhile"
    SERVER_LACKS_RIGHTS = "ServerLacksRights"
    BUSY = "Busy"
    BACKEND_DOWN = "BackendDown"
    INTERNAL = "Internal"


# ----------------------------------------------------------------------------------------------- requests


class About(Said):
    """Which plan a request is about, and what it may touch."""

    plan: Plan = Field(description="namespace/name")
    owner: Name
    slots: list[Name] = Field(min_length=2, max_length=2)


class PlanRequest(Said):
    """About one plan."""

    about: About


class SameSystemRequest(PlanRequest):
    """Is the system that the server changes the one that this credential opens where consumers log in?"""

    credential: Credential
    label: Label = Field(description="For the session that the server opens to find out.")


class PreflightRequest(PlanRequest):
    """What stands in the way of a rotation."""

    credential: Credential | None = None
    clients: list[Ip] = Field(default_factory=list[str], description="Addresses that consumers log in from.")


class EnsureRequest(PlanRequest):
    """Make this credential: enabled, tagged, with this value and the owner's rights."""

    op: Op
    credential: Credential
    like: Name | None = Field(default=None, description="The old one: its tag is looked at too. Null: look at none.")


class TrialRequest(PlanRequest):
    """Log in for real, wherever consumers do."""

    credential: Credential
    label: Label = Field(description="For the session that the server opens.")


class UsageRequest(PlanRequest):
    """Open a session with ``control``, carrying ``label``; then list the sessions of ``ids`` and ``control``."""

    ids: list[Name] = Field(max_length=64)
    control: Credential
    label: Label


class ChangeRequest(PlanRequest):
    """Disable, delete, or end the sessions of one credential."""

    op: Op
    id: Name


class EnableRequest(PlanRequest):
    """Let this credential in again, with this value."""

    op: Op
    credential: Credential


class ContainRequest(PlanRequest):
    """Make ``credential``, disable ``oldId`` and ``strangers``, in one transaction; then end their sessions."""

    op: Op
    credential: Credential
    old_id: Name
    strangers: list[Name] = Field(default_factory=list[str], max_length=64)


class AttemptsRequest(PlanRequest):
    """Who tried to log in with the right value of this disabled credential since then?"""

    id: Name
    since: AwareDatetime


# ------------------------------------------------------------------------------------------------ answers


class CapabilitiesAnswer(Said):
    """What the server can do. What it does not say it cannot do, or does as slowly as the default."""

    reversible_disable: bool = Field(default=False, description="A disabled credential can be enabled again.")
    fences: bool = Field(default=False, description="Keeps tags, and refuses what was overtaken.")
    tells_disabled_from_wrong: bool = Field(default=False, description="A test says Disabled only for the right value.")
    lists_sessions: bool = Field(default=False, description="Sees every open session, by credential.")
    sees_refused_attempts: bool = Field(default=False, description="Sees logins with a disabled credential.")
    disable_delay_seconds: Seconds = Field(default=3600, description="Until a disable bites, at worst.")
    usage_lag_seconds: Seconds = Field(default=3600, description="Until a session stands in the list, at worst.")
    settles_seconds: Seconds = Field(default=60, description="So long a login begun before Disable may still succeed.")
    naming: Literal["ours", "server"] = Field(default="ours", description="Who chooses names: ours are the slots.")


class IdentifyAnswer(Said):
    """The system's own name: the same for ever, and another one's for any other system."""

    system: str = Field(min_length=1, max_length=256)


class SameSystemAnswer(Said):
    """Proved by a live login, not by equal names."""

    verdict: Verdict


class InventoryAnswer(Said):
    """Owner, slots, and every other credential that reaches the owner's data; each once."""

    principals: list[Principal] = Field(max_length=2000)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({one.id for one in self.principals}) != len(self.principals):
            raise ValueError("a credential stands in the inventory twice")
        return self


class PreflightAnswer(Said):
    """What blocks, and what the server could not look at."""

    problems: list[Finding] = Field(default_factory=list[Finding], max_length=32)
    unchecked: list[Finding] = Field(default_factory=list[Finding], max_length=32)


class TrialAnswer(Said):
    """What a login came to, at all places where consumers log in."""

    outcome: Outcome


class UsageAnswer(Said):
    """Every open session of these credentials. ``complete``: every node answered."""

    complete: bool
    sessions: list[Session] = Field(max_length=5000)


class DoneAnswer(Said):
    """It is so now, whether it was done just now or before."""

    done: Literal[True]


class EndedAnswer(Said):
    """How many sessions were told to end."""

    ended: Number


class AttemptsAnswer(Said):
    """``started`` is when it was tried."""

    attempts: list[Session] = Field(max_length=5000)


class Refusal(Said):
    """Every answer but 200. A server may say more in its own log, never here."""

    code: Code
