"""Changes users, each in one call that says everything about a user: password hash, limit and tags.

A call without the hash would take the password away, and tags that are not sent again are gone (both seen on 3.10). So
what was read is sent again, and a writer looks right before it writes: a look is good for five seconds. Two operators
that write within the same moment can still cross; the one that is in time looks again, and its next tick mends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from keyturn.core.model import Existence
from keyturn.ports import Conflict, Credential, Denied
from keyturn.providers.rabbitmq.management import Api
from keyturn.providers.rabbitmq.tags import Tag
from keyturn.providers.rabbitmq.users import ALGORITHM, MANAGES, MOST, Rights, User, hash_of, read_users
from keyturn.providers.turns import Mark

_GOOD_FOR: Final = 5.0  # seconds
_CHANNELS: Final = "max-channels"
_NO_LIMIT: Final = -1

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """Every user, as they were a moment ago."""

    users: Mapping[str, User]
    taken: float  # monotonic

    def get(self, name: str) -> User | None:
        """One of them."""
        return self.users.get(name)


async def look(api: Api) -> Look:
    """Ask for all of them."""
    taken = asyncio.get_running_loop().time()
    found = read_users(await api.rows("users"), await api.rows("permissions"), await api.rows("topic-permissions"))
    return Look(found, taken)


async def write(api: Api, seen: Look, name: str, body: Body) -> None:
    """One user, as ``seen`` led to it. Raises Conflict if that is too long ago, Denied if it was not told whole."""
    if asyncio.get_running_loop().time() - seen.taken > _GOOD_FOR:
        raise Conflict("LookTooOld", "Too much time went by between looking and writing; it will be looked at again.")
    former = seen.get(name)
    if former is not None and not former.whole:
        raise Denied(
            "HashHidden",
            "The management API does not tell the user's password hash, so nothing can be written without taking its "
            "password away: nothing was changed. Give the rotator the tag administrator, on the server itself.",
        )
    await api.put(body, "users", name)
    for limit, value in body["limits"].items():
        if value == _NO_LIMIT:
            await api.drop("user-limits", name, limit)  # so that nothing is left of it


def require_not_overtaken(user: User | None, mine: Tag) -> None:
    """Raises Denied if a later leader, or a later step of the same rotation, has written here."""
    if user is not None and user.tag is not None and user.tag.overtakes(mine):
        raise Denied("Overtaken", "Another replica has taken over, or the rotation has turned back: nothing was done.")


def disabled(user: User, tag: Tag) -> Body:
    """Its logins are refused from now on, with AMQP; a stranger that is cut off leaves the management API as well."""
    kept = user.rights.tags - MANAGES if tag.state is Mark.CONTAINED else user.rights.tags
    return _body(user.hash, user.algorithm, kept, replace(tag, was=user.most), {MOST: 0})


def retired(user: User, tag: Tag) -> Body:
    """Nobody knows a password of it any more; its permissions stay."""
    return _body("", user.algorithm, user.rights.tags, tag, {MOST: 0})


def enabled(user: User, credential: Credential, tag: Tag) -> Body:
    """It logs in with this value, and has the limit it had; one that does already is tagged and no more."""
    limits = {MOST: _NO_LIMIT if user.most is None else user.most} if user.shut else {}
    if user.holds(credential.value):
        return _body(user.hash, user.algorithm, user.rights.tags, tag, limits)
    return _body(hash_of(credential.value), ALGORITHM, user.rights.tags, tag, limits)


def _body(hash_: str | None, algorithm: str, tags: frozenset[str], tag: Tag, limits: Mapping[str, int]) -> Body:
    return {
        "password_hash": hash_,
        "hashing_algorithm": algorithm,
        "tags": [*sorted(tags), *tag.told],
        "limits": dict(limits),
    }


async def ensure(api: Api, new: Credential, like: str, owner: str, tag: Tag) -> None:
    """NEW, step by step, shut until the last: whatever is interrupted leaves a user that cannot log in."""
    seen = await look(api)
    model, slot = seen.get(owner), seen.get(new.id)
    if model is None:
        raise owner_missing()
    require_not_overtaken(seen.get(like), tag)
    require_not_overtaken(slot, tag)
    _require_free(slot, new, tag)
    if slot is not None and is_made(slot, model, new, tag):
        return
    if slot is None:
        shut = _body("", ALGORITHM, frozenset(), replace(tag, state=Mark.RETIRED), {MOST: 0})
        await write(api, seen, new.id, shut)
    await _permit(api, new.id, slot.rights if slot else Rights(), model.rights)
    seen = await look(api)
    slot = seen.get(new.id)
    if slot is None:
        raise changed_meanwhile()
    require_not_overtaken(seen.get(like), tag)
    require_not_overtaken(slot, tag)
    await write(api, seen, new.id, _made(slot, model, new, tag))


def _made(slot: User, owner: User, new: Credential, tag: Tag) -> Body:
    wanted = dict(owner.rights.limits)
    limits = {name: wanted.get(name, _NO_LIMIT) for name in (MOST, _CHANNELS)}
    kept = (slot.hash, slot.algorithm) if slot.holds(new.value) else (hash_of(new.value), ALGORITHM)
    return _body(*kept, owner.rights.tags, tag, limits)


async def _permit(api: Api, name: str, has: Rights, wanted: Rights) -> None:
    """The wanted permissions and no others, in every virtual host."""
    for one in wanted.permissions - has.permissions:
        body = {"configure": one.configure, "write": one.write, "read": one.read}
        await api.put(body, "permissions", one.vhost, name)
    for vhost in {one.vhost for one in has.permissions} - {one.vhost for one in wanted.permissions}:
        await api.drop("permissions", vhost, name)
    differing = {one.vhost for one in has.topics - wanted.topics}
    for vhost in differing:
        await api.drop("topic-permissions", vhost, name)
    for one in wanted.topics:
        if one not in has.topics or one.vhost in differing:
            body = {"exchange": one.exchange, "write": one.write, "read": one.read}
            await api.put(body, "topic-permissions", one.vhost, name)


def is_made(slot: User, owner: User, new: Credential, tag: Tag) -> bool:
    """Is the slot as ``ensure`` leaves it?"""
    return slot.holds(new.value) and not slot.shut and slot.rights == owner.rights and slot.tag == tag


def _require_free(slot: User | None, new: Credential, tag: Tag) -> None:
    """Ours, and not in use but by this rotation."""
    if slot is None:
        return
    if slot.tag is None or slot.tag.plan != tag.plan:
        raise Denied(
            "NotOurs",
            "The free slot exists and is not this plan's: nothing was changed. Delete it, or name another.",
        )
    if slot.existence is Existence.ACTIVE and not (slot.tag.rotation == tag.rotation and slot.holds(new.value)):
        raise Denied(
            "SlotInUse",
            "The free slot can log in, and not because of this rotation: see who uses it, then set its limit of "
            "connections to zero.",
        )


async def cut_off(api: Api, names: Sequence[str], tag: Tag) -> None:
    """These users can log in no more. One that does not exist is as cut off as can be."""
    for name in names:
        seen = await look(api)
        user = seen.get(name)
        if user is None or (user.shut and user.tag is not None and replace(user.tag, was=None) == tag):
            continue
        require_not_overtaken(user, tag)
        await write(api, seen, name, disabled(user, tag))


def owner_missing() -> Denied:
    """There are no permissions to give to NEW."""
    return Denied(
        "OwnerMissing",
        "The owner, whose permissions the slots are given, is gone: make it again, without a password, with its "
        "permissions.",
    )


def changed_meanwhile() -> Conflict:
    """Somebody else writes users too."""
    return Conflict(
        "UserChanged", "The user is not as it was just written: somebody else changes it too. See who does."
    )
