"""Preflight's questions about owner and slots: attributes, memberships, limits, tags, settings."""

from __future__ import annotations

from typing import Final

from keyturn.ports import Misconfigured
from keyturn.providers.postgres.connections import Connection
from keyturn.providers.postgres.findings import Findings, ask
from keyturn.providers.postgres.inventory import free_slot
from keyturn.providers.postgres.parity import missing_settings
from keyturn.providers.postgres.roles import memberships, powerful_reach, read_roles
from keyturn.providers.telling import listed


async def _power(connection: Connection, findings: Findings) -> None:
    reached = await powerful_reach(connection, findings.settings.principals)
    if reached:
        findings.block(
            "RoleTooPowerful",
            f"Owner or slots are, or are members of, {listed(reached)}: Keyturn does not rotate roles that reach "
            "SUPERUSER, "
            "CREATEROLE, REPLICATION, BYPASSRLS or pg_* roles. Take that away, or use other roles.",
        )


async def _owner(connection: Connection, findings: Findings) -> None:
    owner = findings.settings.owner
    role = (await read_roles(connection, [owner])).get(owner)
    if role is None:
        findings.block(
            "OwnerMissing", f"spec.postgres.owner {owner} does not exist: create it NOLOGIN, owning the data."
        )
        return
    if role.can_login and findings.current != owner:
        findings.block(
            "OwnerCanLogin",
            f"{owner} can log in although the Secret holds another role: a credential that no rotation would reach. "
            f"ALTER ROLE {owner} NOLOGIN.",
        )
    rows = await ask(connection, "SELECT has_database_privilege(%s::name, current_database(), 'CONNECT')", [owner])
    if not rows[0][0]:
        findings.block(
            "OwnerCannotConnect",
            f"{owner} lacks CONNECT on {findings.settings.database}, and slots inherit it from there: GRANT it to "
            f"{owner}.",
        )


async def _current(connection: Connection, findings: Findings) -> None:
    """Limits that NEW would not have, and rights that OLD has beside the owner's."""
    name = findings.current
    role = (await read_roles(connection, [name])).get(name)
    if role is None:
        return
    if role.connection_limit >= 0:
        findings.block(
            "ConnectionLimit",
            f"{name} has CONNECTION LIMIT {role.connection_limit}, which would not bind the next role, and pools of "
            "both are "
            f"open at once. ALTER ROLE {name} CONNECTION LIMIT -1; limit the database or the pools instead.",
        )
    if role.expires:
        findings.block(
            "RoleExpires",
            f"The password of {name} has a VALID UNTIL: it could end in mid-rotation. ALTER ROLE {name} VALID UNTIL "
            "'infinity'.",
        )
    if name != findings.settings.owner and name in findings.settings.slots:
        await _current_slot(connection, findings, name)


_INHERITS_15: Final = """
    SELECT u.rolinherit FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.member JOIN pg_roles g ON g.oid = m.roleid
    WHERE u.rolname = %s AND g.rolname = %s
"""
_INHERITS_16: Final = """
    SELECT bool_or(m.inherit_option) AND bool_or(m.set_option)
    FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.member JOIN pg_roles g ON g.oid = m.roleid
    WHERE u.rolname = %s AND g.rolname = %s HAVING count(*) > 0
"""
_ACTS_AS: Final = """
    SELECT 1 FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole AND r.rolname = %s
    WHERE s.setdatabase = 0 AND 'role=' || %s = ANY (s.setconfig)
"""


async def _current_slot(connection: Connection, findings: Findings, name: str) -> None:
    owner = findings.settings.owner
    newer = connection.info.server_version >= 160000
    rows = await ask(connection, _INHERITS_16 if newer else _INHERITS_15, [name, owner])
    how = " WITH INHERIT TRUE, SET TRUE" if newer else f"; ALTER ROLE {name} INHERIT"
    if not rows or not rows[0][0]:
        findings.block(
            "SlotDoesNotInherit",
            f"{name} is no member of {owner} that inherits: a session that loses its role would lose access. "
            f"GRANT {owner} TO {name}{how}.",
        )
    if not await ask(connection, _ACTS_AS, [name, owner]):
        findings.block(
            "SlotActsAsItself",
            f"Sessions of {name} do not act as {owner}, so what they create belongs to {name}. "
            f"ALTER ROLE {name} SET role TO '{owner}'.",
        )
    if missing := await missing_settings(connection, owner, name):
        findings.block(
            "SettingsDiffer",
            f"{owner} has settings that {name} does not get at login and the next slot would: {listed(missing)}. "
            f"ALTER ROLE {name} SET the same, or RESET them on {owner}.",
        )


_GRANTS: Final = """
    SELECT u.rolname::text, g.rolname::text FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.member
    JOIN pg_roles g ON g.oid = m.roleid WHERE u.rolname = ANY(%s) AND m.admin_option ORDER BY 1, 2
"""


async def _membership(connection: Connection, findings: Findings) -> None:
    owner = findings.settings.owner
    for slot in findings.settings.slots:
        beside = [group for group in await memberships(connection, slot) if group != owner]
        if beside:
            findings.block(
                "MembershipOutsideOwner",
                f"{slot} is also a member of {listed(beside)}; the next slot would not be. Grant that to {owner} and "
                "revoke it "
                f"from {slot}.",
            )
    rows = await ask(connection, _GRANTS, [list(findings.settings.principals)])
    if rows:
        pairs = listed(f"{member} on {role}" for member, role in rows)
        findings.block(
            "RoleCanGrant",
            f"ADMIN OPTION lets roles of this plan hand rights on: {pairs}. REVOKE ADMIN OPTION FOR … from it.",
        )


async def _tags(connection: Connection, findings: Findings) -> None:
    for role in (await read_roles(connection, findings.settings.principals)).values():
        if role.tag and role.tag.plan != findings.settings.plan:
            findings.block(
                "OtherPlansRole",
                f"{role.name} carries the tag of plan {role.tag.plan}. Two plans cannot rotate one role; if that "
                "plan is gone, "
                "take the tag out of the role's comment.",
            )


async def _free(connection: Connection, findings: Findings) -> None:
    if not findings.current:
        return
    try:
        await free_slot(connection, findings.settings, findings.current)
    except Misconfigured as error:
        findings.block(error.reason, error.message)


_NOT_COPYABLE: Final = """
    SELECT DISTINCT split_part(c, '=', 1) AS name
    FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole AND r.rolname = ANY(%s), unnest(s.setconfig) c
    LEFT JOIN pg_settings g ON lower(g.name) = lower(split_part(c, '=', 1))
    WHERE split_part(c, '=', 1) <> 'role' AND coalesce(g.context, 'superuser') LIKE 'superuser%%'
      AND NOT has_parameter_privilege(split_part(c, '=', 1), 'SET')
    ORDER BY 1
"""


async def _settings(connection: Connection, findings: Findings) -> None:
    if findings.settings.functions:
        return
    rows = await ask(connection, _NOT_COPYABLE, [[findings.settings.owner, findings.current]])
    if rows:
        findings.block(
            "SettingNotCopyable",
            f"The rotator may not give the next slot {listed(str(row[0]) for row in rows)}, which only superusers set. "
            "GRANT SET ON PARAMETER … to it, set that for the database instead, or use rotator: Functions.",
        )


ROLE_CHECKS = (_power, _owner, _current, _membership, _tags, _free, _settings)
