"""A plan, a provider and an admin Secret for Access on the server beside this, and the rig for the contract."""

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
from keyturn.providers.cloudflare_access.provider import AccessProvider
from keyturn.providers.cloudflare_access.settings import read_settings
from keyturn.providers.last_use import OwnUses
from support.cloudflare_access_desk import AccessDesk, ServiceToken, rules
from support.cloudflare_server import ACCOUNT, CloudflareServer, Json, status_of

HOST = "orders.example.com"
PLAN = "orders-access"
KEYS = {"CF_ACCESS_CLIENT_ID": "{username}", "CF_ACCESS_CLIENT_SECRET": "{password}"}


@dataclass(frozen=True)
class Setting:
    """One account as a plan sees it. Change a field with ``but`` for bad input."""

    desk: AccessDesk
    current: ServiceToken
    policy: Json
    group: Json
    provider: dict[str, Any] = field(default_factory=dict)  # over the usual fields
    wish: dict[str, Any] = field(default_factory=dict)
    admin: tuple[tuple[str, str], ...] = ()  # keys of the admin Secret to override; "" takes one away
    allowed: tuple[str, ...] = ("orders",)
    system: str = ""
    plan: str = PLAN

    @property
    def credential(self) -> Credential:
        return pair(self.current)

    def records(self) -> tuple[ProviderRecord, PlanRecord, SecretRecord]:
        server = self.desk.server
        half = {"adminSecretRef": {"name": "access-rotator"}, "account": ACCOUNT, "session": "0s",
                "app": {"host": HOST, "path": "/health", "contains": '"app": "orders"'},
                "policies": [self.policy["id"]], **self.provider}  # fmt: skip
        plan = RotationPlanSpec.model_validate({
            "providerRef": {"name": "access"},
            "cloudflareAccess": {"client": "orders", **self.wish},
            "secret": {"name": PLAN, "keys": KEYS},
            "verify": {"require": ["Process"], "acceptBlindSoak": True},
            "retire": {"watch": "1h", "acceptBlindWatch": True},
        })  # fmt: skip
        data = {"account": ACCOUNT, "token": self.desk.rotator, "api": server.api, "host": HOST,
                "app": f"http://{server.address}/app"} | dict(self.admin)  # fmt: skip
        spec = CredentialProviderSpec.model_validate(
            {"cloudflareAccess": half, "allow": {"owners": list(self.allowed)}}
        )
        status = PlanStatus(system_id=self.system, current_id=self.current.record["client_id"])
        return (
            ProviderRecord("CredentialProvider", ObjectKey("shop", "access"), "uid-provider", 1, spec),
            PlanRecord(ObjectKey("shop", self.plan), "uid-plan", 1, "1", plan, status),
            SecretRecord(ObjectKey("shop", "access-rotator"), "uid-secret", "1",
                         {name: Sealed(value) for name, value in data.items() if value}, {}),
        )  # fmt: skip

    def open(self, own: OwnUses | None = None) -> AccessProvider:
        return AccessProvider(read_settings(*self.records()), self.desk.server.clock, own or OwnUses())

    def but(self, **changes: Any) -> Setting:
        return replace(self, **changes)


def pair(token: ServiceToken) -> Credential:
    return Credential(token.record["client_id"], Sealed(token.secret))


def make_ready(server: CloudflareServer) -> Setting:
    """A swept account: one token, in a policy of its own and in a group that another policy lets in."""
    desk = AccessDesk(server)
    token = desk.issue("orders app")
    more = {"decision": "non_identity", "session_duration": "24h", "reusable": True, "app_count": 1}
    asked = [{"approvals_needed": 1, "email_addresses": ["a@example.com"]}]
    policy = desk.add("policies", "orders machines", token, approval_groups=asked, **more)
    group = desk.add("groups", "machines", token)
    return Setting(desk, token, policy, group)


def ask(desk: AccessDesk, credential: Credential) -> int:
    """A request as an app makes it; the status."""
    headers = {"CF-Access-Client-Id": credential.id, "CF-Access-Client-Secret": credential.value.reveal_text()}
    return status_of(desk.server, "GET", "/app/orders", headers)


class AccessRig:
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
        return ask(self.desk, credential) == 200

    @asynccontextmanager
    async def somebody(self, credential: Credential) -> AsyncGenerator[None]:
        ask(self.desk, credential)  # over when it is answered: nothing can be held open
        yield

    def unplug(self) -> None:
        self.desk.server.halt()

    def add_stranger(self) -> Credential:
        self._stranger = self.desk.issue("somebody's")
        self._policy()["include"] += rules([self._stranger])
        return pair(self._stranger)

    def remove_stranger(self) -> None:
        left = [rule for rule in self._policy()["include"] if rule not in rules([self._stranger])]
        self._policy()["include"] = left
        del self.desk.tokens[self._stranger.uuid]

    def _policy(self) -> Json:
        return self.desk.records["policies"][self.setting.policy["id"]]
