"""What a shop of the fault tests is built around: one backend, with everything about it that is its own.

A further backend is one more module with a class like these (``redis_ware``, ``iam_ware``), the half of a proxy that
understands its protocol, and a line in ``wares``. Shop, pods, node, strikes and verdict know no backend.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import ClassVar, Protocol
from urllib.parse import SplitResult

from support.backend_proxy import BackendProxy
from support.kube_api import Json


class Failed(Exception):
    """The backend did not do what was asked of it. Says how in a few words, none of them a value."""


class Session(Protocol):
    """What an application holds open."""

    async def use(self) -> None:
        """One question to the backend. Raises Failed if the session is gone."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Stock:
    """What of the shop's furniture speaks of the backend."""

    provider: Json  # the backend's half of the CredentialProvider, but for the name of the rotator's Secret
    plan: Json  # its half of the RotationPlan
    allow: Json  # what plans may ask for
    rotator: dict[str, str]  # data of the rotator's Secret
    template: str  # of the URL that consumers read
    url: str  # as it is at first
    retire: Json = field(default_factory=dict[str, object])  # further fields of the plan's ``retire``
    verify: Json = field(default_factory=dict[str, object])  # and of its ``verify``


Enabled = Callable[[], Awaitable[list[str]]]
"""Which of the plan's principals can log in now; one that can at some servers only is named with that. Raises Failed"""


class Ware(Protocol):
    """One backend for one shop. ``kill`` ends the operator at once; pods have addresses of 127.``network``."""

    field: ClassVar[str]  # of a provider's and a plan's spec; names of runs begin with it
    changes: ClassVar[re.Pattern[str]]  # names of calls that change something
    program: ClassVar[Sequence[str]]  # what is started as the operator
    proxy: BackendProxy

    def __init__(self, kill: Callable[[], None], network: int) -> None: ...

    def start(self, plan: str) -> None:
        """Its servers run and are ready for this plan (``namespace/name``)."""
        ...

    def stop(self) -> None:
        """Nothing stays."""
        ...

    @property
    def port(self) -> int:
        """Where pods reach it on 127.0.0.1, past the proxy."""
        ...

    def stock(self) -> Stock:
        """Once the proxy listens."""
        ...

    async def log_in(self, host: str, port: int, login: SplitResult) -> Session:
        """As an application does with the URL it was given, through this address. Raises Failed."""
        ...

    def looking(self) -> AbstractAsyncContextManager[Enabled]:
        """A look past the proxy, as often as wanted. Raises Failed."""
        ...

    def refused(self) -> list[str]:
        """Logins of pods that the servers refused, ever, from the servers' own record."""
        ...
