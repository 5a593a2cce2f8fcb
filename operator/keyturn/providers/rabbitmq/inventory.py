"""Users in the words of the inventory: ours, who may take a slot, and strangers. Pure."""

from __future__ import annotations

from typing import Final

from keyturn.core.model import Existence
from keyturn.ports import Principal
from keyturn.providers.rabbitmq.changes import Look
from keyturn.providers.rabbitmq.settings import Settings
from keyturn.providers.rabbitmq.users import User

_WAY_OUT: Final = "take that away, disable the user, or declare it in spec.rabbitmq.known of the provider"


def principal(name: str, user: User | None) -> Principal:
    """One of ours."""
    if user is None:
        return Principal(name, Existence.ABSENT, tag="")
    tag = user.tag
    return Principal(name, user.existence, plan=tag.plan if tag else "", tag=tag.public if tag else "")


def taken(user: User | None, plan: str, *, busy: bool) -> str:
    """Why NEW cannot be this slot; empty if it can."""
    if user is None:
        return ""
    if user.tag is None:
        return "exists and is not ours (delete_user, or name another slot)"
    if user.tag.plan != plan:
        return f"carries the tag of plan {user.tag.plan} (two plans cannot share a user)"
    if user.existence is Existence.ACTIVE:
        return "can still log in (see who uses it, then set its limit of connections to zero)"
    return "still has connections (close_all_user_connections)" if busy else ""


def strangers(seen: Look, settings: Settings) -> tuple[Principal, ...]:
    """Users that can log in and reach the data, and whom nobody declared."""
    found: list[Principal] = []
    for name, user in seen.users.items():
        if name in settings.principals or name == settings.user or settings.declared(name):
            continue
        if not _is_out(user) and (how := way(user, seen, settings)):
            found.append(Principal(name, Existence.ACTIVE, stranger=True, why=f"{how}; {_WAY_OUT}"))
    return tuple(found)


def _is_out(user: User) -> bool:
    """Cannot log in: a limit of zero keeps it from AMQP, and only a tag would let it into the management API.

    One without a password may still come with a certificate.
    """
    return user.shut and (user.hash == "" or not user.rights.manages)


def way(user: User, seen: Look, settings: Settings) -> str:
    """How a user reaches the data of this plan; empty if it does not."""
    if user.rights.administers:
        return "is an administrator, and so may give itself every right"
    owner = seen.get(settings.owner)
    if owner is not None and user.rights.meets(owner.rights):
        return f"reaches queues or exchanges of {settings.owner}"
    return ""
