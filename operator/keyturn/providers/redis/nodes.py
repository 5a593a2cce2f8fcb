"""All servers of one system, seen as one: users are kept by each of them for itself, replicas included."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from keyturn.core.model import Existence
from keyturn.ports import Endpoint, Principal
from keyturn.providers.redis.changes import Users, users
from keyturn.providers.redis.connections import Connector
from keyturn.providers.redis.identity import listed
from keyturn.providers.redis.settings import Settings
from keyturn.providers.redis.users import User

_OPENEST = (Existence.ACTIVE, Existence.DISABLED, Existence.RETIRED, Existence.ABSENT)
_WAY_OUT = "take that away, set the user off, or declare it in spec.redis.known of the provider"


@dataclass(frozen=True, slots=True)
class Everywhere:
    """Every server's users, the one that takes writes first."""

    by_node: Mapping[Endpoint, Users]

    def of(self, name: str) -> tuple[User | None, ...]:
        """The user of that name on each server."""
        return tuple(found.get(name) for found in self.by_node.values())

    @property
    def names(self) -> tuple[str, ...]:
        """Of all users anywhere."""
        return tuple(dict.fromkeys(name for found in self.by_node.values() for name in found))

    def existence(self, name: str) -> Existence:
        """As open as on the server where it is most so: what is shut on one only is not shut."""
        states = {Existence.ABSENT if user is None else user.existence for user in self.of(name)}
        return next(state for state in _OPENEST if state in states)

    def principal(self, name: str) -> Principal:
        """In the words of the inventory. The tag is told only if all servers agree on it."""
        tags = {user.tag for user in self.of(name) if user is not None}
        tag = tags.pop() if len(tags) == 1 else None
        return Principal(name, self.existence(name), plan=tag.plan if tag else "", tag=tag.public if tag else "")

    def taken(self, slot: str, plan: str, busy: Collection[str]) -> str:
        """Why NEW cannot be this slot; empty if it can. ``busy``: users with a connection somewhere."""
        for user in self.of(slot):
            if user is not None and user.tag is None:
                return "exists and is not ours (ACL DELUSER it, or name another slot)"
            if user is not None and user.tag is not None and user.tag.plan != plan:
                return f"carries the tag of plan {user.tag.plan} (two plans cannot share a user)"
        if self.existence(slot) is Existence.ACTIVE:
            return "can still log in (see who uses it, then set it off)"
        return "still has connections (CLIENT KILL USER)" if slot in busy else ""

    def strangers(self, settings: Settings) -> tuple[Principal, ...]:
        """Users that can log in somewhere and reach the data, and whom nobody declared."""
        found: list[Principal] = []
        for name in self.names:
            if name in settings.principals or name == settings.user or settings.declared(name):
                continue
            if self.existence(name) is Existence.ACTIVE and (way := self.way(name, settings)):
                found.append(Principal(name, Existence.ACTIVE, stranger=True, why=f"{way}; {_WAY_OUT}"))
        return tuple(found)

    def way(self, name: str, settings: Settings) -> str:
        """How a user reaches the data of this plan; empty if it does not."""
        for users_there in self.by_node.values():
            user, owner = users_there.get(name), users_there.get(settings.owner)
            if user is None:
                continue
            if user.rules.administers:
                return "may change users (ACL SETUSER), and so give itself every right"
            if owner is not None and user.rules.meets(owner.rules):
                no_password = " without any password" if user.open else ""
                return f"reaches keys of {settings.owner}{no_password}"
        return ""


async def connected(connector: Connector, nodes: Sequence[Endpoint]) -> frozenset[str]:
    """Users with a connection on any server."""
    found: set[str] = set()
    for node in nodes:
        async with connector.admin(node) as wire:
            found.update(one.user for one in await listed(wire))
    return frozenset(found)


async def look(connector: Connector, nodes: Sequence[Endpoint]) -> Everywhere:
    """Ask every server. Raises Unavailable if one of them does not answer."""
    found: dict[Endpoint, Users] = {}
    for node in nodes:
        async with connector.admin(node) as wire:
            found[node] = await users(wire)
    return Everywhere(found)
