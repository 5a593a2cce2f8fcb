"""Where a provider's admin Secret is looked for."""

from __future__ import annotations

from typing import cast

import pytest

from keyturn.api.kinds import CredentialProviderSpec, PlanStatus
from keyturn.core.model import ObjectKey
from keyturn.ports import Clock, Cluster, PlanRecord, Probes, ProviderRecord, Providers, SecretRecord
from keyturn.reconciler.adopt import Adopter
from support.seen import NOW, plan

SPEC = CredentialProviderSpec.model_validate(
    {
        "postgres": {
            "adminSecretRef": {"name": "postgres-rotator"},
            "endpoints": [{"host": "postgres.shop.svc"}],
            "database": "shop",
        }
    }
)


class Asked:
    """Remembers which Secrets it was asked for, and has none."""

    def __init__(self, provider: ProviderRecord) -> None:
        self._provider = provider
        self.secrets: list[ObjectKey] = []

    async def provider(self, _plan: PlanRecord) -> ProviderRecord:
        return self._provider

    async def secret(self, key: ObjectKey) -> SecretRecord | None:
        self.secrets.append(key)
        return None

    async def save_plan(self, record: PlanRecord, _status: PlanStatus) -> PlanRecord:
        return record


class Noon:
    def now(self) -> object:
        return NOW


@pytest.mark.parametrize(
    ("provider", "where"),
    [
        (ProviderRecord("CredentialProvider", ObjectKey("shop", "pg"), "u", 1, SPEC), "shop"),
        (
            ProviderRecord("ClusterCredentialProvider", ObjectKey("", "pg"), "u", 1, SPEC, secrets_in="keyturn-system"),
            "keyturn-system",
        ),
    ],
    ids=["of the namespace", "of the cluster: the operator's namespace"],
)
async def test_the_admin_secret_lives_beside_the_provider(provider: ProviderRecord, where: str) -> None:
    cluster = Asked(provider)
    adopter = Adopter(cast("Cluster", cluster), cast("Providers", None), cast("Probes", None), cast("Clock", Noon()))
    assert await adopter.open(plan("orders-db"), None) is None
    assert cluster.secrets == [ObjectKey(where, "postgres-rotator")]
