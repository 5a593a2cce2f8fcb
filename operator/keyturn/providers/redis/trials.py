"""Logs in for real, as consumers do, and tries what consumers need. Leaves nothing behind."""

from __future__ import annotations

from datetime import datetime

from redis import exceptions

from keyturn.core.model import Trial
from keyturn.ports import Awaited, Credential, Endpoint, KeyturnError
from keyturn.providers.redis.changes import users
from keyturn.providers.redis.connections import Connector, Wire
from keyturn.providers.redis.failures import Login, LoginFailed
from keyturn.providers.redis.nodes import look
from keyturn.providers.redis.patterns import a_key
from keyturn.providers.redis.refusals import Refusals
from keyturn.providers.redis.settings import Settings
from keyturn.providers.redis.users import User
from keyturn.providers.verdicts import agreed


async def trial(
    connector: Connector, settings: Settings, refusals: Refusals, credential: Credential, now: datetime
) -> Trial:
    """The outcome at all endpoints: WORKS, DISABLED or REFUSED only if the users of all other servers agree with it.

    Raises Awaited while a change of ours has reached some servers and not the others; nothing else.
    """
    found: dict[Endpoint, User | None] = {}
    try:
        outcome = agreed(
            [await _at(connector, settings, refusals, at, credential, now, found) for at in settings.endpoints]
        )
        others = await look(connector, [node for node in settings.nodes if node not in found])
    except KeyturnError:
        return Trial.DOWN
    found |= {node: users_there.get(credential.id) for node, users_there in others.by_node.items()}
    if outcome is Trial.DOWN or len({_opens(user, credential) for user in found.values()}) == 1:
        return outcome
    if len({user.tag if user else None for user in found.values()}) == 1:
        return Trial.LACKING  # somebody else changed it there
    shut = ", ".join(f"{at.host}:{at.port}" for at, user in found.items() if not _opens(user, credential))
    raise Awaited("ServersDiffer", f"{credential.id} logs in at some servers and not yet, or no longer, at {shut}")


async def _at(
    connector: Connector,
    settings: Settings,
    refusals: Refusals,
    at: Endpoint,
    credential: Credential,
    now: datetime,
    seen: dict[Endpoint, User | None],
) -> Trial:
    """At one endpoint. ``seen``: is told the user that stands there. Raises KeyturnError: then nobody can tell."""
    async with connector.admin(at) as wire:
        found = await users(wire)
        user, owner = found.get(credential.id), found.get(settings.owner)
        seen[at] = user
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


def _opens(user: User | None, credential: Credential) -> bool:
    return user is not None and user.enabled and user.holds(credential.value)


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
