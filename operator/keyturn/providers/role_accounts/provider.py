"""The provider the reconciler sees: every mutation is preceded by a look at the system's identity and read back after.

Changes are calls of installed procedures (docs/providers/*/procedures.sql), which compare and set inside the
server. Decides nothing; keeps nothing between calls but which connections were its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keyturn.core.model import Existence, Op, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import (
    Checklist,
    Conflict,
    Credential,
    Denied,
    KeyturnError,
    Misconfigured,
    Principal,
    Session,
    Unavailable,
    Usage,
)
from keyturn.providers.opening import Open
from keyturn.providers.role_accounts import identity, sessions
from keyturn.providers.role_accounts.checks import go_through
from keyturn.providers.role_accounts.connections import Connector, OwnThreads, Wire
from keyturn.providers.role_accounts.dialect import Dialect
from keyturn.providers.role_accounts.settings import Settings, read_settings
from keyturn.providers.role_accounts.trials import trial
from keyturn.providers.turns import first_free
from keyturn.providers.values import minted, require_escrowed, require_fit

_WAY_OUT: Final = "revoke that, or declare it: INSERT INTO keyturn.known VALUES ('<name>', '<who it is>')"


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the rotator's list."""

    name: str
    locked: bool | None  # None: it does not exist
    plan: str
    rotation: str
    generation: int
    state: str

    @property
    def existence(self) -> Existence:
        """In the words of the inventory."""
        if self.locked is None:
            return Existence.ABSENT
        if not self.locked:
            return Existence.ACTIVE
        return Existence.RETIRED if self.state == "retired" else Existence.DISABLED

    @property
    def tag(self) -> str:
        """``rotation uid/generation``; empty before any."""
        return f"{self.rotation}/{self.generation}" if self.rotation else ""


