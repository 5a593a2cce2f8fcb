"""What an API server in memory holds beside the plan of the world: its provider, other plans, who runs the operator."""

from __future__ import annotations

from collections.abc import Sequence

from keyturn.core.model import ObjectKey
from keyturn.ports import PlanRecord, PodRecord, ProviderRecord, RotationRecord
from support.cluster_records import provider_spec


class Neighbours:
    """The half of ``MemoryCluster`` that is only read."""

    def __init__(self) -> None:
        self.other_plans: list[PlanRecord] = []
        self.other_rotations: dict[ObjectKey, RotationRecord] = {}
        self.other_providers: list[ProviderRecord] = []
        self.replicas: list[PodRecord] = []  # of Keyturn's operator
        self.provider_allows: dict[str, list[str]] = {"owners": ["orders"], "slots": ["orders_*"]}
        self.admits_namespace = True
        self.provider_minimum = 0  # approvals
        self.editors: dict[str, str] = {}  # annotations of the provider

    async def provider(self, plan: PlanRecord) -> ProviderRecord:
        await self._ask("provider")
        ref = plan.spec.provider_ref
        for other in self.other_providers:
            here = not other.key.namespace or other.key.namespace == plan.key.namespace
            if here and (other.kind, other.key.name) == (ref.kind, ref.name):
                return other
        return self._provider(plan.key.namespace)

    async def providers(self, admin: ObjectKey) -> Sequence[ProviderRecord]:
        await self._ask("providers")
        return [one for one in (self._provider("shop"), *self.other_providers) if one.admin_key == admin]

    def _provider(self, namespace: str) -> ProviderRecord:
        allows = tuple((k, tuple(v)) for k, v in self.provider_allows.items())
        spec = provider_spec(allows, self.provider_minimum)
        key = ObjectKey(namespace, "db")
        return ProviderRecord("CredentialProvider", key, "provider-uid", 1, spec, self.admits_namespace, self.editors)

    async def operators(self) -> Sequence[PodRecord]:
        await self._ask("operators")
        return list(self.replicas)

    async def _ask(self, name: str) -> None:
        raise AssertionError(f"{name}: asked of half a cluster")
