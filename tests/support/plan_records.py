"""A plan and a pod as the cluster adapter reads them, and its small Secrets in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from keyturn.api.kinds import PlanStatus, ProviderRef, RotationPlanSpec, SecretTarget
from keyturn.core.delivery import Delivery
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.ports import PlanRecord, PodRecord, SecretRecord
from keyturn.providers.postgres.kinds import PostgresRoles


class Drawer:
    """Small Secrets, kept in memory."""

    def __init__(self) -> None:
        self.kept: dict[ObjectKey, dict[str, bytes]] = {}
        self.writes = 0

    async def secret(self, key: ObjectKey) -> SecretRecord | None:
        await asyncio.sleep(0)
        data = self.kept.get(key)
        return None if data is None else SecretRecord(key, "u", "1", {k: Sealed(v) for k, v in data.items()}, {})

    async def apply_secret(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        self.writes += 1
        self.kept[ObjectKey(namespace, name)] = dict(data)


def plan_record(
    *, namespace: str = "shop", name: str = "orders-db", uid: str = "u1", keys: dict[str, str] | None = None
) -> PlanRecord:
    """Of one Secret, ``orders``, with one key unless told otherwise."""
    templates = keys or {"url": "postgresql://{username}:{password}@{host}:{port}/{database}"}
    spec = RotationPlanSpec(
        provider_ref=ProviderRef(name="pg"),
        postgres=PostgresRoles(owner="orders_owner", slots=["orders_a", "orders_b"]),
        secret=SecretTarget(name="orders", keys=templates),
    )
    return PlanRecord(ObjectKey(namespace, name), uid, 1, "1", spec, PlanStatus())


def pod_record(
    *deliveries: Delivery, uid: str = "uid-1", address: str = "10.0.0.1", port: int = 9901, terminating: bool = False
) -> PodRecord:
    """Running, with our probe."""
    return PodRecord(
        namespace="shop",
        name="p",
        uid=uid,
        address=address,
        consumer=None,
        node="n",
        phase="Running",
        ready=True,
        terminating=terminating,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        host_network=False,
        probe_image="keyturn/probe:1",
        probe_port=port,
        deliveries=deliveries,
        container_starts={},
    )
