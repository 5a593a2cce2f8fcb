"""What NEW must have like OLD: membership in the owner, and the settings that a login takes from pg_db_role_setting.

SET ROLE does not load the owner's settings, so the slot carries copies. Limits (connection limit, expiry) are not
copied: Preflight refuses them.
"""

from __future__ import annotations

from typing import Final

from psycopg import sql

from keyturn.providers.postgres.connections import Connection

# The statements, made by the server: names by %I, values by %L. Settings that hold a list of identifiers are stored
# flattened ("$user", public) and are taken apart again, or they would come back as one long name; so does pg_dump.
STATEMENTS: Final = r"""
    WITH source AS (
        SELECT DISTINCT ON (s.setdatabase, split_part(c, '=', 1))
               s.setdatabase, split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value
        FROM pg_db_role_setting s
        JOIN pg_roles r ON r.oid = s.setrole AND r.rolname IN (%(owner)s, %(like)s)
        CROSS JOIN LATERAL unnest(s.setconfig) c
        WHERE lower(split_part(c, '=', 1)) NOT IN ('role', 'session_authorization')
        ORDER BY s.setdatabase, split_part(c, '=', 1), (r.rolname = %(like)s) DESC
    )
    SELECT format('ALTER ROLE %%I %%s SET %%I TO %%s', %(slot)s::text,
                  (SELECT format('IN DATABASE %%I', d.datname) FROM pg_database d WHERE d.oid = setdatabase),
                  name,
                  CASE WHEN lower(name) IN ('search_path', 'temp_tablespaces', 'session_preload_libraries',
                                            'local_preload_libraries') AND value <> ''
                       THEN (SELECT string_agg(format('%%L', CASE WHEN m[1] IS NOT NULL THEN replace(m[1], '""', '"')
                                                                  ELSE lower(m[2]) END), ', ')
                             FROM regexp_matches(value, '\s*(?:"((?:[^"]|"")*)"|([^",\s]+))\s*(?:,|$)', 'g') m)
                       ELSE format('%%L', value) END)
    FROM source ORDER BY setdatabase, name
"""

_DATABASES: Final = """
    SELECT d.datname::text FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
    JOIN pg_database d ON d.oid = s.setdatabase WHERE r.rolname = %s
"""


async def copy_settings(connection: Connection, owner: str, like: str, slot: str) -> None:
    """The slot's settings become the owner's, overlaid with those of ``like``; and it acts as the owner after login."""
    role = sql.Identifier(slot)
    cursor = await connection.execute(STATEMENTS, {"owner": owner, "like": like, "slot": slot})
    statements = [str(row[0]) for row in await cursor.fetchall()]
    cursor = await connection.execute(_DATABASES, [slot])
    for (database,) in await cursor.fetchall():
        where = sql.Identifier(str(database))
        await connection.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(role, where))
    await connection.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(role))
    for statement in statements:
        await connection.execute(statement.encode())
    await connection.execute(sql.SQL("ALTER ROLE {} SET role TO {}").format(role, sql.Literal(owner)))


_MISSING: Final = """
    SELECT DISTINCT split_part(o.c, '=', 1) FROM (
        SELECT s.setdatabase, c
        FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole AND r.rolname = %(owner)s,
             unnest(s.setconfig) c WHERE split_part(c, '=', 1) <> 'role'
    ) o WHERE NOT EXISTS (
        SELECT 1 FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole AND r.rolname = %(slot)s,
               unnest(s.setconfig) c
        WHERE s.setdatabase = o.setdatabase AND split_part(c, '=', 1) = split_part(o.c, '=', 1)
    ) ORDER BY 1
"""


async def missing_settings(connection: Connection, owner: str, slot: str) -> tuple[str, ...]:
    """The owner's settings that a login as the slot would not have."""
    cursor = await connection.execute(_MISSING, {"owner": owner, "slot": slot})
    return tuple(str(row[0]) for row in await cursor.fetchall())


async def grant_owner(connection: Connection, owner: str, slot: str) -> None:
    """Membership that inherits, so that a session that loses SET ROLE (DISCARD ALL) loses ownership, not access."""
    grant = sql.SQL("GRANT {} TO {}").format(sql.Identifier(owner), sql.Identifier(slot))
    if connection.info.server_version >= 160000:
        grant += sql.SQL(" WITH INHERIT TRUE, SET TRUE")
    await connection.execute(grant)
