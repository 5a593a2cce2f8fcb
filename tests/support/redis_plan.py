"""A plan, a provider and an admin Secret for a real Redis, and the servers made ready for them as the docs tell to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from keyturn.api.kinds import CredentialProviderSpec, PlanStatus, RotationPlanSpec
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, PlanRecord, ProviderRecord, SecretRecord
from keyturn.providers.redis.connections import OwnClients
from keyturn.providers.redis.provider import RedisProvider
from keyturn.providers.redis.refusals import Refusals
from keyturn.providers.redis.settings import read_settings
from support.postgres_plan import WallClock, op
from support.redis_server import REPLICA, ROOT, ROTATOR, ROTATOR_PASSWORD, RedisPair

OWNER, SLOT_A, SLOT_B = "orders", "orders_a", "orders_b"
CURRENT = Credential(SLOT_A, Sealed("current-password-of-a-test"))
RULES = ("~orders:*", "%R~catalogue:*", "&orders:*", "+@all", "-@dangerous")


@dataclass(frozen=True)
class Setting:
    """One system as a plan sees it. Change a field with ``replace`` for bad input."""

    pair: RedisPair
    owner: str = OWNER
    slots: tuple[str, str] = (SLOT_A, SLOT_B)
    known: tuple[str, ...] = (ROOT, REPLICA)
    nodes: tuple[dict[str, Any], ...] | None = None
    endpoints: tuple[dict[str, Any], ...] | None = None
    admin: tuple[tuple[str, str], ...] = ()  # keys of the admin Secret to override; "" takes one away
    system: str = ""
    plan: str = "orders-cache"

    def records(self) -> tuple[ProviderRecord, PlanRecord, SecretRecord]:
        primary, replica = self.pair.both
        endpoints = self.endpoints or ({"name": "primary", "host": primary.host, "port": primary.port},)
        nodes = ({"name": "replica", "host": replica.host, "port": replica.port},) if self.nodes is None else self.nodes
        spec = CredentialProviderSpec.model_validate({
            "redis": {"adminSecretRef": {"name": "redis-rotator"}, "endpoints": list(endpoints), "nodes": list(nodes),
                      "known": list(self.known)},
            "allow": {"owners": [OWNER], "slots": ["orders_*"]},
        })  # fmt: skip
        plan = RotationPlanSpec.model_validate({
            "providerRef": {"name": "shop-redis"}, "redis": {"owner": self.owner, "slots": list(self.slots)},
            "secret": {"name": "orders-cache", "keys": {"URL": "rediss://{username}:{password}@{host}:{port}/{database}"}},
        })  # fmt: skip
        data = {"user": ROTATOR, "password": ROTATOR_PASSWORD, "host": primary.host, "port": str(primary.port),
                "ca.crt": primary.authority.ca_pem.decode()} | dict(self.admin)  # fmt: skip
        secret = {name: Sealed(value) for name, value in data.items() if value}
        return (
            ProviderRecord("CredentialProvider", ObjectKey("shop", "shop-redis"), "uid-provider", 1, spec),
            PlanRecord(ObjectKey("shop", self.plan), "uid-plan", 1, "1", plan, PlanStatus(system_id=self.system)),
            SecretRecord(ObjectKey("shop", "redis-rotator"), "uid-secret", "1", secret, {}),
        )

    def open(self, remembered: Refusals | None = None) -> RedisProvider:
        return RedisProvider(read_settings(*self.records()), OwnClients(), remembered or Refusals(), WallClock())

    def but(self, **changes: Any) -> Setting:
        return replace(self, **changes)


def make_ready(pair: RedisPair, *, first: str = SLOT_A) -> Setting:
    """The owner with its rules, and one working login (``first``), on swept servers."""
    pair.clean()
    pair.everywhere("ACL", "SETUSER", OWNER, "reset", "off", *RULES)
    pair.everywhere("ACL", "SETUSER", first, "reset", "on", f">{CURRENT.value.reveal_text()}", *RULES)
    return Setting(pair)


async def made(provider: RedisProvider) -> Credential:
    """NEW, as the first steps of a rotation make it."""
    new = Credential(await provider.next_id(SLOT_A), provider.mint())
    await provider.ensure(op("Create"), new, SLOT_A)
    return new


async def problems(setting: Setting) -> set[str]:
    """Reasons why Preflight blocks."""
    return {problem.reason for problem in (await setting.open().preflight(CURRENT)).problems}
