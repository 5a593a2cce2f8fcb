"""Logs in for real, as consumers do, and tries what consumers need. Leaves nothing behind."""

from __future__ import annotations

from datetime import datetime

from redis import exceptions

from keyturn.core.model import Trial
from keyturn.ports import Credential, Endpoint, KeyturnError
from keyturn.providers.redis.changes import users
from keyturn.providers.redis.connections import Connector, Wire
from keyturn.providers.redis.failures import Login, LoginFailed
from keyturn.providers.redis.patterns import a_key
from keyturn.providers.redis.refusals import Refusals
from keyturn.providers.redis.settings import Settings
from keyturn.providers.redis.users import User
from keyturn.providers.verdicts import agreed


async def trial(
    connector: Connector, settings: Settings, refusals: Refusals, credential: Credential, now: datetime
) -> Trial:
    """The outcome at all endpoints: WORKS, DISABLED or REFUSED only if all of them say so. Never raises."""
    return agreed(
        [await _at(connector, settings, refusals, endpoint, credential, now) for endpoint in settings.endpoints]
    )


async def _at(
    connector: Connector, settings: Settings, refusals: Refusals, at: Endpoint, credential: Credential, now: datetime
) -> Trial:
    try:
        async with connector.admin(at) as wire:
            found = await users(wire)
            user, owner = found.get(credential.id), found.get(settings.owner)
            if user is not None and not user.enabled:
                # before ours would stand in the place of others
                await refusals.read(wire, credential.id, settings.user, now)
            try:
                await wire.log_in(credential)  # over the rotator's connection: its log then says whose attempt it was
            except LoginFailed as failed:
                return _failed(failed, user, credential)
            if user is None or owner is None or user.open or user.rules != owner.rules:
                return Trial.LACKING
            return await _write(wire, owner)
    except KeyturnError:
        return Trial.DOWN


def _failed(failed: LoginFailed, user: User | None, credential: Credential) -> Trial:
    """The server does not tell a disabled user from a wrong password; the rotator sees which of the two it is."""
    if failed.kind is not Login.REFUSED:
        return Trial.DOWN
    disabled = user is not None and not user.enabled and user.holds(credential.value)
    return Trial.DISABLED if disabled else Trial.REFUSED


async def _write(session: Wire, owner: User) -> Trial:
    """Queue a write and throw it away: rights, memory and the server's state are looked at when it is queued."""
    patterns = owner.rules.patterns(writing=True)
    if not patterns:
        return Trial.WORKS  # its owner may not write either
    try:
        await session.ask("MULTI")
        await session.ask("SET", a_key(patterns[0]), "keyturn write probe")
    except exceptions.NoPermissionError:
        return Trial.WORKS  # not by this command; the rules are the owner's, which was compared
    except exceptions.ResponseError as error:
        return Trial.WORKS if _harmless(error) else Trial.DOWN
    await session.ask("DISCARD")
    return Trial.WORKS


def _harmless(error: Exception) -> bool:
    """A replica takes no writes from anybody; in a cluster the key may live on another server.

    There the rules were looked at before the key's place (seen on 7.0).
    """
    return isinstance(error, exceptions.ReadOnlyError | exceptions.MovedError)
