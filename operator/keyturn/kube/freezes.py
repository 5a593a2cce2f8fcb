"""Who froze changes: an annotation on the plan, on its namespace, or on the operator's namespace (everything).

Reads; deciding what a freeze stops is the core's.
"""

from __future__ import annotations

from keyturn.api.labels import FREEZE
from keyturn.core.model import ObjectKey
from keyturn.kube import paths
from keyturn.kube.client import KubeClient
from keyturn.kube.raw import strings
from keyturn.ports import PlanRecord


class Freezes:
    """Asks for both namespaces each time: a freeze must hold at once, and a cache would be late."""

    def __init__(self, client: KubeClient, operator_namespace: str) -> None:
        self._client = client
        self._operator_namespace = operator_namespace

    async def frozen(self, plan: PlanRecord) -> str:
        """In words, with the way out; empty when nobody froze anything."""
        if FREEZE in plan.annotations:
            return _words(f"plan {plan.key.name}", plan.annotations[FREEZE], f"{plan.key.name} -n {plan.key.namespace}")
        here = await self._reason(plan.key.namespace)
        if here is not None:
            return _words(f"namespace {plan.key.namespace}", here, f"-n {plan.key.namespace}")
        everything = await self._reason(self._operator_namespace)
        return "" if everything is None else _words("everything", everything, "--everything")

    async def _reason(self, namespace: str) -> str | None:
        found = await self._client.read(paths.core("namespaces", ObjectKey("", namespace)))
        return strings(found, "metadata", "annotations").get(FREEZE) if found is not None else None


def _words(what: str, why: str, lifted_by: str) -> str:
    return f"{what} is frozen ({why or 'no reason given'}); lift it with: kubectl keyturn unfreeze {lifted_by}"
