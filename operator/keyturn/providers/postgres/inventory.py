"""All principals that matter to a plan: owner, slots, and strangers: logins that reach the data and nobody declared.

Superusers are left out: they reach everything, always, and are the server's own business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from keyturn.core.model import Existence
from keyturn.ports import Principal
from keyturn.providers.postgres.connections import Connection
from keyturn.providers.postgres.roles import Role, read_roles, uses
from keyturn.providers.postgres.settings import Settings
from keyturn.providers.postgres.tags import KNOWN, Tag
from keyturn.providers.turns import Mark, first_free, require_declared

# members of a declared role, of whoever holds rights on the owner's tables, or of the roles that read or write all data
_STRANGERS: Final = """
    WITH RECURSIVE declared AS (
        SELECT oid FROM pg_roles WHERE rolname = ANY(%(declared)s)
    ), holders(oid, way) AS (
        SELECT oid, 'is a member of a role of this plan' FROM declared
        UNION
        SELECT oid, 'can read or write all data (' || rolname || ')' FROM pg_roles
        WHERE rolname IN ('pg_read_all_data', 'pg_write_all_data')
        UNION
        SELECT acl.grantee, 'holds privileges on tables of ' || %(owner)s
        FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner AND o.rolname = %(owner)s,
             LATERAL aclexplode(c.relacl) acl WHERE acl.grantee NOT IN (0, c.relowner)
        UNION
        SELECT acl.grantee, 'holds privileges on columns of ' || %(owner)s
        FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner AND o.rolname = %(owner)s
        JOIN pg_attribute t ON t.attrelid = c.oid, LATERAL aclexplode(t.attacl) acl
        WHERE acl.grantee NOT IN (0, c.relowner)
    ), reach(oid, way) AS (
        SELECT oid, way FROM holders
        UNION
        SELECT m.member, r.way FROM pg_auth_members m JOIN reach r ON m.roleid = r.oid
    )
    SELECT p.rolname::text, min(r.way) FROM reach r JOIN pg_roles p USING (oid)
    WHERE (p.rolcanlogin OR p.rolname = ANY(%(besides)s)) AND NOT p.rolsuper
      AND p.oid NOT IN (SELECT oid FROM declared) AND p.rolname <> %(rotator)s
      AND coalesce(shobj_description(p.oid, 'pg_authid'), '') NOT LIKE '%%' || %(known)s || '%%'
    GROUP BY 1 ORDER BY 1
"""


async def inventory(connection: Connection, settings: Settings) -> tuple[Principal, ...]:
    """Owner and slots with their state, and strangers with the way they reach the data."""
    roles = await read_roles(connection, settings.principals)
    ours = tuple(_principal(name, roles.get(name)) for name in settings.principals)
    way_out = f"revoke that, or declare the login: COMMENT ON ROLE … IS '{KNOWN} <who it is>'"
    strangers = tuple(
        Principal(name, Existence.ACTIVE, stranger=True, why=f"{way}; {way_out}")
        for name, way in (await find_strangers(connection, settings)).items()
    )
    return (*ours, *strangers)


async def find_strangers(connection: Connection, settings: Settings, besides: Sequence[str] = ()) -> Mapping[str, str]:
    """Each stranger and the way it reaches the data; those named in ``besides`` also if they cannot log in."""
    names = {"declared": list(settings.principals), "owner": settings.owner, "rotator": settings.user}
    cursor = await connection.execute(_STRANGERS, {**names, "known": KNOWN, "besides": list(besides)})
    return {str(name): str(way) for name, way in await cursor.fetchall()}


def _principal(name: str, role: Role | None) -> Principal:
    if role is None:
        return Principal(name, Existence.ABSENT, tag="")
    tag = role.tag
    public = tag.public if tag else ""
    return Principal(name, role.existence, plan=tag.plan if tag else "", tag=public, expires=role.expires_at)


async def free_slot(connection: Connection, settings: Settings, current_id: str) -> str:
    """The slot NEW will use: not the current one, and nobody's.

    Raises:
        Misconfigured: the current credential is not of this plan, or no slot is free, with the reason for each.
    """
    require_declared(current_id, settings.principals, called="role", backend="postgres")
    roles = await read_roles(connection, settings.principals)
    others = (slot for slot in settings.slots if slot != current_id)
    return first_free({slot: await _taken(connection, settings.plan, roles, slot) for slot in others})


async def _taken(connection: Connection, plan: str, roles: Mapping[str, Role], slot: str) -> str:
    """Why the slot cannot be used; empty if it can."""
    role = roles.get(slot)
    if role is None:
        return ""
    if role.tag is None:
        wanted = Tag(plan, "-", 0, 0, Mark.RETIRED)
        return f"exists and is not ours (drop it, or hand it over: COMMENT ON ROLE … IS '{wanted}')"
    if role.tag.plan != plan:
        return f"carries the tag of plan {role.tag.plan} (two plans cannot share a role)"
    if role.can_login:
        return "can still log in (see who uses it, then ALTER ROLE … NOLOGIN)"
    if await uses(connection, slot):
        return "still has sessions or prepared transactions (end them)"
    return ""
