"""Refused logins with the right password, from the server's log, where its owner installed tripwire.sql.

Times are the server's: only the length of the time that is asked about is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from keyturn.ports import Session
from keyturn.providers.postgres.connections import Connection, Connector

# An installed function is called only if it, and the schema it stands in, belong to a superuser: nobody can swap it.
_INSTALLED: Final = """
    SELECT count(*) = 2 AND bool_and(o.rolsuper AND s.rolsuper)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'keyturn_log'
    JOIN pg_roles o ON o.oid = p.proowner JOIN pg_roles s ON s.oid = n.nspowner
    WHERE p.proname IN ('sees', 'refused') AND has_schema_privilege(n.oid, 'USAGE')
      AND has_function_privilege(p.oid, 'EXECUTE')
"""
_SEES: Final = "SELECT keyturn_log.sees(%s::name[])"
_REFUSED: Final = """
    SELECT role::text, address, port, at FROM keyturn_log.refused(make_interval(secs => %s)) WHERE role = %s ORDER BY at
"""
_LATE: Final = timedelta(seconds=2)  # the log is written by another process, a moment after it happened


async def sees_refusals(connection: Connection, roles: Sequence[str]) -> bool:
    """Is the tripwire there, and does the server log in the way it needs?"""
    installed = await (await connection.execute(_INSTALLED)).fetchone()
    if installed is None or not installed[0]:
        return False
    seen = await (await connection.execute(_SEES, [list(roles)])).fetchone()
    return bool(seen and seen[0])


async def refusals(connection: Connection, connector: Connector, id_: str, age: timedelta) -> tuple[Session, ...]:
    """Of the last ``age``, as sessions that did not come about; our own attempts are marked as ours."""
    seconds = (max(age, timedelta()) + _LATE).total_seconds()
    cursor = await connection.execute(_REFUSED, [seconds, id_])
    return tuple(
        Session(id_, address, port, at, ours=connector.dialled(address, port))
        for _, address, port, at in await cursor.fetchall()
    )
