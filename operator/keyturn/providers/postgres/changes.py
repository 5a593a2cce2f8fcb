"""The changes Keyturn makes to a role, in both forms of the rotator. Each is one transaction that guards itself.

The first statement of each is the change itself or a rewrite of the verifier: it locks the role's row, so that what is
read after it (tag, epoch, sessions) cannot be overtaken by another writer; a guard that says no rolls all of it back.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from typing import Final, Protocol

from psycopg import sql

from keyturn.core.sealed import Sealed
from keyturn.ports import Credential
from keyturn.providers.postgres.connections import Connection
from keyturn.providers.postgres.containment import cut_off
from keyturn.providers.postgres.parity import copy_settings, grant_owner
from keyturn.providers.postgres.refusals import refused
from keyturn.providers.postgres.roles import Role, memberships, powerful_reach, read_roles, uses
from keyturn.providers.postgres.settings import Settings
from keyturn.providers.postgres.tags import Tag
from keyturn.providers.turns import Mark


class Changes(Protocol):
    """What a rotator can do to a role."""

    async def ensure(self, connection: Connection, slot: str, value: Sealed, like: str, tag: Tag) -> None:
        """The slot exists, logs in with this value, and has the owner's rights and settings."""
        ...

    async def enable(self, connection: Connection, name: str, value: Sealed, tag: Tag, *, works: bool) -> None:
        """Logins work, with this value. One that ``works`` keeps the verifier it has, and is tagged."""
        ...

    async def disable(self, connection: Connection, name: str, tag: Tag) -> None:
        """Logins are refused."""
        ...

    async def contain(
        self, connection: Connection, new: Credential, old: str, strangers: Sequence[str], tags: tuple[Tag, Tag]
    ) -> None:
        """NEW from the baseline, OLD and the strangers without login; ``tags`` of NEW and of OLD."""
        ...

    async def retire(self, connection: Connection, name: str, tag: Tag) -> None:
        """A disabled role without sessions gets a password that nobody knows."""
        ...

    async def terminate(self, connection: Connection, name: str) -> int:
        """End the sessions of a role that cannot log in; how many were told to."""
        ...


def verifier(connection: Connection, name: str, value: Sealed) -> str:
    """The SCRAM verifier, computed here: the server never sees the value, nor do its log and statistics."""
    made = connection.pgconn.encrypt_password(value.reveal(), name.encode(), b"scram-sha-256")
    return made.decode()


def unknowable_verifier() -> str:
    """A verifier without a password: its keys are random, and nobody has what they would be derived from."""
    salt, stored, server = (base64.b64encode(secrets.token_bytes(size)).decode() for size in (16, 32, 32))
    return f"SCRAM-SHA-256$4096:{salt}${stored}:{server}"


_KEEPS_VERIFIER: Final = 3  # version of the functions from which ``enable`` takes NULL: leave it as it is


class InstalledFunctions:
    """EXECUTE on the superuser's functions (docs/providers/postgres/functions.sql), and no other right."""

    async def ensure(self, connection: Connection, slot: str, value: Sealed, like: str, tag: Tag) -> None:
        """One function, one transaction."""
        made = verifier(connection, slot, value)
        await connection.execute("SELECT keyturn.ensure(%s, %s, %s, %s)", [slot, like, made, str(tag)])

    async def enable(self, connection: Connection, name: str, value: Sealed, tag: Tag, *, works: bool) -> None:
        """One function, one transaction. Functions of an older version always want a verifier."""
        keeps = works and await _installed(connection) >= _KEEPS_VERIFIER
        made = None if keeps else verifier(connection, name, value)
        await connection.execute("SELECT keyturn.enable(%s, %s, %s)", [name, made, str(tag)])

    async def disable(self, connection: Connection, name: str, tag: Tag) -> None:
        """One function, one transaction."""
        await connection.execute("SELECT keyturn.disable(%s, %s)", [name, str(tag)])

    async def contain(
        self, connection: Connection, new: Credential, old: str, strangers: Sequence[str], tags: tuple[Tag, Tag]
    ) -> None:
        """One function, one transaction."""
        made = verifier(connection, new.id, new.value)
        await connection.execute(
            "SELECT keyturn.contain(%s, %s, %s, %s, %s, %s)",
            [new.id, made, str(tags[0]), old, str(tags[1]), list(strangers)],
        )

    async def retire(self, connection: Connection, name: str, tag: Tag) -> None:
        """One function, one transaction. The server makes up the verifier."""
        await connection.execute("SELECT keyturn.retire(%s, %s)", [name, str(tag)])

    async def terminate(self, connection: Connection, name: str) -> int:
        """One function, one transaction."""
        cursor = await connection.execute("SELECT keyturn.terminate(%s)", [name])
        row = await cursor.fetchone()
        return int(row[0]) if row else 0


async def _installed(connection: Connection) -> int:
    row = await (await connection.execute("SELECT keyturn.version()")).fetchone()
    return int(row[0]) if row else 0


_TERMINATE: Final = """
    SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid))
    FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
    WHERE r.rolname = %s AND NOT r.rolcanlogin AND a.pid <> pg_backend_pid()
"""


