"""Users of the access control list, as the server prints them and as it is told them. Pure.

Source of the language: https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256

from keyturn.core.model import Existence
from keyturn.core.sealed import Sealed
from keyturn.providers.redis.patterns import overlap
from keyturn.providers.redis.tags import Tag

_ENTRY = re.compile(r"\([^)]*\)|\S+")
_READS_OR_WRITES = re.compile(r"(?:~|%(?P<way>[RW]{1,2})~)(?P<pattern>.*)", re.DOTALL)
_ADMINISTERS = {"@all", "@admin", "@dangerous", "@slow", "acl", "acl|setuser"}  # what allows ACL SETUSER


@dataclass(frozen=True, slots=True)
class Rules:
    """What a user may do. Two users may do the same if these are equal."""

    commands: tuple[str, ...] = ()  # in the order in which they were given
    keys: tuple[str, ...] = ()  # ~pattern, %R~pattern
    channels: tuple[str, ...] = ()
    selectors: tuple[str, ...] = ()  # in brackets
    unchecked_payloads: bool = False

    @property
    def told(self) -> tuple[str, ...]:
        """For ACL SETUSER, after a reset."""
        payloads = ("skip-sanitize-payload",) if self.unchecked_payloads else ()
        return (*payloads, *self.keys, *self.channels, *self.commands, *self.selectors)

    @property
    def administers(self) -> bool:
        """May it change users, and so give itself every right?"""
        allowed = False
        for rule in self.commands:
            if rule[1:] in _ADMINISTERS:
                allowed = rule[0] == "+"
        return allowed or any(Rules(tuple(_inside(one))).administers for one in self.selectors)

    def patterns(self, *, writing: bool = False) -> tuple[str, ...]:
        """Patterns of the keys it reaches, or of those it may write."""
        entries = (*self.keys, *(entry for one in self.selectors for entry in _inside(one)))
        found = (_READS_OR_WRITES.fullmatch(entry) for entry in entries)
        return tuple(one["pattern"] for one in found if one and (not writing or "W" in (one["way"] or "W")))

    def meets(self, other: Rules) -> bool:
        """Is there a key that both reach?"""
        return any(overlap(mine, theirs) for mine in self.patterns() for theirs in other.patterns())


@dataclass(frozen=True, slots=True)
class User:
    """One user on one server."""

    name: str
    enabled: bool
    open: bool  # any password will do
    hashes: frozenset[str] = field(repr=False)  # SHA-256 of each password
    rules: Rules
    tag: Tag | None = None

    def holds(self, value: Sealed) -> bool:
        """Would this value log in, were the user enabled?"""
        return self.open or hash_of(value) in self.hashes

    @property
    def existence(self) -> Existence:
        """In the words of the inventory."""
        if self.enabled and (self.open or self.hashes):
            return Existence.ACTIVE
        return Existence.DISABLED if self.hashes or self.open else Existence.RETIRED


def hash_of(value: Sealed) -> str:
    """How the server keeps a password."""
    return sha256(value.reveal()).hexdigest()


def read_users(lines: Iterable[str]) -> dict[str, User]:
    """The answer of ACL LIST, by name."""
    return {user.name: user for user in map(_user, lines)}


def _user(line: str) -> User:
    _, name, *entries = _ENTRY.findall(line)
    hashes = frozenset(entry[1:] for entry in entries if entry.startswith("#"))
    selectors = tuple(entry for entry in entries if entry.startswith("("))
    tag = next(filter(None, map(Tag.read, selectors)), None)
    user = User(
        name,
        enabled="on" in entries,
        open="nopass" in entries,
        hashes=hashes,
        rules=Rules(
            commands=tuple(entry for entry in entries if entry[0] in "+-"),
            keys=tuple(entry for entry in entries if entry[0] in "~%"),
            channels=tuple(entry for entry in entries if entry[0] == "&"),
            selectors=tuple(one for one in selectors if Tag.read(one) is None),
            unchecked_payloads="skip-sanitize-payload" in entries,
        ),
    )
    return user if tag is None else replace(user, tag=tag, hashes=hashes - {tag.lock})


def _inside(selector: str) -> list[str]:
    return selector[1:-1].split()
