"""Logs in for real with AMQP, as consumers do, and tries what they need. Leaves nothing behind.

What is tried: a name that the owner may configure, write and read is looked for; a queue of that name is declared for
this connection alone, bound to an exchange that goes with it, and a message goes through both, confirmed and read back.
Where the permissions allow no such name, the login, its virtual host and equal permissions are all that is tried:
nothing is ever put into a queue of somebody else's.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import datetime
from typing import Final

from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPError, ChannelAccessRefused

from keyturn.core.model import Sameness, Trial
from keyturn.ports import Credential, Endpoint, KeyturnError
from keyturn.providers.rabbitmq.changes import look
from keyturn.providers.rabbitmq.connections import Connector, Line
from keyturn.providers.rabbitmq.controls import Controls
from keyturn.providers.rabbitmq.failures import LoginFailed
from keyturn.providers.rabbitmq.identity import leads_there, require
from keyturn.providers.rabbitmq.management import rotator
from keyturn.providers.rabbitmq.names import a_name
from keyturn.providers.rabbitmq.users import User
from keyturn.providers.verdicts import agreed

_WRITE_SECONDS: Final = 5.0  # a server that is short of memory or disk takes no message, and does not answer
_MESSAGE: Final = b"keyturn write probe"


async def trial(connector: Connector, controls: Controls, credential: Credential, now: datetime) -> Trial:
    """The outcome at all endpoints: WORKS, DISABLED or REFUSED only if all of them say so. Never raises."""
    settings = connector.settings
    try:
        async with rotator(settings) as api:
            await require(api, settings)
            users = await look(api)
    except KeyturnError:
        return Trial.DOWN
    user, owner = users.get(credential.id), users.get(settings.owner)
    alike = owner if user is not None and owner is not None and user.rights == owner.rights else None
    return agreed([await _at(connector, controls, at, credential, alike, now) for at in settings.endpoints])


async def _at(
    connector: Connector, controls: Controls, at: Endpoint, credential: Credential, owner: User | None, now: datetime
) -> Trial:
    """``owner``: the user whose rights it has; None if it has others."""
    try:
        async with connector.login(at, credential) as line:
            place = await leads_there(connector, controls, line, at, credential, now)
            if place is not Sameness.SAME:
                return Trial.LACKING if place is Sameness.DIFFERENT else Trial.DOWN
            return Trial.LACKING if owner is None else await _write(line, owner, connector.settings.vhost)
    except LoginFailed as failed:
        return failed.trial
    except KeyturnError:
        return Trial.DOWN


async def _write(line: Line, owner: User, vhost: str) -> Trial:
    allowed = owner.rights.within(vhost)
    if allowed is None:
        return Trial.LACKING  # it may log in, and do nothing
    channel = await line.channel()
    name = a_name((allowed.configure, allowed.write, allowed.read), f"keyturn-probe-{secrets.token_hex(8)}")
    if not name:
        return Trial.WORKS  # its owner may not declare and use what is its own either
    try:
        async with asyncio.timeout(_WRITE_SECONDS):
            return Trial.WORKS if await _sent_and_read(channel, name) else Trial.DOWN
    except ChannelAccessRefused:
        return Trial.WORKS  # not by this way; the permissions are the owner's, which was compared
    except (AMQPError, TimeoutError):
        return Trial.DOWN


async def _sent_and_read(channel: AbstractChannel, name: str) -> bool:
    await channel.queue_declare(name, exclusive=True, auto_delete=True, arguments={"x-queue-type": "classic"})
    await channel.exchange_declare(name, exchange_type="direct", auto_delete=True)  # goes with its last queue
    await channel.queue_bind(name, name, routing_key=name)
    await channel.basic_publish(_MESSAGE, exchange=name, routing_key=name, mandatory=True)
    answer = await channel.basic_get(name, no_ack=True)
    await channel.queue_delete(name)
    return answer.body == _MESSAGE