class CreateRole:
    """The CREATEROLE attribute; from 16 on with ADMIN on the owner and its slots."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._owner = settings.owner

    async def ensure(self, connection: Connection, slot: str, value: Sealed, like: str, tag: Tag) -> None:
        """Role, membership, settings and tag in one transaction: after a crash there is nothing or everything."""
        role = sql.Identifier(slot)
        secret = sql.Literal(verifier(connection, slot, value))
        async with connection.transaction():
            await _require_turn(connection, like, tag)
            existed = slot in await read_roles(connection, [slot])
            if not existed:
                await connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN INHERIT").format(role))
            await connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, secret))
            before = await _guarded(connection, slot, tag)
            if existed:
                await self._require_free(connection, before, tag)
            await connection.execute(sql.SQL("ALTER ROLE {} LOGIN INHERIT CONNECTION LIMIT -1").format(role))
            if before.expires:
                await connection.execute(sql.SQL("ALTER ROLE {} VALID UNTIL 'infinity'").format(role))
            await grant_owner(connection, self._owner, slot)
            if await memberships(connection, slot) != (self._owner,) or await powerful_reach(connection, [slot]):
                raise refused("KT006")
            await copy_settings(connection, self._owner, like, slot)
            await _comment(connection, before, tag)

    async def enable(self, connection: Connection, name: str, value: Sealed, tag: Tag, *, works: bool) -> None:
        """LOGIN with a fresh verifier of the escrowed value."""
        secret = sql.Literal(verifier(connection, name, value))
        async with connection.transaction():
            fresh = sql.SQL("" if works else " PASSWORD {}").format(secret)
            change = sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(name)) + fresh
            before = await _changed(connection, change, name, tag)
            if before.tag and before.tag.state is Mark.RETIRED:
                raise refused("KT009")
            await _comment(connection, before, tag)

    async def disable(self, connection: Connection, name: str, tag: Tag) -> None:
        """NOLOGIN, which also refuses certificate, peer and LDAP logins; VALID UNTIL would only expire the password."""
        async with connection.transaction():
            change = sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(name))
            before = await _changed(connection, change, name, tag)
            if before.tag and before.tag.state is Mark.RETIRED:
                return
            await _comment(connection, before, tag)

    async def contain(
        self, connection: Connection, new: Credential, old: str, strangers: Sequence[str], tags: tuple[Tag, Tag]
    ) -> None:
        """All in one transaction: whoever is refused, nothing was changed."""
        async with connection.transaction():
            await self.ensure(connection, new.id, new.value, self._owner, tags[0])
            change = sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(old))
            before = await _changed(connection, change, old, tags[1], harmless=False)
            if before.tag is None or before.tag.state is not Mark.RETIRED:
                await _comment(connection, before, tags[1])
            await cut_off(connection, self._settings, strangers)

    async def retire(self, connection: Connection, name: str, tag: Tag) -> None:
        """Guards asked again inside the transaction that makes it irreversible."""
        async with connection.transaction():
            secret = sql.Literal(unknowable_verifier())
            change = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), secret)
            before = await _changed(connection, change, name, tag)
            if before.can_login:
                raise refused("KT007")
            if await uses(connection, name):
                raise refused("KT008")
            await _comment(connection, before, tag)

    async def terminate(self, connection: Connection, name: str) -> int:
        """By oid, and only of a role that cannot log in again."""
        role = (await read_roles(connection, [name])).get(name)
        if role is None:
            return 0
        if role.can_login:
            raise refused("KT007")
        cursor = await connection.execute(_TERMINATE, [name])
        row = await cursor.fetchone()
        return int(row[0]) if row else 0

    async def _require_free(self, connection: Connection, before: Role, tag: Tag) -> None:
        if before.tag is None:
            raise refused("KT005")
        same = before.tag.rotation == tag.rotation
        if not same and (before.can_login or await uses(connection, before.name)):
            raise refused("KT011")


async def _changed(connection: Connection, change: sql.Composed, name: str, tag: Tag, *, harmless: bool = True) -> Role:
    if name not in await read_roles(connection, [name]):
        raise refused("KT012")
    await connection.execute(change)
    return await _guarded(connection, name, tag, harmless=harmless)


async def _guarded(connection: Connection, name: str, tag: Tag, *, harmless: bool = True) -> Role:
    """The role as it is now that nobody else can change it, if this operation may touch it."""
    role = (await read_roles(connection, [name]))[name]
    if role.tag and role.tag.plan != tag.plan:
        raise refused("KT003")
    if role.tag and role.tag.overtakes(tag):
        raise refused("KT004")
    if harmless and await powerful_reach(connection, [name]):
        raise refused("KT006")
    return role


async def _require_turn(connection: Connection, like: str, tag: Tag) -> None:
    """Locks the row of ``like`` without a change: nobody turns back while this goes on, or has yet."""
    if like not in await read_roles(connection, [like]):
        return  # somebody dropped it: then the new role is all that helps
    await connection.execute(sql.SQL("ALTER ROLE {}").format(sql.Identifier(like)))
    role = (await read_roles(connection, [like]))[like]
    if role.tag and role.tag.plan == tag.plan and role.tag.overtakes(tag):  # an owner may carry another plan's
        raise refused("KT004")


async def _comment(connection: Connection, before: Role, tag: Tag) -> None:
    text = sql.Literal(tag.within(before.comment))
    await connection.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(before.name), text))
