"""The provider the reconciler sees: every mutation is preceded by a look at the system's identity and read back after.

What the server says of a change is not believed until its own inventory shows it. Decides nothing; keeps nothing
between calls but the labels of sessions that were opened for it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from keyturn.core.model import Existence, Op, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import (
    Checklist,
    Clock,
    Credential,
    Denied,
    KeyturnError,
    Misconfigured,
    Principal,
    Session,
    Unavailable,
    Usage,
)
from keyturn.providers.addresses import Resolve, looked_up
from keyturn.providers.opening import Open
from keyturn.providers.recent import Recent
from keyturn.providers.telling import said
from keyturn.providers.turns import first_free, require_declared
from keyturn.providers.values import minted, require_escrowed, require_fit
from keyturn.providers.webhook import checks, failures, wire
from keyturn.providers.webhook.calls import CALL_SECONDS, Caller
from keyturn.providers.webhook.inventory import Inventory
from keyturn.providers.webhook.kinds import LEAST
from keyturn.providers.webhook.sessions import OwnLabels, sessions_of, usage_by_id
from keyturn.providers.webhook.settings import Settings, read_settings, require_name

_GONE: Final = (Existence.RETIRED, Existence.ABSENT)


class WebhookProvider:
    """Satisfies ``ports.Provider`` for one plan at one server."""

    issuer = None

    def __init__(
        self,
        settings: Settings,
        own: OwnLabels,
        clock: Clock,
        *,
        resolve: Resolve = looked_up,
        seconds: float = CALL_SECONDS,
    ) -> None:
        self.capabilities = LEAST
        self._settings, self._own, self._clock = settings, own, clock
        self._caller = Caller(settings.server, resolve, clock, seconds=seconds)
        self._about = wire.About(plan=settings.plan, owner=settings.owner, slots=list(settings.slots))

    # --------------------------------------------------------------------------------------------- looking

    async def identify(self) -> str:
        """A name for the server and the system behind it. Raises like a mutation would."""
        return self._remembered(await self._system())

    async def reach(self) -> Reach:
        """Does the server believe our signatures and we its, and does it reach its backend? Never raises."""
        try:
            await self._system()
        except Unavailable:
            return Reach.DOWN
        except KeyturnError:
            return Reach.REFUSED
        return Reach.UP

    async def same_system(self, current: Credential) -> Sameness:
        """The server's word, from a live login. Never raises."""
        try:
            await self.identify()
            request = wire.SameSystemRequest(about=self._about, credential=_sent(current), label=self._label())
            answer = await self._caller.ask("same-system", request, wire.SameSystemAnswer, current.value)
        except Denied as error:
            return Sameness.DIFFERENT if error.reason == "WrongSystem" else Sameness.UNKNOWN
        except KeyturnError:
            return Sameness.UNKNOWN
        return Sameness(answer.verdict.value)

    async def inventory(self) -> tuple[Principal, ...]:
        """Owner, slots and strangers."""
        return (await self._inventory()).principals()

    async def preflight(self, current: Credential | None, clients: Sequence[str] = ()) -> Checklist:
        """The server's checklist, and what the server itself lacks."""
        await self.identify()
        request = wire.PreflightRequest(
            about=self._about, credential=None if current is None else _sent(current), clients=list(clients)
        )
        values = () if current is None else (current.value,)
        answer = await self._caller.ask("preflight", request, wire.PreflightAnswer, *values)
        about_current = () if current is None else (await self._inventory()).problems(current.id)
        return Checklist(
            (*checks.unable(await self._able()), *about_current, *checks.found(answer.problems)),
            checks.not_looked_at(answer.unchecked, self._settings),
        )

    async def next_id(self, current_id: str) -> str:
        """The free slot. Raises Misconfigured with the reason for each slot that is not."""
        require_declared(current_id, self._settings.users, called="credential", backend="webhook")
        found = await self._inventory()
        return first_free({slot: found.taken(slot) for slot in self._settings.slots if slot != current_id})

    def mint(self) -> Sealed:
        """See ``values``."""
        return minted()

    async def test(self, credential: Credential) -> Trial:
        """The server logs in for real, wherever consumers do. Never raises."""
        try:
            await self.identify()
            request = wire.TrialRequest(about=self._about, credential=_sent(credential), label=self._label())
            answer = await self._caller.ask("test", request, wire.TrialAnswer, credential.value)
        except KeyturnError:
            return Trial.DOWN
        return Trial(answer.outcome.value)

    async def usage(self, ids: Sequence[str], control: Credential) -> Mapping[str, Usage]:
        """Sessions as the server lists them. Never raises: what cannot be seen is UNKNOWN."""
        label = self._label()
        try:
            if not (await self._able()).lists_sessions:
                return usage_by_id(ids, (), "the webhook server cannot list sessions")
            request = wire.UsageRequest(
                about=self._about, ids=[require_name(id_) for id_ in ids], control=_sent(control), label=label
            )
            answer = await self._caller.ask("usage", request, wire.UsageAnswer, control.value)
        except KeyturnError as error:
            return usage_by_id(ids, (), f"sessions could not be listed: {error.reason}")
        seen = any((one.principal, one.label) == (control.id, label) for one in answer.sessions)
        blind = "" if seen else "the session that Keyturn asked for is not in the webhook server's list"
        if not answer.complete:
            blind = "the webhook server could not ask every node for its sessions"
        return usage_by_id(ids, sessions_of(answer.sessions, self._own), blind)

    async def refused_attempts(self, id_: str, since: datetime) -> tuple[Session, ...]:
        """Where the server can see them."""
        if not (await self._able()).sees_refused_attempts:
            return ()
        request = wire.AttemptsRequest(about=self._about, id=require_name(id_), since=since)
        answer = await self._caller.ask("refused-attempts", request, wire.AttemptsAnswer)
        found = sessions_of(answer.attempts, self._own)
        return tuple(
            one
            for one in found
            if one.principal == id_ and not one.ours and (one.started is None or one.started >= since)
        )

    # -------------------------------------------------------------------------------------------- changing

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        """The slot exists, enabled, tagged, with this value and the owner's rights."""
        self._require_slot(new)
        if like:
            self._require_ours(like)
        await self.identify()
        request = wire.EnsureRequest(about=self._about, op=_op(op), credential=_sent(new), like=like or None)
        await self._caller.change("ensure", request, wire.DoneAnswer, new.value)
        await self._read_back(op, new.id, Existence.ACTIVE)

    async def contain(self, op: Op, new: Credential, old_id: str, strangers: Sequence[str]) -> None:
        """In one transaction of the server's: NEW with the owner's rights, OLD and these strangers disabled."""
        self._require_ours(old_id)
        self._require_slot(new)
        if any(name in self._settings.users or self._settings.declared(name) for name in strangers):
            raise said(failures.MEANING[wire.Code.NOT_CONTAINABLE])
        await self.identify()
        request = wire.ContainRequest(
            about=self._about,
            op=_op(op),
            credential=_sent(new),
            old_id=old_id,
            strangers=[require_name(name) for name in strangers],
        )
        await self._caller.change("contain", request, wire.DoneAnswer, new.value)
        found = await self._read_back(op, new.id, Existence.ACTIVE)
        if any(found.state(name) is Existence.ACTIVE for name in (old_id, *strangers)):
            raise said(failures.NOT_DONE)

    async def enable(self, op: Op, credential: Credential) -> None:
        """It logs in, with this value; one that does already is tagged and no more."""
        self._require_ours(credential.id)
        require_escrowed(credential.value)
        await self.identify()
        request = wire.EnableRequest(about=self._about, op=_op(op), credential=_sent(credential))
        await self._caller.change("enable", request, wire.DoneAnswer, credential.value)
        await self._read_back(op, credential.id, Existence.ACTIVE)

    async def disable(self, op: Op, id_: str) -> None:
        """Its logins are refused. One that does not exist is as disabled as can be."""
        await self._change("disable", op, id_, (Existence.DISABLED, *_GONE))

    async def end_sessions(self, op: Op, id_: str) -> int:
        """Of a credential that cannot log in: the plan's, or a stranger that was contained."""
        await self.identify()
        request = wire.ChangeRequest(about=self._about, op=_op(op), id=require_name(id_))
        return (await self._caller.change("end-sessions", request, wire.EndedAnswer)).ended

    async def delete(self, op: Op, id_: str) -> None:
        """Nobody can log in with it ever again. Refused unless it is disabled and has no session."""
        await self._change("delete", op, id_, _GONE)

    async def close(self) -> None:
        """No connection outlives its call."""

    # ---------------------------------------------------------------------------------------------- inside

    async def _change(self, verb: str, op: Op, id_: str, wanted: Sequence[Existence]) -> None:
        self._require_ours(id_)
        await self.identify()
        request = wire.ChangeRequest(about=self._about, op=_op(op), id=require_name(id_))
        await self._caller.change(verb, request, wire.DoneAnswer)
        await self._read_back(op, id_, *wanted)

    async def _read_back(self, op: Op, id_: str, *wanted: Existence) -> Inventory:
        """Raises Conflict if the inventory does not show what the server said it did."""
        found = await self._inventory()
        state = found.state(id_)
        if state not in wanted or (state not in _GONE and not found.carries(id_, op)):
            raise said(failures.NOT_DONE)
        return found

    async def _inventory(self) -> Inventory:
        answer = await self._caller.ask("inventory", wire.PlanRequest(about=self._about), wire.InventoryAnswer)
        return Inventory(self._settings, answer.principals)

    async def _able(self) -> wire.CapabilitiesAnswer:
        """What the server can do, asked anew. Raises Misconfigured if we cannot work so at all."""
        told = await self._caller.ask("capabilities", None, wire.CapabilitiesAnswer)
        self.capabilities = checks.capabilities(told)
        return told

    async def _system(self) -> str:
        await self._able()
        answer = await self._caller.ask("identify", wire.PlanRequest(about=self._about), wire.IdentifyAnswer)
        return answer.system

    def _remembered(self, system: str) -> str:
        """The system's name as we keep it: a digest, for the server's words go nowhere."""
        server = self._settings.server.target
        name = f"webhook/{server.host}:{server.port}/{hashlib.sha256(system.encode()).hexdigest()[:32]}"
        if self._settings.system and name != self._settings.system:
            raise Denied(
                "WrongSystem",
                "The webhook server is another one, or speaks of another system, than when this plan was adopted. "
                "Point it back, or make a new plan for the new system.",
            )
        return name

    def _label(self) -> str:
        """For the next session that the server opens on our behalf: nobody else can know it."""
        label = secrets.token_hex(16)
        self._own.add(label)
        return label

    def _require_ours(self, id_: str) -> None:
        if id_ not in self._settings.users:
            raise Denied("NotManaged", f"{id_} is neither the owner nor a slot of this plan: nothing was changed.")

    def _require_slot(self, new: Credential) -> None:
        if new.id not in self._settings.slots:
            raise Misconfigured("NotASlot", f"{new.id} is not one of spec.webhook.slots.")
        require_fit(new.value)


def _op(op: Op) -> wire.Op:
    return wire.Op(rotation=op.rotation_uid or "-", generation=op.generation, step=op.step, epoch=op.epoch)


def _sent(credential: Credential) -> wire.Credential:
    return wire.Credential(id=require_name(credential.id), value=credential.value)


def opened_by(clock: Clock) -> Open:
    """Opens plans for the whole process: it remembers which sessions were opened for it."""
    own: OwnLabels = Recent()
    return lambda record, plan, admin: WebhookProvider(read_settings(record, plan, admin), own, clock)
