"""Changes users on one server, each in one command that fails as a whole if somebody else wrote since.

See ``tags`` for how a change is fenced. A user that has no tag yet cannot be fenced: ``ensure`` gives OLD one first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from redis import exceptions

from keyturn.ports import Conflict, Credential, Denied, Misconfigured
from keyturn.providers.redis.connections import Wire
from keyturn.providers.redis.tags import Tag
from keyturn.providers.redis.users import User, hash_of, read_users

Users = Mapping[str, User]

_NO_ACL_FILE: Final = "not configured to use an ACL file"


async def users(wire: Wire) -> Users:
    """Every user of this server."""
    return read_users(await wire.ask("ACL", "LIST"))


async def save(wire: Wire) -> None:
    """What was changed outlives a restart. Raises Misconfigured if the server keeps it nowhere."""
    try:
        await wire.ask("ACL", "SAVE")
    except exceptions.ResponseError as error:
        if _NO_ACL_FILE not in str(error):
            raise
        try:
            await wire.ask("CONFIG", "REWRITE")
        except exceptions.NoPermissionError:
            raise
        except exceptions.ResponseError:
            raise not_kept() from None


def not_kept() -> Misconfigured:
    """Users would be forgotten, or come back, when the server restarts."""
    return Misconfigured(
        "UsersNotKept",
        "The server writes its users to no file: a restart would bring the former ones back. Set aclfile in its "
        "configuration, or let it write its configuration file.",
    )


def require_not_overtaken(user: User | None, mine: Tag) -> None:
    """Raises Denied if a later leader, or a later step of the same rotation, has written here."""
    if user is not None and user.tag is not None and user.tag.overtakes(mine):
        raise Denied("Overtaken", "Another replica has taken over, or the rotation has turned back: nothing was done.")


def retagged(user: User, tag: Tag, *words: str) -> tuple[str, ...]:
    """The command that does these words and puts this tag in the place of the one that was read, or fails."""
    former = (f"!{user.tag.lock}",) if user.tag else ()
    return (
        *("ACL", "SETUSER", user.name, *former, *words, f"#{tag.lock}"),
        *("clearselectors", *user.rules.selectors, str(tag)),
    )


def disabled(user: User, tag: Tag) -> tuple[str, ...]:
    """Its logins are refused from now on; its passwords stay."""
    return retagged(user, tag, "off")


def retired(user: User, tag: Tag) -> tuple[str, ...]:
    """Nobody knows a password of it any more; its rules stay."""
    return retagged(user, tag, "off", "resetpass")


def enabled(user: User, credential: Credential, tag: Tag) -> tuple[str, ...]:
    """It logs in with this value; one that does already is tagged and no more."""
    return retagged(user, tag, "on", f"#{hash_of(credential.value)}")


def made(slot: User | None, owner: User, new: Credential, tag: Tag) -> tuple[str, ...]:
    """The slot as a rotation wants it: this value, the owner's rules, nothing else."""
    former = (f"!{slot.tag.lock}",) if slot and slot.tag else ()
    return (
        *("ACL", "SETUSER", new.id, *former, "reset", "on", f"#{hash_of(new.value)}", f"#{tag.lock}"),
        *(*owner.rules.told, str(tag)),
    )


async def ensure(wire: Wire, new: Credential, like: str, owner: str, tag: Tag) -> None:
    """NEW on this server. Whoever turns back first touches ``like`` and then NEW; so both locks are asked for."""
    found = await users(wire)
    if owner not in found:
        raise owner_missing()
    before, slot = found.get(like), found.get(new.id)
    require_not_overtaken(before, tag)
    require_not_overtaken(slot, tag)
    _require_free(slot, new, tag)
    untagged = before is not None and before.tag is None
    if before is not None and untagged:
        await wire.ask(*retagged(before, tag))
    if slot is None:
        await wire.ask("ACL", "SETUSER", new.id, "reset", "off", f"#{tag.lock}", str(tag))
    found = await users(wire)
    was, before, slot = before, found.get(like), found.get(new.id)
    if slot is None or (untagged and was and before and was.hashes != before.hashes):  # another's lock came in between
        raise changed_meanwhile()
    if before is not None and before.tag is not None:
        require_not_overtaken(before, tag)
        await wire.ask("ACL", "SETUSER", like, f"!{before.tag.lock}", f"#{before.tag.lock}")  # is it still the same?
    if not is_made(slot, found[owner], new, tag):
        await wire.ask(*made(slot, found[owner], new, tag))


def is_made(slot: User, owner: User, new: Credential, tag: Tag) -> bool:
    """Is the slot as ``made`` leaves it?"""
    exact = slot.hashes == frozenset((hash_of(new.value),)) and not slot.open and slot.rules == owner.rules
    return slot.enabled and exact and slot.tag == tag


def _require_free(slot: User | None, new: Credential, tag: Tag) -> None:
    """Ours, and not in use but by this rotation."""
    if slot is None:
        return
    if slot.tag is None or slot.tag.plan != tag.plan:
        raise Denied(
            "NotOurs",
            "The free slot exists and is not this plan's: nothing was changed. Delete it, or name another.",
        )
    if slot.enabled and not (slot.tag.rotation == tag.rotation and slot.holds(new.value)):
        raise Denied(
            "SlotInUse", "The free slot can log in, and not because of this rotation: see who uses it, then set it off."
        )


def owner_missing() -> Denied:
    """There are no rules to give to NEW."""
    return Denied(
        "OwnerMissing", "The owner, whose rules the slots are given, is gone: make it again, off, with its rules."
    )


def changed_meanwhile() -> Conflict:
    """Somebody else writes users too."""
    return Conflict(
        "UserChanged", "The user is not as it was just written: somebody else changes it too. See who does."
    )


def containment(found: Users, new: Credential, owner: str, tag: Tag) -> list[tuple[str, ...]]:
    """NEW from the owner's rules, whoever else can log in. Raises Denied if it may not be made."""
    if owner not in found:
        raise owner_missing()
    slot = found.get(new.id)
    require_not_overtaken(slot, tag)
    _require_free(slot, new, tag)
    return [] if slot and is_made(slot, found[owner], new, tag) else [made(slot, found[owner], new, tag)]


def cut_off(found: Users, names: Sequence[str], tag: Tag) -> list[tuple[str, ...]]:
    """These users off. One that does not exist is as cut off as can be."""
    return [disabled(found[name], tag) for name in names if name in found]
