"""The two backends of the incidents, as a replay needs them."""

from __future__ import annotations

from typing import Any

from keyturn.ports import Credential, PlanRecord, Provider, ProviderRecord
from keyturn.providers.cloudflare_access.provider import AccessProvider
from keyturn.providers.cloudflare_access.settings import read_settings as read_access
from keyturn.providers.cloudflare_r2.provider import R2Provider
from keyturn.providers.cloudflare_r2.settings import read_settings as read_r2
from keyturn.providers.last_use import OwnUses
from support import cloudflare_access_plan, cloudflare_r2_plan
from support.cloudflare_server import CloudflareServer

ADMIN = {"adminSecretRef": {"name": "admin"}}
SLOWLY: dict[str, Any] = {
    "rollout": {"progressDeadline": "20m", "maxParallel": 2},
    "verify": {"require": ["Process"], "soak": "2m", "acceptBlindSoak": True},
}


class R2Account:
    """Pods write objects."""

    scheme = "s3"

    def __init__(self, server: CloudflareServer) -> None:
        self.server = server
        self.setting = cloudflare_r2_plan.make_ready(server).but(provider=ADMIN)
        self.desk, self.current = self.setting.desk, self.setting.credential
        self._own = OwnUses()

    def record(self) -> ProviderRecord:
        return self.setting.records()[0]

    def wish(self) -> dict[str, Any]:
        return {"providerRef": {"name": "provider"},
                "cloudflareR2": {"bucket": cloudflare_r2_plan.BUCKET},
                **SLOWLY,
                "retire": {"watch": "122m", "acceptBlindWatch": True}}  # fmt: skip

    def open(self, plan: PlanRecord) -> Provider:
        record, _, admin = self.setting.records()
        return R2Provider(read_r2(record, plan, admin), self.server.clock, self._own)

    def request(self, credential: Credential) -> bool:
        return cloudflare_r2_plan.s3(self.desk, credential) == 200


class AccessAccount:
    """Pods ask an app behind Access."""

    scheme = "access"

    def __init__(self, server: CloudflareServer) -> None:
        self.server = server
        self.setting = cloudflare_access_plan.make_ready(server).but(provider=ADMIN)
        self.desk, self.current = self.setting.desk, self.setting.credential
        self._own = OwnUses()

    def record(self) -> ProviderRecord:
        return self.setting.records()[0]

    def wish(self) -> dict[str, Any]:
        return {"providerRef": {"name": "provider"},
                "cloudflareAccess": {"client": "orders"},
                **SLOWLY,
                "retire": {"watch": "30m", "acceptBlindWatch": True}}  # fmt: skip

    def open(self, plan: PlanRecord) -> Provider:
        record, _, admin = self.setting.records()
        return AccessProvider(read_access(record, plan, admin), self.server.clock, self._own)

    def request(self, credential: Credential) -> bool:
        return cloudflare_access_plan.ask(self.desk, credential) == 200
