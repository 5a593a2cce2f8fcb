"""The provider the reconciler sees: every mutation is preceded by a look at the system's identity and read back after.

Decides nothing; keeps nothing between calls but which system it has seen and which sessions were its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from keyturn.core.model import Op, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import (
    Checklist,
    Clock,
    Conflict,
    Credential,
    KeyturnError,
    Misconfigured,
    Principal,
    Session,
    Unavailable,
    Usage,
)
from keyturn.providers.opening import Open
from keyturn.providers.postgres.abilities import read_abilities
from keyturn.providers.postgres.changes import Changes, CreateRole, InstalledFunctions
from keyturn.providers.postgres.checklist import go_through, try_endpoints
from keyturn.providers.postgres.connections import Connection, Connector, OwnSessions
from keyturn.providers.postgres.containment import contained
from keyturn.providers.postgres.identity import Identity, same_system
from keyturn.providers.postgres.inventory import free_slot, inventory
from keyturn.providers.postgres.kinds import UNASKED
from keyturn.providers.postgres.parity import missing_settings
from keyturn.providers.postgres.refusals import refused
from keyturn.providers.postgres.roles import Role, read_roles
from keyturn.providers.postgres.sessions import usage
from keyturn.providers.postgres.settings import Settings, read_settings
from keyturn.providers.postgres.tags import Tag
from keyturn.providers.postgres.trials import trial
from keyturn.providers.postgres.tripwire import refusals
from keyturn.providers.turns import Mark
from keyturn.providers.values import minted, require_escrowed, require_fit


class PostgresProvider:
    """Satisfies ``ports.Provider`` for one plan on one server."""

    issuer = None

    def __init__(self, settings: Settings, own: OwnSessions, clock: Clock) -> None:
        self.capabilities = UNASKED
        self._settings, self._clock = settings, clock
        self._connector = Connector(settings, own)
        self._identity = Identity(settings.system)
        self._changes: Changes = InstalledFunctions() if settings.functions else CreateRole(settings)

    # --------------------------------------------------------------------------------------------- looking

    async def identify(self) -> str:
        """The declared system's own name: system identifier and database. Raises like a mutation would."""
        async with self._connector.admin() as admin:
            system = await self._identity.require(admin)
            self.capabilities = await read_abilities(admin, self._settings.principals)
            return system.name

    async def reach(self) -> Reach:
        """Does the rotator's own login work? Never raises."""
        try:
            async with self._connector.admin() as admin:
                self.capabilities = await read_abilities(admin, self._settings.principals)
                return Reach.UP
        except Unavailable:
            return Reach.DOWN
        except KeyturnError:
            return Reach.REFUSED

    async def same_system(self, current: Credential) -> Sameness:
        """Proved live; see ``identity``. Never raises."""
        return await same_system(self._connector, self._identity, self._settings.endpoints, current)

    async def inventory(self) -> tuple[Principal, ...]:
        """Owner, slots and strangers."""
        async with self._connector.admin() as admin:
            return await inventory(admin, self._settings)

    async def preflight(self, current: Credential | None, clients: Sequence[str] = ()) -> Checklist:
        """The whole checklist."""
        async with self._connector.admin() as admin:
            await self._identity.require(admin)
            findings = await go_through(admin, self._settings, current, clients)
        await try_endpoints(self._connector, findings, current)
        return findings.checklist

    async def next_id(self, current_id: str) -> str:
        """The free slot. Raises Misconfigured with the reason for each slot that is not."""
        async with self._connector.admin() as admin:
            return await free_slot(admin, self._settings, current_id)

    def mint(self) -> Sealed:
        """See ``values``."""
        return minted()

    async def test(self, credential: Credential) -> Trial:
        """Log in for real at every endpoint. Never raises."""
        try:
            system = await self.identify()
        except KeyturnError:
            return Trial.DOWN
        return await trial(self._connector, self._settings.endpoints, credential, self._settings.owner, system)

    async def usage(self, ids: Sequence[str], control: Credential) -> Mapping[str, Usage]:
        """Sessions and prepared transactions, from every node. Never raises: what cannot be seen is UNKNOWN."""
        return await usage(self._connector, self._settings, ids, control)

    async def refused_attempts(self, id_: str, since: datetime) -> tuple[Session, ...]:
        """From the server's log, where its owner shows it; else empty."""
        if not self.capabilities.sees_refused_attempts:
            return ()
        async with self._connector.admin() as admin:
            return await refusals(admin, self._connector, id_, self._clock.now() - since)

    # -------------------------------------------------------------------------------------------- changing

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        """The slot exists, enabled, tagged, with this value, the owner's rights and ``like``'s settings."""
        like = like or self._settings.owner
        self._require_ours(like)
        self._require_slot(new)
        tag = self._tag(op, Mark.ACTIVE)
        async with self._writing() as admin:
            await self._changes.ensure(admin, new.id, new.value, like, tag)
            await self._read_back_new(admin, new.id, tag)

    async def contain(self, op: Op, new: Credential, old_id: str, strangers: Sequence[str]) -> None:
        """See ``containment``: one transaction, then the sessions. Rights and settings are the owner's alone."""
        self._require_ours(old_id)
        self._require_slot(new)
        tags = self._tag(op, Mark.ACTIVE), self._tag(op, Mark.DISABLED)
        async with self._writing() as admin:
            await self._changes.contain(admin, new, old_id, strangers, tags)
            await self._read_back_new(admin, new.id, tags[0])
            for name in (old_id, *strangers):
                if await _role(admin, name) is not None:
                    await _read_back(admin, name, None, can_login=False)
                    await self._changes.terminate(admin, name)

    async def enable(self, op: Op, credential: Credential) -> None:
        """LOGIN, with a verifier of this value; whoever logs in with it already keeps the verifier it has."""
        self._require_ours(credential.id)
        require_escrowed(credential.value)
        tag, works = self._tag(op, Mark.ACTIVE), await self._works(credential)
        async with self._writing() as admin:
            await self._changes.enable(admin, credential.id, credential.value, tag, works=works)
            await _read_back(admin, credential.id, tag, can_login=True)

    async def disable(self, op: Op, id_: str) -> None:
        """NOLOGIN. A role that does not exist is as disabled as can be."""
        self._require_ours(id_)
        tag = self._tag(op, Mark.DISABLED)
        async with self._writing() as admin:
            if await _role(admin, id_) is not None:
                await self._changes.disable(admin, id_, tag)
                await _read_back(admin, id_, None, can_login=False)

    async def end_sessions(self, op: Op, id_: str) -> int:
        """Only of a role that cannot log in: the plan's, or a stranger that was contained."""
        _ = op
        async with self._writing() as admin:
            if id_ not in self._settings.principals and not await contained(admin, id_):
                raise refused("KT001")
            return await self._changes.terminate(admin, id_)

    async def delete(self, op: Op, id_: str) -> None:
        """A password nobody knows, NOLOGIN, our tag. Never DROP: a dropped role's sessions go on writing."""
        self._require_ours(id_)
        tag = self._tag(op, Mark.RETIRED)
        async with self._writing() as admin:
            if await _role(admin, id_) is not None:
                await self._changes.retire(admin, id_, tag)
                await _read_back(admin, id_, tag, can_login=False)

    async def close(self) -> None:
        """Gives back sessions and the authority's file."""
        await self._connector.close()

    # ---------------------------------------------------------------------------------------------- inside

    @asynccontextmanager
    async def _writing(self) -> AsyncGenerator[Connection]:
        async with self._connector.admin(writing=True) as admin:
            await self._identity.require(admin)
            yield admin

    async def _read_back_new(self, admin: Connection, slot: str, tag: Tag) -> None:
        await _read_back(admin, slot, tag, can_login=True)
        if await missing_settings(admin, self._settings.owner, slot):
            raise _changed_meanwhile()

    def _require_slot(self, new: Credential) -> None:
        if new.id not in self._settings.slots:
            raise Misconfigured("NotASlot", f"{new.id} is not one of spec.postgres.slots.")
        require_fit(new.value)

    async def _works(self, credential: Credential) -> bool:
        """Nobody tries one that cannot log in: the server's log would hold a refused login of ours."""
        async with self._connector.admin() as admin:
            role = await _role(admin, credential.id)
        return role is not None and role.can_login and await self.test(credential) is Trial.WORKS

    def _tag(self, op: Op, mark: Mark) -> Tag:
        return Tag.of(self._settings.plan, op, mark)

    def _require_ours(self, id_: str) -> None:
        if id_ not in self._settings.principals:
            raise refused("KT001")


async def _role(connection: Connection, name: str) -> Role | None:
    return (await read_roles(connection, [name])).get(name)


async def _read_back(connection: Connection, name: str, tag: Tag | None, *, can_login: bool) -> None:
    """What was written is there. Raises Conflict if somebody wrote in between."""
    role = await _role(connection, name)
    if role is None or role.can_login != can_login or (tag is not None and role.tag != tag):
        raise _changed_meanwhile()


def _changed_meanwhile() -> Conflict:
    return Conflict(
        "RoleChanged", "The role is not as it was just written: somebody else changes it too. See who does."
    )


def opened_by(clock: Clock) -> Open:
    """Opens plans for the whole process: it remembers which sessions were its own."""
    own = OwnSessions()
    return lambda record, plan, admin: PostgresProvider(read_settings(record, plan, admin), own, clock)
