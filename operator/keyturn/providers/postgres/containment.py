"""Strangers that a person named are cut off: no login, and a mark that says so. Nobody else may be.

Superusers, roles that replicate, the rotator, declared logins (``keyturn:known``, break-glass ones among them) and
other plans' roles are out of reach, and so is every role that does not reach this plan's data: the rotator could
otherwise shut out whomever it likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from psycopg import sql

from keyturn.providers.postgres.connections import Connection
from keyturn.providers.postgres.inventory import find_strangers
from keyturn.providers.postgres.refusals import refused
from keyturn.providers.postgres.roles import read_roles
from keyturn.providers.postgres.settings import Settings
from keyturn.providers.postgres.tags import CONTAINED

_WITHOUT_ADMIN: Final = """
    SELECT 1 FROM pg_roles r WHERE r.rolname = ANY(%s) AND NOT EXISTS (
        SELECT 1 FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.member
        WHERE m.roleid = r.oid AND u.rolname = session_user AND m.admin_option)
"""


async def cut_off(connection: Connection, settings: Settings, names: Sequence[str]) -> None:
    """All of them or none, within the caller's transaction. One that does not exist is as cut off as can be."""
    roles = await read_roles(connection, names)
    strangers = await find_strangers(connection, settings, besides=names)
    if any(name not in strangers or role.tag or role.replication for name, role in roles.items()):
        raise refused("KT014")
    if connection.info.server_version >= 160000 and await _one(connection, _WITHOUT_ADMIN, list(roles)):
        raise refused("KT015")
    for name, role in roles.items():
        await connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(name)))
        if CONTAINED not in (role.comment or ""):
            text = "\n".join(part for part in (role.comment, CONTAINED) if part)
            comment = sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(name), sql.Literal(text))
            await connection.execute(comment)


async def _one(connection: Connection, query: str, names: list[str]) -> bool:
    return await (await connection.execute(query.encode(), [names])).fetchone() is not None


async def contained(connection: Connection, name: str) -> bool:
    """Was it cut off by us?"""
    role = (await read_roles(connection, [name])).get(name)
    return role is not None and CONTAINED in (role.comment or "")
