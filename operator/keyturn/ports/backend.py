"""What a backend must be able to do for one plan. Real ones live in ``providers``; all pass one contract suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from keyturn.core.evidence import Session
from keyturn.core.model import Existence, Idle, Op, Problem, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do, honestly."""

    reversible_disable: bool
    tells_disabled_from_wrong: bool  # expect_refused can say DISABLED
    sees_refused_attempts: bool  # else Watch is blind and the plan must accept that
    lists_sessions: bool  # else no pod can give Session evidence
    disable_delay: timedelta = timedelta()  # worst case until a disable bites; watch >= 2x this
    usage_lag: timedelta = timedelta()  # worst case until ``usage`` knows of a use; soak >= this
    sees_use: bool = True  # else nothing says who uses a credential: Soak is blind and the plan must accept that
    settles: timedelta = timedelta()  # a login begun before Disable may still open a session until then
    outlived: bool = False  # what was made with a credential, like a token, is good beyond it: for as long as a soak
    reuses_ids: bool = True  # two names take turns; else every credential has a name that was never used before
    lists_credentials: bool = True  # else no stranger can be seen, and Preflight says where people can look
    by_hand: bool = False  # people make and delete: what they made is there before it is asked for, and is kept


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where consumers log in."""

    name: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Credential:
    """A principal and the value that opens a session as it."""

    id: str
    value: Sealed


@dataclass(frozen=True, slots=True)
class Pending:
    """A create that is about to be asked for, kept in escrow before it is: its answer may be lost.

    Backends that name their credentials make another one at every call, and show its value once, in the answer.
    """

    before: tuple[str, ...]  # every id that the backend knew just before
    since: datetime


@dataclass(frozen=True, slots=True)
class Principal:
    """One entry of the backend's inventory."""

    id: str
    state: Existence
    plan: str = ""  # the plan whose tag it carries, "" if none of ours
    tag: str | None = None  # of our last change, ``rotation uid/generation``, "" before any; None: nothing is kept
    stranger: bool = False  # can reach the data, and nobody declared it
    expires: datetime | None = None  # when it stops working by itself, where the backend tells
    why: str = ""  # of a stranger: how it reaches the data, and how to declare it


@dataclass(frozen=True, slots=True)
class Usage:
    """Who uses a credential right now. ``idle`` is NOT_SEEN only if the positive control was seen in the same list."""

    idle: Idle
    sessions: tuple[Session, ...] = ()
    blind: str = ""  # why UNKNOWN, in words; or how a backend that lists no sessions knows that it is in use
    accepted_by: tuple[str, ...] = ()  # who judges a credential, and has just found this one good


@dataclass(frozen=True, slots=True)
class Checklist:
    """What Preflight found at the backend, each with the way out."""

    problems: tuple[Problem, ...] = ()  # each blocks
    unchecked: tuple[Problem, ...] = ()  # what nobody could be asked about, and how to look oneself


class Issuer(Protocol):
    """The half of a provider whose backend names credentials and makes their values: keys, tokens.

    escrow: pending ──► issue ──► escrow: id and value
                          └─ no answer: sweep, then pending anew
    """

    async def issue(self, op: Op, like: str, strangers: Sequence[str] = ()) -> Credential:
        """One more credential, with the rights of ``like`` or, if that is empty, of the declared baseline.

        Called once for each ``Pending`` that is in escrow. ``strangers`` may be deleted where there is no room.
        Raises OutcomeUnknown where the answer was lost, Denied where the backend refused.
        """
        ...

    async def sweep(self, op: Op, pending: Pending) -> None:
        """Nothing is left of what an unanswered ``issue`` made: certainly ours, never used, and its value is lost.

        Raises Unavailable while it might still come to light, Denied if somebody uses it: then it was not ours.
        """
        ...


class Provider(Protocol):
    """One backend, for one plan. Every mutation is preceded by ``identify`` and followed by a read-back.

    Connection-class failures raise ``Unavailable``; definite refusals ``Denied``; wrong settings ``Misconfigured``.
    ``op`` names the step: the same op always has the same outcome. A backend that keeps tags refuses (Denied) a change
    whose op has a lower epoch than the principal's tag, or a lower generation of the same rotation: that writer was
    overtaken. ``ensure`` looks at the tag of ``like`` as well.
    """

    capabilities: Capabilities  # as last seen: ``identify`` and ``reach`` ask the backend

    @property
    def issuer(self) -> Issuer | None:
        """Where the backend itself names credentials and makes their values; None: we do."""
        ...

    async def reach(self) -> Reach:
        """Does the rotator's own login work, or where there is none, does anybody answer? Never raises."""
        ...

    async def identify(self) -> str:
        """The system's own name, to be remembered at adoption; Denied where it is not the one remembered."""
        ...

    async def same_system(self, current: Credential) -> Sameness:
        """Is the target the system that ``current`` opens through the consumers' endpoints? Proved live."""
        ...

    async def inventory(self) -> tuple[Principal, ...]:
        """All principals that matter to this plan: slots, owner, and strangers."""
        ...

    async def preflight(self, current: Credential | None, clients: Sequence[str] = ()) -> Checklist:
        """The backend's own checklist, without changing anything. ``clients``: addresses consumers log in from."""
        ...

    async def next_id(self, current_id: str) -> str:
        """The free slot NEW will use, or a fresh name; "" where the backend names it. Pure planning.

        Raises Misconfigured when no slot is free, or there is no room for another credential.
        """
        ...

    def mint(self) -> Sealed:
        """A fresh value this backend accepts. Denied where the backend makes the values."""
        ...

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        """NEW exists, enabled, tagged, with this value and the rights of ``like``; one transaction where possible.

        ``like`` empty: the declared baseline, and nothing of what any credential has now. What a backend issued and
        lost cannot be made again: Denied.
        """
        ...

    async def test(self, credential: Credential) -> Trial:
        """Log in for real at every endpoint: right system, identity, rights, real write path.

        Raises nothing but ``Awaited``, where it is not the backend's own word at once: who has to follow is named.
        """
        ...

    async def usage(self, ids: Sequence[str], control: Credential) -> Mapping[str, Usage]:
        """Sessions right now, with a positive control: a labelled session of ``control`` must show.

        Where there are no sessions to list, uses that were recorded, among which one of ``control`` must be. A
        credential that is off needs none: nothing that it opened could go on.
        """
        ...

    async def disable(self, op: Op, id_: str) -> None:
        """Logins are refused from now on. Open sessions live on."""
        ...

    async def enable(self, op: Op, credential: Credential) -> None:
        """Logins work again, with this value (its holder may have changed it); one that works is tagged, no more."""
        ...

    async def contain(self, op: Op, new: Credential, old_id: str, strangers: Sequence[str]) -> None:
        """NEW as ``ensure`` makes it from the baseline; OLD and these strangers disabled; in one transaction.

        Then their sessions are told to end; ``usage`` and ``end_sessions`` take these strangers from then on. Denied,
        and nothing was changed, if one of them is a superuser, replicates, is the rotator, or is declared.
        """
        ...

    async def end_sessions(self, op: Op, id_: str) -> int:
        """End the open sessions of a disabled principal; how many were told to end."""
        ...

    async def refused_attempts(self, id_: str, since: datetime) -> tuple[Session, ...]:
        """Correct but refused logins since then, where ``capabilities.sees_refused_attempts``.

        Else empty, but for consumers that are seen to try by other means.
        """
        ...

    async def delete(self, op: Op, id_: str) -> None:
        """Irreversible. Denied unless disabled and without sessions, asked again at the moment of the call.

        Raises Awaited while somebody still has to follow the disabling.
        """
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...
