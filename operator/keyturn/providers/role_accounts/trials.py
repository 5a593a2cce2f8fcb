"""Logs in for real, as consumers do, and tries what consumers need. Leaves nothing behind."""

from __future__ import annotations

from typing import Final

from pymysql import err

from keyturn.core.model import Trial
from keyturn.ports import Credential, Endpoint, KeyturnError
from keyturn.providers.role_accounts.connections import Connector, Wire
from keyturn.providers.role_accounts.failures import LoginFailed, number_of
from keyturn.providers.role_accounts.settings import Settings
from keyturn.providers.verdicts import agreed

_WHO: Final = "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1), CURRENT_ROLE(), {identity}, @@read_only"
_DENIED: Final = frozenset({1142, 1044, 1143})


async def trial(connector: Connector, settings: Settings, credential: Credential, system: str) -> Trial:
    """The outcome at all endpoints: WORKS, DISABLED or REFUSED only if all of them say so. Never raises."""
    return agreed([await _at(connector, settings, endpoint, credential, system) for endpoint in settings.endpoints])


async def _at(connector: Connector, settings: Settings, at: Endpoint, credential: Credential, system: str) -> Trial:
    try:
        async with connector.login(at, credential) as session:
            return await _use(session, settings, credential.id, system)
    except LoginFailed as failed:
        return failed.trial
    except KeyturnError as error:
        return Trial.LACKING if error.reason == "RotatorLacksRights" else Trial.DOWN


async def _use(session: Wire, settings: Settings, id_: str, system: str) -> Trial:
    """Who the server says we are, and a row that the role may write, taken back."""
    dialect = settings.dialect
    ((name, roles, uid, read_only),) = await session.ask(_WHO.format(identity=dialect.identity))
    here = f"{dialect.field}/{uid}/{settings.database}"
    if (name, here) != (id_, system) or settings.owner not in dialect.roles_of(str(roles)):
        return Trial.LACKING
    if read_only:
        return Trial.DOWN
    try:
        await session.ask("START TRANSACTION")
        await session.ask("INSERT INTO keyturn.write_probe VALUES (1)")
        await session.ask("ROLLBACK")
    except err.MySQLError as error:
        return Trial.LACKING if number_of(error) in _DENIED else Trial.DOWN
    return Trial.WORKS
