"""Which system is this? A cluster has an identifier, which its copies share; so it is proved live as well.

The proof: a login through each endpoint with today's credential takes a name that only we know, and the management API
that users are changed through must list that very connection under that user.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

from keyturn.core.model import Sameness
from keyturn.ports import Credential, Denied, Endpoint, KeyturnError, Misconfigured
from keyturn.providers.rabbitmq.connections import Connector, Line
from keyturn.providers.rabbitmq.controls import Controls
from keyturn.providers.rabbitmq.failures import LoginFailed
from keyturn.providers.rabbitmq.management import Api, rotator
from keyturn.providers.rabbitmq.sessions import Seen, look
from keyturn.providers.rabbitmq.settings import Settings

LISTED_WITHIN: Final = 12.0  # seconds: two rounds of the server's statistics, and some


async def require(api: Api, settings: Settings) -> str:
    """The name of the system that the management API speaks for, which must be the one seen before."""
    found = await api.row("global-parameters", "internal_cluster_id")
    if found is None or not found.get("value"):
        raise Misconfigured(
            "ServerTooOld", "The server has no identifier of its cluster: Keyturn needs RabbitMQ 3.10 or newer."
        )
    name = f"rabbitmq/{found['value']}/{settings.vhost}"
    if settings.system and name != settings.system:
        raise Denied(
            "WrongSystem",
            "Another system answers than the one this plan was adopted on. Point the admin Secret back, or make a new "
            "plan for the new system.",
        )
    return name


async def cluster_name(api: Api) -> str:
    """What the cluster was told to call itself to everybody; if it was not, each node says its own name (seen on 3.10).

    Copies share it: it can only tell that two are different.
    """
    return str((await api.row("global-parameters", "cluster_name") or {}).get("value", ""))


async def same_system(
    connector: Connector, controls: Controls, current: Credential, now: datetime, patience: float = LISTED_WITHIN
) -> Sameness:
    """Do all endpoints lead to the system the rotator works on? UNKNOWN while a name may not be listed yet."""
    try:
        lines = [await controls.session(connector, at, current) for at in connector.settings.endpoints]
        async with rotator(connector.settings) as api:
            await require(api, connector.settings)
            called = await cluster_name(api)
            seen = await look(api, {current.id}, now)
    except Denied as error:
        return Sameness.DIFFERENT if error.reason == "WrongSystem" else Sameness.UNKNOWN
    except (LoginFailed, KeyturnError):
        return Sameness.UNKNOWN
    verdicts = {_judge(line, seen, current.id, called, patience) for line in lines}
    return next(one for one in (Sameness.DIFFERENT, Sameness.UNKNOWN, Sameness.SAME) if one in verdicts)


async def leads_there(
    connector: Connector, controls: Controls, line: Line, at: Endpoint, credential: Credential, now: datetime
) -> Sameness:
    """Is a login that was just made one to this system? Raises like the calls it makes.

    Behind a gateway its name must be listed, for which it is too young: a control session is asked instead.
    """
    async with rotator(connector.settings) as api:
        called = await cluster_name(api)
        verdict = _judge(line, await look(api, {credential.id}, now), credential.id, called, LISTED_WITHIN)
        if verdict is not Sameness.UNKNOWN:
            return verdict
        held = await controls.session(connector, at, credential)
        return _judge(held, await look(api, {credential.id}, now), credential.id, called, LISTED_WITHIN)


def _judge(line: Line, seen: Seen, user: str, called: str, patience: float) -> Sameness:
    if called and line.cluster != called:
        return Sameness.DIFFERENT
    if any(one.is_(line, user) for one in seen.found):
        return Sameness.SAME
    waited = asyncio.get_running_loop().time() - line.since
    return Sameness.DIFFERENT if waited > patience and not seen.blind else Sameness.UNKNOWN
