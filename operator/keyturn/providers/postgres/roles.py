"""Reads roles: attributes, tag, memberships, settings. Changes nothing.

Everything here is readable by any login (pg_roles, pg_auth_members and pg_db_role_setting are public).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from psycopg.rows import class_row

from keyturn.core.model import Existence
from keyturn.providers.postgres.connections import Connection
from keyturn.providers.postgres.tags import Tag
from keyturn.providers.turns import Mark

_ROLES: Final = """
    SELECT oid::bigint AS oid, rolname::text AS name, rolcanlogin AS can_login, rolsuper AS superuser,
           rolcreaterole AS createrole, rolreplication AS replication, rolbypassrls AS bypassrls,
           rolinherit AS inherits, rolconnlimit AS connection_limit, rolvaliduntil::text AS valid_until,
           CASE WHEN rolvaliduntil BETWEEN '1970-01-01' AND '3000-01-01' THEN rolvaliduntil AT TIME ZONE 'UTC' END
               AS valid_until_utc,
           shobj_description(oid, 'pg_authid') AS comment
    FROM pg_roles WHERE rolname = ANY(%s)
"""  # valid_until as text: the driver cannot read 'infinity'


@dataclass(frozen=True, slots=True)
class Role:
    """One role as the catalog tells it."""

    oid: int
    name: str
    can_login: bool
    superuser: bool
    createrole: bool
    replication: bool
    bypassrls: bool
    inherits: bool
    connection_limit: int
    valid_until: str | None
    valid_until_utc: datetime | None
    comment: str | None

    @property
    def tag(self) -> Tag | None:
        """Ours, if it carries one."""
        return Tag.read(self.comment)

    @property
    def existence(self) -> Existence:
        """In the inventory's words: retired only by our tag, and only while it cannot log in."""
        if self.can_login:
            return Existence.ACTIVE
        return Existence.RETIRED if self.tag and self.tag.state is Mark.RETIRED else Existence.DISABLED

    @property
    def powers(self) -> tuple[str, ...]:
        """Attributes that no role Keyturn rotates may have."""
        held = {
            "SUPERUSER": self.superuser,
            "CREATEROLE": self.createrole,
            "REPLICATION": self.replication,
            "BYPASSRLS": self.bypassrls,
        }
        return tuple(name for name, has in held.items() if has)

    @property
    def expires(self) -> bool:
        """Does its password stop working by itself?"""
        return self.valid_until not in {None, "infinity"}

    @property
    def expires_at(self) -> datetime | None:
        """When its password stops working; None: never, or not in our time."""
        return self.valid_until_utc.replace(tzinfo=UTC) if self.valid_until_utc else None


async def read_roles(connection: Connection, names: Sequence[str]) -> Mapping[str, Role]:
    """Those of the names that exist."""
    async with connection.cursor(row_factory=class_row(Role)) as cursor:
        await cursor.execute(_ROLES, [list(names)])
        return {role.name: role for role in await cursor.fetchall()}


_POWERFUL: Final = """
    WITH RECURSIVE reach(oid) AS (
        SELECT oid FROM pg_roles WHERE rolname = ANY(%s)
        UNION
        SELECT m.roleid FROM pg_auth_members m JOIN reach r ON m.member = r.oid
    )
    SELECT DISTINCT p.rolname::text FROM reach JOIN pg_roles p USING (oid)
    WHERE p.rolsuper OR p.rolcreaterole OR p.rolreplication OR p.rolbypassrls OR p.rolname LIKE 'pg\\_%%'
    ORDER BY 1
"""


async def powerful_reach(connection: Connection, names: Sequence[str]) -> tuple[str, ...]:
    """Which of these roles, and of all they are members of, are superuser-like or predefined (pg_*)."""
    cursor = await connection.execute(_POWERFUL, [list(names)])
    return tuple(row[0] for row in await cursor.fetchall())


_MEMBERSHIPS: Final = """
    SELECT g.rolname::text
    FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles u ON u.oid = m.member
    WHERE u.rolname = %s GROUP BY 1 ORDER BY 1
"""


async def memberships(connection: Connection, name: str) -> tuple[str, ...]:
    """The roles it is a direct member of."""
    cursor = await connection.execute(_MEMBERSHIPS, [name])
    return tuple(row[0] for row in await cursor.fetchall())


_IN_USE: Final = """
    SELECT (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid = r.oid)
         + (SELECT count(*) FROM pg_prepared_xacts x WHERE x.owner = r.rolname)
    FROM pg_roles r WHERE r.rolname = %s
"""  # pid and usesysid of every session are visible to every login


async def uses(connection: Connection, name: str) -> int:
    """Open sessions, by role oid, and prepared transactions."""
    cursor = await connection.execute(_IN_USE, [name])
    row = await cursor.fetchone()
    return int(row[0]) if row else 0
