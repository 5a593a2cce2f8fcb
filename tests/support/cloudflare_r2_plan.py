"""A plan, a provider and an admin Secret for R2 on the server beside this, and the rig for the contract."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from keyturn.api.kinds import CredentialProviderSpec, PlanStatus, RotationPlanSpec
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, PlanRecord, Provider, ProviderRecord, SecretRecord
from keyturn.providers.cloudflare_r2.provider import R2Provider
from keyturn.providers.cloudflare_r2.settings import read_settings
from keyturn.providers.cloudflare_r2.signing import signed
from keyturn.providers.last_use import OwnUses
from support.cloudflare_server import ACCOUNT, CloudflareServer, status_of
from support.cloudflare_tokens import Issued, TokenDesk, policies

BUCKET = "orders-files"
PLAN = "orders-files"
KEYS = {"AWS_ACCESS_KEY_ID": "{username}", "AWS_SECRET_ACCESS_KEY": "{password}"}


@dataclass(frozen=True)
class Setting:
    """One account as a plan sees it. Change a field with ``but`` for bad input."""

    desk: TokenDesk
    current: Issued
    provider: dict[str, Any] = field(default_factory=dict)  # over the usual fields
    wish: dict[str, Any] = field(default_factory=dict)
    require: tuple[str, ...] = ("Process",)
    admin: tuple[tuple[str, str], ...] = ()  # keys of the admin Secret to override; "" takes one away
    allowed: tuple[str, ...] = (BUCKET,)
    system: str = ""
    plan: str = PLAN
    adopted: bool = True

    @property
    def credential(self) -> Credential:
        return pair(self.current)

    def records(self) -> tuple[ProviderRecord, PlanRecord, SecretRecord]:
        server = self.desk.server
        half = {"adminSecretRef": {"name": "r2-rotator"}, "account": ACCOUNT, **self.provider}
        spec = {"cloudflareR2": half, "allow": {"owners": list(self.allowed)}}
        wish = {"bucket": BUCKET, **self.wish}
        plan = RotationPlanSpec.model_validate({
            "providerRef": {"name": "r2"}, "cloudflareR2": wish,
            "secret": {"name": PLAN, "keys": KEYS},
            "verify": {"require": list(self.require), "acceptBlindSoak": True},
            "retire": {"watch": "3h", "acceptBlindWatch": True},
        })  # fmt: skip
        data = {"account": ACCOUNT, "token": self.desk.rotator.value, "api": server.api,
                "s3": f"http://{server.address}/s3"} | dict(self.admin)  # fmt: skip
        status = PlanStatus(system_id=self.system, current_id=self.current.record["id"] if self.adopted else "")
        return (
            ProviderRecord("CredentialProvider", ObjectKey("shop", "r2"), "uid-provider", 1,
                           CredentialProviderSpec.model_validate(spec)),
            PlanRecord(ObjectKey("shop", self.plan), "uid-plan", 1, "1", plan, status),
            SecretRecord(ObjectKey("shop", "r2-rotator"), "uid-secret", "1",
                         {name: Sealed(value) for name, value in data.items() if value}, {}),
        )  # fmt: skip

    def open(self, own: OwnUses | None = None) -> R2Provider:
        return R2Provider(read_settings(*self.records()), self.desk.server.clock, own or OwnUses())

    def but(self, **changes: Any) -> Setting:
        return replace(self, **changes)


def pair(issued: Issued) -> Credential:
    """The S3 key pair of a token."""
    return Credential(issued.record["id"], Sealed(issued.secret))


def make_ready(server: CloudflareServer, **more: Any) -> Setting:
    """A swept account with one working token for the bucket."""
    desk = TokenDesk(server)
    return Setting(desk, desk.issue("orders app", policies(BUCKET), **more))


def s3(desk: TokenDesk, credential: Credential, method: str = "PUT", key: str = "a-file") -> int:
    """A request as an app makes it; the status."""
    path = f"/s3/{BUCKET}/{key}"
    body = b"data" if method == "PUT" else b""
    login = (credential.id, credential.value)
    headers = signed(method, f"http://{desk.server.address}{path}", {}, body, login, desk.server.clock.now())
    return status_of(desk.server, method, path, headers, body)


class R2Rig:
    """For the contract: a server that speaks the documented API."""

    free = ""
    version = "a server that speaks the documented API"

    def __init__(self, server: CloudflareServer) -> None:
        self.setting = make_ready(server)
        self.desk, self.current = self.setting.desk, self.setting.credential
        self._own = OwnUses()
        self.provider: Provider = self.again()

    def now(self) -> datetime:
        return self.desk.server.clock.now()

    def wait(self, time: timedelta) -> None:
        self.desk.server.clock.move(time)

    def again(self) -> Provider:
        return self.setting.open(self._own)

    async def admits(self, credential: Credential) -> bool:
        return s3(self.desk, credential) == 200

    @asynccontextmanager
    async def somebody(self, credential: Credential) -> AsyncGenerator[None]:
        s3(self.desk, credential)  # over when it is answered: nothing can be held open
        yield

    def unplug(self) -> None:
        self.desk.server.halt()

    def add_stranger(self) -> Credential:
        self._stranger = self.desk.issue("somebody's", policies(BUCKET, "staging-files"))
        return pair(self._stranger)

    def remove_stranger(self) -> None:
        del self.desk.tokens[self._stranger.record["id"]]
