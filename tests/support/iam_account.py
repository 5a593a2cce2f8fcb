"""An AWS account as IAM and STS show it: users, their keys, what becomes visible late. No network; see ``iam_server``.

Changes are seen by STS after ``spreads``, and until then now so and now so; uses are recorded in steps (of fifteen
minutes at AWS) and shown after ``lag``. Its clock is whatever it is told.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

ACCOUNT = "123456789012"
STEP = timedelta(minutes=15)
ROOM = 2
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Refusal(Exception):
    """AWS' own error code, its words and the HTTP status."""

    def __init__(self, code: str, words: str, status: int = 403) -> None:
        super().__init__(code)
        self.code, self.words, self.status = code, words, status


@dataclass
class Use:
    at: datetime
    service: str
    region: str


@dataclass
class AccessKey:
    id: str
    secret: str
    user: str
    created: datetime
    active: bool = True
    changed: datetime | None = None  # when it was last created, switched or deleted
    was_open: bool = False  # what STS saw before that
    gone: bool = False
    uses: list[Use] = field(default_factory=list)


@dataclass
class Account:
    """``may``: actions that a user is allowed; nobody needs any for GetCallerIdentity."""

    now: Callable[[], datetime]
    number: str = ACCOUNT
    users: dict[str, str] = field(default_factory=dict)  # name -> user id
    may: dict[str, set[str]] = field(default_factory=dict)
    keys: dict[str, AccessKey] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)  # key id -> another account
    spreads: timedelta = timedelta()
    listed_late: timedelta = timedelta()  # until ListAccessKeys shows a new key
    lag: timedelta = timedelta()
    step: timedelta = STEP
    grain: timedelta = timedelta(minutes=1)  # uses are shown to the whole of it
    records_refused: bool = False
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _flaps: itertools.count[int] = field(default_factory=itertools.count)

    def add_user(self, name: str, *may: str) -> str:
        self.users[name] = f"AIDA{next(self._numbers):016d}"
        self.may[name] = set(may)
        return self.users[name]

    def arn(self, user: str) -> str:
        return f"arn:aws:iam::{self.number}:user/{user}"

    # ---------------------------------------------------------------------------------------------- keys

    def create(self, user: str) -> AccessKey:
        if len(self.keys_of(user)) >= ROOM:
            raise Refusal("LimitExceeded", f"Cannot exceed quota for AccessKeysPerUser: {ROOM}", 409)
        number = next(self._numbers)
        key = AccessKey(f"AKIA{number:016d}", f"secret{number:034d}", user, self.now(), changed=self.now())
        self.keys[key.id] = key
        return key

    def switch(self, user: str, id_: str, *, active: bool) -> None:
        key = self._key(user, id_)
        if key.active is not active:
            key.was_open, key.changed, key.active = self.opens(key), self.now(), active

    def delete(self, user: str, id_: str) -> None:
        key = self._key(user, id_)
        key.was_open, key.changed, key.gone = self.opens(key), self.now(), True

    def keys_of(self, user: str) -> list[AccessKey]:
        return [key for key in self.keys.values() if key.user == user and not key.gone]

    def listed(self, user: str) -> list[AccessKey]:
        return [key for key in self.keys_of(user) if self.now() - key.created >= self.listed_late]

    def _key(self, user: str, id_: str) -> AccessKey:
        key = self.keys.get(id_)
        if key is None or key.gone or key.user != user:
            raise Refusal("NoSuchEntity", f"The Access Key with id {id_} cannot be found.", 404)
        return key

    # --------------------------------------------------------------------------------------------- signing

    def opens(self, key: AccessKey) -> bool:
        """Does STS know it at this moment, at the server that happens to be asked?"""
        settled = key.active and not key.gone
        spreading = key.changed is not None and self.now() - key.changed < self.spreads
        if spreading and next(self._flaps) % 3:
            return key.was_open
        return settled

    def use(self, key: AccessKey, service: str, region: str) -> None:
        """It signed something."""
        now = self.now()
        if not key.uses or now - key.uses[-1].at >= self.step:
            key.uses.append(Use(now, service, region))

    def last_use(self, id_: str) -> tuple[str, Use | None]:
        key = self.keys.get(id_)
        if key is None or key.gone:
            raise Refusal("NoSuchEntity", f"The Access Key with id {id_} cannot be found.", 404)
        shown = [use for use in key.uses if self.now() - use.at >= self.lag]
        return key.user, self._whole(shown[-1]) if shown else None

    def _whole(self, use: Use) -> Use:
        return replace(use, at=use.at - (use.at - _BEGINNING) % self.grain)
