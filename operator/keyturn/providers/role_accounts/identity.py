"""Which system is this? Proved live: a copy may share every identifier.

The proof: the rotator holds a named lock with a random name, and a login through the consumers' endpoint must see that
the very connection of the rotator holds it. Locks are a server's own: another node of a cluster does not see them.
"""

from __future__ import annotations

import secrets

from keyturn.core.model import Sameness
from keyturn.ports import Credential, Denied, Endpoint, KeyturnError, Unavailable
from keyturn.providers.role_accounts.connections import Connector, Wire
from keyturn.providers.role_accounts.failures import LoginFailed
from keyturn.providers.role_accounts.settings import Settings


async def require(wire: Wire, settings: Settings) -> str:
    """The name of the system behind the rotator's connection, which must be the one seen before and take writes."""
    dialect = settings.dialect
    ((uid, read_only),) = await wire.ask(f"SELECT {dialect.identity}, @@read_only")
    name = f"{dialect.field}/{uid}/{settings.database}"
    if settings.system and name != settings.system:
        raise Denied(
            "WrongSystem",
            "Another server answers than the one this plan was adopted on. Point the admin Secret back, or make a new "
            "plan for the new system.",
        )
    if read_only:
        raise Unavailable("ReadOnly", "The admin Secret's host is read-only just now; name the one that takes writes.")
    return name


async def same_system(connector: Connector, settings: Settings, current: Credential) -> Sameness:
    """Do all endpoints lead to the system the rotator works on? Never raises."""
    lock = f"keyturn.{secrets.token_hex(16)}"
    try:
        async with connector.admin() as wire:
            await require(wire, settings)
            if (await wire.ask("SELECT GET_LOCK(%s, 0)", [lock])) != [(1,)]:
                return Sameness.UNKNOWN
            seen = [await _ask(connector, endpoint, current, lock) for endpoint in settings.endpoints]
            return Sameness.SAME if all(holder == wire.thread.number for holder in seen) else Sameness.DIFFERENT
    except Denied as error:
        return Sameness.DIFFERENT if error.reason == "WrongSystem" else Sameness.UNKNOWN
    except (LoginFailed, KeyturnError):
        return Sameness.UNKNOWN


async def _ask(connector: Connector, at: Endpoint, current: Credential, lock: str) -> int | None:
    """The connection that holds the lock, as seen from there."""
    async with connector.login(at, current) as session:
        ((holder,),) = await session.ask("SELECT IS_USED_LOCK(%s)", [lock])
        return None if holder is None else int(holder)
