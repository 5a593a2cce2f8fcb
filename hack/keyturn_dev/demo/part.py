"""What a backend brings to the demo: its server, the programs that use it, and somebody who looks at it from inside.

Adding a backend is one file in `parts/` and three manifests. Scenes and judge know only what stands here.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from keyturn_dev.demo.credentials import Authority
from keyturn_dev.demo.kubectl import Kubectl

SHOP = "shop"
MANIFESTS = Path(__file__).parent / "manifests"


def _password() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True, slots=True)
class Passwords:
    """Of the accounts that exist before the first rotation, made fresh. They leave this process only into Secrets."""

    current: str = field(default_factory=_password, repr=False)  # of the slot in use
    rotator: str = field(default_factory=_password, repr=False)
    root: str = field(default_factory=_password, repr=False)


@dataclass(frozen=True, slots=True)
class Account:
    """An account as the server keeps it. Compared, never printed."""

    enabled: bool
    stored: str  # a verifier or hash of its password
    rest: object = None  # whatever else a rollback must give back


@dataclass(frozen=True, slots=True)
class Trace:
    """What the server itself wrote down about one account."""

    words: str  # what `last_use` is the time of
    last_use: datetime | None
    disabled: datetime | None


class Server(Protocol):
    """The backend's server, asked from inside its pod by its administrator."""

    def accounts(self) -> Mapping[str, Account]:
        """Every account of the plan's, and whoever else can log in."""
        ...

    def sessions(self, name: str) -> int:
        """Sessions of this account that are open now."""
        ...

    def refused(self, names: frozenset[str], since: datetime, leave_out: frozenset[str]) -> list[str]:
        """A word for each login as one of these that it recorded as refused since then, but from these addresses."""
        ...

    def trace(self, name: str, since: datetime, leave_out: frozenset[str]) -> Trace | None:
        """When it was used last, and first disabled since then; None where the server keeps no such record."""
        ...

    def take_away(self, name: str) -> None:
        """Disable this account by hand, as somebody would who knows nothing of Keyturn."""
        ...


@dataclass(frozen=True, slots=True)
class Consumer:
    """A Deployment that logs in. One that reloads reads its file for every connection, and is not restarted."""

    name: str
    reloads: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A backend's part. Manifests are in the directory of its name: server.yaml, plan.yaml and apps.yaml."""

    name: str  # as --provider calls it; its StatefulSet and its image too
    title: str
    plan: str  # the plan's name, and that of the Secret that pods consume
    key: str  # of that Secret
    slots: tuple[str, str]  # the first one serves before the first rotation
    consumers: tuple[Consumer, ...]
    decoy: str  # a Deployment that only sounds like them
    server: Callable[[Kubectl, Passwords], Server]
    secrets: Callable[[Passwords, Authority], Mapping[str, Mapping[str, str]]]  # to make before the server starts

    @property
    def host(self) -> str:
        """Where consumers find it."""
        return f"{self.name}.{SHOP}.svc"

    @property
    def names(self) -> tuple[str, ...]:
        """The consumers' names."""
        return tuple(consumer.name for consumer in self.consumers)

    def manifest(self, what: str) -> Path:
        """One of its three."""
        return MANIFESTS / self.name / f"{what}.yaml"
