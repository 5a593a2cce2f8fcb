"""Logs in for real, as consumers do, and tries what consumers need. Leaves nothing behind.

Poolers send DISCARD ALL between clients. It sets the role back to what ALTER ROLE … SET role says (seen on 15.18, 16.14
and 18.4), and the trial insists on that. An application that says SET ROLE NONE itself keeps access through inheritance
only, and owns what it then creates; so the trial asks for the rights that remain then, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from keyturn.core.model import Trial
from keyturn.ports import Credential, Endpoint, KeyturnError
from keyturn.providers.postgres.connections import Connection, Connector
from keyturn.providers.postgres.failures import LoginFailed
from keyturn.providers.postgres.identity import read_system
from keyturn.providers.verdicts import agreed

_WHO: Final = "SELECT session_user::text, current_user::text"
# A real row, written as the owner and rolled back: no DDL in the log, no event trigger, no lock on anybody's table.
_WRITE: Final = """
    SELECT CASE WHEN has_function_privilege('pg_catalog.lo_from_bytea(oid, bytea)', 'EXECUTE')
           THEN lo_from_bytea(0, 'keyturn write probe'::bytea)::bigint ELSE pg_current_xact_id()::text::bigint END
"""
_EXTRA_RIGHTS: Final = """
    SELECT pg_catalog.pg_has_role(%(id)s::name, %(owner)s::name, 'USAGE')
       AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles r WHERE r.rolname <> %(id)s
                       AND pg_catalog.pg_has_role(%(id)s::name, r.oid, 'MEMBER')
                       AND NOT pg_catalog.pg_has_role(%(owner)s::name, r.oid, 'MEMBER'))
"""


async def trial(
    connector: Connector, endpoints: Sequence[Endpoint], credential: Credential, owner: str, system: str
) -> Trial:
    """The outcome at all endpoints: WORKS, DISABLED or REFUSED only if all of them say so. Never raises."""
    return agreed([await _at(connector, endpoint, credential, owner, system) for endpoint in endpoints])


async def _at(connector: Connector, endpoint: Endpoint, credential: Credential, owner: str, system: str) -> Trial:
    try:
        async with connector.login(endpoint, credential, "trial") as (session, _):
            return await _use(session, credential.id, owner, system)
    except LoginFailed as failed:
        return failed.trial
    except KeyturnError as error:
        return Trial.LACKING if error.reason == "RotatorLacksRights" else Trial.DOWN


async def _use(session: Connection, id_: str, owner: str, system: str) -> Trial:
    there = await read_system(session)
    if there.name != system:
        return Trial.LACKING
    if there.in_recovery:
        return Trial.DOWN
    if await _one(session, _WHO) != (id_, owner):
        return Trial.LACKING
    async with session.transaction(force_rollback=True):
        await session.execute("SET TRANSACTION READ WRITE")
        await session.execute(_WRITE)
    await session.execute("DISCARD ALL")
    if await _one(session, _WHO) != (id_, owner):
        return Trial.LACKING
    await session.execute("SET ROLE NONE")
    (same_rights,) = await _one(session, _EXTRA_RIGHTS, {"id": id_, "owner": owner})
    return Trial.WORKS if same_rights else Trial.LACKING


async def _one(session: Connection, query: str, parameters: dict[str, str] | None = None) -> tuple[object, ...]:
    row = await (await session.execute(query.encode(), parameters)).fetchone()
    return tuple(row) if row else ()
