"""Which system is this? Proved live: equal identifiers are shared by clones (a restored backup has its original's).

The proof: the rotator holds an advisory lock on a random key, and a login through the consumers' endpoint must see it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from keyturn.core.model import Sameness
from keyturn.ports import Credential, Denied, Endpoint, KeyturnError, Unavailable
from keyturn.providers.postgres.connections import Connection, Connector
from keyturn.providers.postgres.failures import LoginFailed

_IDENTITY: Final = """
    SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' || current_database(), pg_is_in_recovery()
"""
_HOLD: Final = "SELECT pg_try_advisory_xact_lock(%s, %s)"
_SEEN: Final = """
    SELECT EXISTS (
        SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
        WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid::bigint = %s AND l.objid::bigint = %s
          AND l.granted AND l.mode = 'ExclusiveLock' AND l.pid <> pg_backend_pid())
"""


@dataclass(frozen=True, slots=True)
class System:
    """A server and a database on it."""

    name: str  # system identifier/database
    in_recovery: bool


async def read_system(connection: Connection) -> System:
    """What the session is connected to."""
    cursor = await connection.execute(_IDENTITY)
    row = await cursor.fetchone()
    if row is None:
        raise Unavailable("ServerDown", "The server gave no answer about its identity.")
    return System(*row)


class Identity:
    """Remembers the declared system, and refuses every other one."""

    def __init__(self, first_seen: str) -> None:
        self._pinned = first_seen

    async def require(self, connection: Connection) -> System:
        """The system behind the rotator's session, which must be the one seen before and take writes.

        Raises:
            Denied: another system answers.
            Unavailable: it is a standby just now.
        """
        system = await read_system(connection)
        if self._pinned and system.name != self._pinned:
            raise Denied(
                "WrongSystem",
                "Another database system answers than the one this plan was adopted on. Point the admin Secret back, "
                "or make "
                "a new plan for the new system.",
            )
        if system.in_recovery:
            raise Unavailable(
                "OnStandby", "The admin Secret's host is a standby just now; roles change on the primary only."
            )
        self._pinned = system.name
        return system


def _random_key() -> tuple[int, int]:
    return secrets.randbelow(2**31 - 1) + 1, secrets.randbelow(2**31 - 1) + 1


async def same_system(
    connector: Connector, identity: Identity, endpoints: tuple[Endpoint, ...], current: Credential
) -> Sameness:
    """Do all endpoints lead to the system the rotator works on? Never raises."""
    try:
        async with connector.admin() as admin:
            pinned = await identity.require(admin)
            key = _random_key()
            async with admin.transaction():
                await admin.execute(_HOLD, key)
                answers = [await _ask(connector, endpoint, current, key, pinned) for endpoint in endpoints]
    except Denied as error:
        return Sameness.DIFFERENT if error.reason == "WrongSystem" else Sameness.UNKNOWN
    except KeyturnError:
        return Sameness.UNKNOWN
    return next((a for a in (Sameness.DIFFERENT, Sameness.UNKNOWN) if a in answers), Sameness.SAME)


async def _ask(
    connector: Connector, endpoint: Endpoint, current: Credential, key: tuple[int, int], pinned: System
) -> Sameness:
    try:
        async with connector.login(endpoint, current, "identity") as (session, _):
            there = await read_system(session)
            if there.name != pinned.name:
                return Sameness.DIFFERENT
            if there.in_recovery:
                return Sameness.UNKNOWN  # a standby of it, or of a clone: locks are not replicated
            row = await (await session.execute(_SEEN, key)).fetchone()
            return Sameness.SAME if row and row[0] else Sameness.DIFFERENT
    except (LoginFailed, KeyturnError):
        return Sameness.UNKNOWN