class RoleAccountsProvider:
    """Satisfies ``ports.Provider`` for one plan on one server."""

    issuer = None

    def __init__(self, settings: Settings, own: OwnThreads) -> None:
        self._settings, self._field = settings, settings.dialect.field
        self.capabilities = settings.dialect.able
        self._connector = Connector(settings, own)

    # --------------------------------------------------------------------------------------------- looking

    async def identify(self) -> str:
        """The declared system's own name. Raises like a mutation would."""
        async with self._connector.admin() as wire:
            return await identity.require(wire, self._settings)

    async def reach(self) -> Reach:
        """Does the rotator's own login work? Never raises."""
        try:
            async with self._connector.admin():
                return Reach.UP
        except Unavailable:
            return Reach.DOWN
        except KeyturnError:
            return Reach.REFUSED

    async def same_system(self, current: Credential) -> Sameness:
        """Proved live; see ``identity``. Never raises."""
        return await identity.same_system(self._connector, self._settings, current)

    async def inventory(self) -> tuple[Principal, ...]:
        """Slots and strangers. The owner is a role: nobody logs in as it."""
        async with self._connector.admin() as wire:
            accounts = await self._accounts(wire)
            rows = await wire.ask("CALL keyturn.strangers(%s, %s)", [self._settings.owner, self._settings.user])
        ours = tuple(
            Principal(name, account.existence, plan=account.plan, tag=account.tag)
            if (account := accounts.get(name))
            else Principal(name, Existence.ABSENT, tag="")
            for name in self._settings.slots
        )
        ways = {str(name): str(way) for name, _, way in rows}
        strangers = (Principal(n, Existence.ACTIVE, stranger=True, why=f"{w}; {_WAY_OUT}") for n, w in ways.items())
        return (*ours, *strangers)

    async def preflight(self, current: Credential | None, clients: Sequence[str] = ()) -> Checklist:
        """The whole checklist."""
        _ = clients  # one host row per slot, the same for both
        await self.identify()
        return await go_through(self._connector, self._settings, current)

    async def next_id(self, current_id: str) -> str:
        """The free slot. Raises Misconfigured with the reason for each slot that is not."""
        if current_id not in self._settings.slots:
            raise Misconfigured(
                "CurrentNotDeclared",
                f"The Secret holds the account {current_id!r}, which is no spec.{self._field}.slots.",
            )
        async with self._connector.admin() as wire:
            accounts = await self._accounts(wire)
            rows = await wire.ask("CALL keyturn.sessions()")
        busy = {str(row[1]) for row in rows}
        others = (slot for slot in self._settings.slots if slot != current_id)
        return first_free({slot: _taken(accounts.get(slot), busy) for slot in others})

    def mint(self) -> Sealed:
        """See ``values``."""
        return minted()

    async def test(self, credential: Credential) -> Trial:
        """Log in for real at every endpoint. Never raises."""
        try:
            system = await self.identify()
        except KeyturnError:
            return Trial.DOWN
        return await trial(self._connector, self._settings, credential, system)

    async def usage(self, ids: Sequence[str], control: Credential) -> Mapping[str, Usage]:
        """Connections on every server. Never raises: what cannot be seen is UNKNOWN."""
        return await sessions.usage(self._connector, self._settings, ids, control)

    async def refused_attempts(self, id_: str, since: datetime) -> tuple[Session, ...]:
        """None are told: see ``capabilities``."""
        _ = id_, since
        return ()

    # -------------------------------------------------------------------------------------------- changing

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        """The slot is open with this value; its rights are the role's, which ``like`` has too."""
        self._require_slot(new)
        where = [self._settings.plan, new.id, self._hash_of(new), like]
        await self._call(op, new.id, "ensure_account", where, Existence.ACTIVE)

    async def contain(self, op: Op, new: Credential, old_id: str, strangers: Sequence[str]) -> None:
        """OLD and these strangers locked, NEW made, under one lock of the server. Then sessions."""
        self._require_slot(new)
        named = json.dumps(list(strangers))
        where = [self._settings.plan, new.id, self._hash_of(new), old_id, named, self._settings.user]
        await self._call(op, new.id, "contain", where, Existence.ACTIVE)
        for name in (old_id, *strangers):
            await self._end(name)

    async def enable(self, op: Op, credential: Credential) -> None:
        """Open again, with this value; whoever logs in with it already keeps what it has."""
        require_escrowed(credential.value)
        works = await self.test(credential) is Trial.WORKS
        where = [self._settings.plan, credential.id, "" if works else self._hash_of(credential)]
        await self._call(op, credential.id, "enable_account", where, Existence.ACTIVE)

    async def disable(self, op: Op, id_: str) -> None:
        """Locked. An account that does not exist is as disabled as can be."""
        if await self._exists(id_):
            await self._call(op, id_, "disable_account", [self._settings.plan, id_], Existence.DISABLED)

    async def end_sessions(self, op: Op, id_: str) -> int:
        """Only of an account that is locked: the plan's, or a stranger that was contained."""
        _ = op
        await self.identify()
        return await self._end(id_)

    async def delete(self, op: Op, id_: str) -> None:
        """A password nobody knows, locked. Never DROP: a dropped account's sessions go on writing."""
        if await self._exists(id_):
            await self._call(op, id_, "retire_account", [self._settings.plan, id_], Existence.RETIRED)

    async def close(self) -> None:
        """No connection outlives its call."""

    # ---------------------------------------------------------------------------------------------- inside

    def _hash_of(self, credential: Credential) -> str:
        """What the server keeps of it, so that nothing else is sent."""
        return self._settings.dialect.hash_of(credential.id, credential.value)

    async def _call(self, op: Op, name: str, procedure: str, where: Sequence[str], wanted: Existence) -> None:
        """One procedure, and what it left read back. Raises Conflict if somebody wrote in between."""
        words = [*where, op.rotation_uid or "-", op.generation, op.epoch]
        places = ", ".join(["%s"] * len(words))
        async with self._connector.admin(writing=True) as wire:
            await identity.require(wire, self._settings)
            await wire.ask(f"CALL keyturn.{procedure}({places})", words)
            after = (await self._accounts(wire)).get(name)
        tag = f"{op.rotation_uid or '-'}/{op.generation}"
        if after is None or after.existence is not wanted or after.tag != tag:
            raise Conflict(
                "AccountChanged",
                "The account is not as it was just written: somebody else changes it too. See who does.",
            )

    async def _end(self, name: str) -> int:
        async with self._connector.admin(writing=True) as wire:
            rows = await wire.ask("CALL keyturn.end_sessions(%s, %s)", [self._settings.plan, name])
        return int(rows[0][0]) if rows else 0

    async def _exists(self, name: str) -> bool:
        if name not in self._settings.slots:
            raise Denied("AccountNotAdmitted", f"{name} is no slot of this plan: nothing was changed.")
        async with self._connector.admin() as wire:
            found = (await self._accounts(wire)).get(name)
        return found is not None and found.locked is not None

    async def _accounts(self, wire: Wire) -> dict[str, Account]:
        rows = await wire.ask("CALL keyturn.inventory(%s)", [self._settings.plan])
        return {
            str(name): Account(
                str(name), None if locked is None else bool(locked), plan, rotation, int(generation), state
            )
            for name, locked, plan, rotation, generation, state in rows
        }

    def _require_slot(self, new: Credential) -> None:
        if new.id not in self._settings.slots:
            raise Misconfigured("NotASlot", f"{new.id} is not one of spec.{self._field}.slots.")
        require_fit(new.value)


def _taken(account: Account | None, busy: set[str]) -> str:
    """Why the slot cannot be used; empty if it can."""
    if account is None:
        return "is not in the rotator's list (CALL keyturn.admit(…) for this plan)"
    if account.existence is Existence.ABSENT:
        return "does not exist (CALL keyturn.admit(…) makes it again)"
    if account.existence is Existence.ACTIVE:
        return "can still log in (see who uses it, then ALTER USER … ACCOUNT LOCK)"
    return "still has sessions (end them)" if account.name in busy else ""


def opening(dialect: Dialect) -> Open:
    """Opens plans for the whole process: it remembers which connections were its own."""
    own = OwnThreads()
    return lambda record, plan, admin: RoleAccountsProvider(read_settings(dialect, record, plan, admin), own)
