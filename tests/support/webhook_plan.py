"""A plan, a provider and an admin Secret for a webhook server, and the contract's rig over one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from keyturn.api.kinds import ClusterCredentialProviderSpec, PlanStatus, RotationPlanSpec
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.ports import Clock, Credential, PlanRecord, Provider, ProviderRecord, SecretRecord
from keyturn.providers.addresses import Resolve, looked_up
from keyturn.providers.recent import Recent
from keyturn.providers.webhook.provider import WebhookProvider
from keyturn.providers.webhook.sessions import OwnLabels
from keyturn.providers.webhook.settings import read_settings
from support.postgres_plan import WallClock
from support.provider_rig import RealTime
from support.webhook_server import Bench

OWNER, SLOT_A, SLOT_B = "orders", "orders_a", "orders_b"
CURRENT = Credential(SLOT_A, Sealed("current-value-of-a-test"))


@dataclass(frozen=True)
class Setting:
    """One server as a plan sees it. Change a field with ``but`` for bad input."""

    url: str
    admin: dict[str, str]
    owner: str = OWNER
    slots: tuple[str, ...] = (SLOT_A, SLOT_B)
    known: tuple[str, ...] = ()
    kind: str = "ClusterCredentialProvider"
    loopback: bool = True
    system: str = ""
    plan: str = "orders-door"
    require: tuple[str, ...] = ("Session", "Process")
    blind: bool = False

    def records(self) -> tuple[ProviderRecord, PlanRecord, SecretRecord]:
        endpoints = [{"name": "primary", "host": self.admin["host"], "port": 8444}]
        spec = ClusterCredentialProviderSpec.model_validate({
            "webhook": {"url": self.url, "adminSecretRef": {"name": "shop-webhook"}, "endpoints": endpoints,
                        "known": list(self.known), "insecureLoopback": self.loopback},
            "allow": {"owners": [self.owner], "slots": list(self.slots)}, "namespaceSelector": {},
        })  # fmt: skip
        plan = RotationPlanSpec.model_validate({
            "providerRef": {"kind": self.kind, "name": "shop-webhook"},
            "webhook": {"owner": self.owner, "slots": list(self.slots)},
            "secret": {"name": "orders-door", "keys": {"LOGIN": "{username}:{password}@{host}:{port}"}},
            "verify": {"require": list(self.require), "acceptBlindSoak": self.blind},
        })  # fmt: skip
        secret = {name: Sealed(value) for name, value in self.admin.items() if value}
        return (
            ProviderRecord(self.kind, ObjectKey("", "shop-webhook"), "uid-provider", 1, spec),
            PlanRecord(ObjectKey("shop", self.plan), "uid-plan", 1, "1", plan, PlanStatus(system_id=self.system)),
            SecretRecord(ObjectKey("keyturn-system", "shop-webhook"), "uid-secret", "1", secret, {}),
        )

    def open(
        self,
        own: OwnLabels | None = None,
        *,
        resolve: Resolve = looked_up,
        seconds: float = 10,
        clock: Clock | None = None,
    ) -> WebhookProvider:
        settings = read_settings(*self.records())
        return WebhookProvider(settings, own or Recent(), clock or WallClock(), resolve=resolve, seconds=seconds)

    def but(self, **changes: Any) -> Setting:
        return replace(self, **changes)


class WebhookRig(RealTime):
    """Any server, with the bench that belongs to it."""

    def __init__(self, url: str, admin: dict[str, str], bench: Bench, version: str) -> None:
        ready = bench.tell("reset")
        loopback = urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
        self.bench, self.version = bench, version
        self.setting = Setting(url, admin, ready["owner"], tuple(ready["slots"]), loopback=loopback)
        self.current = Credential(ready["current"]["id"], Sealed(ready["current"]["value"]))
        self.free = next(slot for slot in self.setting.slots if slot != self.current.id)
        self._own: OwnLabels = Recent()
        self.provider: Provider = self.again()

    def again(self) -> Provider:
        return self.setting.open(self._own)

    async def admits(self, credential: Credential) -> bool:
        return self.bench.admits(shown(credential))

    @asynccontextmanager
    async def somebody(self, credential: Credential) -> AsyncGenerator[None]:
        with self.bench.hold(shown(credential)):
            yield

    def unplug(self) -> None:
        self.bench.tell("unplug")

    def add_stranger(self) -> Credential:
        made = self.bench.tell("stranger")
        return Credential(made["id"], Sealed(made["value"]))

    def remove_stranger(self) -> None:
        self.bench.tell("stranger-gone")


def shown(credential: Credential) -> dict[str, str]:
    """For a bench."""
    return {"id": credential.id, "value": credential.value.reveal_text()}
