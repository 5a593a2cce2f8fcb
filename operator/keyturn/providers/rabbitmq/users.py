"""Users as the management API tells them: password hash, permissions, limits, tags. Pure.

Hashes: https://www.rabbitmq.com/docs/passwords#computing-password-hash
"""

from __future__ import annotations

import binascii
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import md5, sha256, sha512
from typing import Any, Final, cast

from keyturn.core.model import Existence
from keyturn.core.sealed import Sealed
from keyturn.providers.rabbitmq.names import apart, reaches
from keyturn.providers.rabbitmq.tags import Tag, others

Row = Mapping[str, Any]

ALGORITHM: Final = "rabbit_password_hashing_sha256"
MOST: Final = "max-connections"
MANAGES: Final = frozenset(("administrator", "management", "monitoring", "policymaker"))  # tags that let into the API
_ALGORITHMS: Final = {ALGORITHM: sha256, "rabbit_password_hashing_sha512": sha512, "rabbit_password_hashing_md5": md5}
_SALT: Final = 4  # bytes


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """In one virtual host, or at one exchange there (``configure`` is empty then): expressions over names."""

    vhost: str
    exchange: str
    configure: str
    write: str
    read: str

    @property
    def patterns(self) -> tuple[str, ...]:
        """Those that match anything."""
        return tuple(one for one in (self.configure, self.write, self.read) if reaches(one))


@dataclass(frozen=True, slots=True)
class Rights:
    """What a user may do once it may log in. Two users may do the same if these are equal."""

    permissions: frozenset[Permission] = frozenset()
    topics: frozenset[Permission] = frozenset()
    tags: frozenset[str] = frozenset()  # without ours
    limits: frozenset[tuple[str, int]] = frozenset()  # those that limit, as they are while the user may log in

    @property
    def administers(self) -> bool:
        """May it change users, and so give itself every right?"""
        return "administrator" in self.tags

    @property
    def manages(self) -> frozenset[str]:
        """Tags that let it into the management API, whatever the limit of its connections."""
        return self.tags & MANAGES

    def within(self, vhost: str) -> Permission | None:
        """What it may do there; None where it may do nothing."""
        return next((one for one in self.permissions if one.vhost == vhost and one.patterns), None)

    def meets(self, other: Rights) -> bool:
        """Is there a name of a queue or exchange that both reach, as far as one can tell?"""
        return any(
            not apart(mine, theirs)
            for here in self.permissions
            for there in other.permissions
            if here.vhost == there.vhost
            for mine in here.patterns
            for theirs in there.patterns
        )


@dataclass(frozen=True, slots=True)
class User:
    """One user of the system's own database."""

    name: str
    hash: str | None = field(repr=False)  # base64 of salt and digest; "": no password logs in; None: it is not told
    algorithm: str
    shut: bool  # its limit is zero connections
    rights: Rights
    tag: Tag | None = None

    @property
    def most(self) -> int | None:
        """Its limit of connections while it may log in."""
        return dict(self.rights.limits).get(MOST)

    @property
    def existence(self) -> Existence:
        """In the words of the inventory."""
        if self.hash == "":
            return Existence.RETIRED
        return Existence.DISABLED if self.shut else Existence.ACTIVE

    @property
    def whole(self) -> bool:
        """May it be written back? Not if its hash is no hash: a redacted one would take the password away."""
        return self.hash == "" or self._kept is not None

    def holds(self, value: Sealed) -> bool:
        """Would this value log in, were the user open?"""
        digest, kept = _ALGORITHMS.get(self.algorithm), self._kept
        if digest is None or kept is None:
            return False
        return hmac.compare_digest(digest(kept[:_SALT] + value.reveal()).digest(), kept[_SALT:])

    @property
    def _kept(self) -> bytes | None:
        """Salt and digest."""
        digest = _ALGORITHMS.get(self.algorithm)
        try:
            kept = b64decode(self.hash or "", validate=True)
        except (binascii.Error, ValueError):
            return None
        return kept if digest is not None and len(kept) == _SALT + digest().digest_size else None


def hash_of(value: Sealed) -> str:
    """How the server keeps a password: so nothing else is sent."""
    salt = secrets.token_bytes(_SALT)
    return b64encode(salt + sha256(salt + value.reveal()).digest()).decode()


def read_users(users: Iterable[Row], permissions: Iterable[Row], topics: Iterable[Row]) -> dict[str, User]:
    """By name, of three lists of the API."""
    reach, at_exchanges = _by_user(permissions), _by_user(topics)
    return {
        str(row["name"]): _user(row, reach.get(str(row["name"]), ()), at_exchanges.get(str(row["name"]), ()))
        for row in users
    }


def _by_user(rows: Iterable[Row]) -> dict[str, list[Permission]]:
    found: dict[str, list[Permission]] = {}
    for row in rows:
        words = (str(row.get(key, "")) for key in ("vhost", "exchange", "configure", "write", "read"))
        found.setdefault(str(row["user"]), []).append(Permission(*words))
    return found


def _user(row: Row, permissions: Iterable[Permission], topics: Iterable[Permission]) -> User:
    tags = _tags(row.get("tags", ""))
    tag = Tag.read(tags)
    limits = {str(name): int(value) for name, value in dict(row.get("limits") or {}).items()}
    shut = limits.get(MOST) == 0
    if shut:
        limits[MOST] = -1 if tag is None or tag.was is None else tag.was
    return User(
        str(row["name"]),
        hash=row.get("password_hash"),
        algorithm=str(row.get("hashing_algorithm") or ALGORITHM),
        shut=shut,
        rights=Rights(
            frozenset(permissions),
            frozenset(topics),
            others(tags),
            frozenset((name, value) for name, value in limits.items() if value >= 0),  # less than zero is no limit
        ),
        tag=tag,
    )


def _tags(told: object) -> frozenset[str]:
    """A list; older servers write one text with commas."""
    words = told.split(",") if isinstance(told, str) else cast("Iterable[object]", told or ())
    return frozenset(str(one) for one in words if one)
