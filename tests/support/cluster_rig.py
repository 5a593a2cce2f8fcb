"""What the Cluster port's contract needs of any API server: a plan, a Secret, Deployments, and other people's hands."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from keyturn.api.kinds import PlanStatus
from keyturn.core.model import ConsumerRef, ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.kube.cluster import KubeCluster
from keyturn.ports import Cluster, PlanRecord
from support.cluster_records import provider_of, spec
from support.deployments import PAUSE
from support.kubectl import Kubectl
from support.memory_backend import MemoryBackend, Role
from support.memory_cluster import MemoryCluster
from support.pods import Workload
from support.switchboard import Switchboard

SECRET = "orders-db"
KEEP = {"unmanaged": "stays as it is"}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class ClusterRig(Protocol):
    """One API server under the contract, with the plan ``orders`` and no Secret."""

    cluster: Cluster
    key: ObjectKey  # of the plan

    async def annotate_plan(self) -> None:
        """Somebody writes to the plan."""
        ...

    async def delete_plan(self) -> None:
        """Somebody deletes the plan: it stays as long as finalizers hold it."""
        ...

    async def write_secret(self, data: Mapping[str, str], writer: str, *, immutable: bool = False) -> None:
        """Somebody makes or changes the Secret."""
        ...

    async def annotate_secret(self) -> None:
        """Somebody writes to the Secret, and changes no key."""
        ...

    async def delete_secret(self) -> None:
        """Somebody deletes the Secret."""
        ...

    async def make_provider(self, name: str, admin: str) -> None:
        """One of the plan's namespace, whose admin Secret this is."""
        ...

    async def make_deployment(self, name: str, replicas: int = 0) -> None:
        """One that references the Secret; its pods are there when this returns."""
        ...

    async def delete_deployment(self, name: str) -> None:
        """Somebody deletes it, and its pods are gone."""
        ...


class MemoryClusterRig:
    """The API server of the simulated world."""

    def __init__(self) -> None:
        self.key = ObjectKey("shop", "orders")
        backend = MemoryBackend()
        backend.roles["orders_a"] = Role(Sealed("old-value-0123456789"))
        self.memory = MemoryCluster(Switchboard(), backend, NOW)
        self.cluster: Cluster = self.memory
        self.memory.the_plan = PlanRecord(self.key, "plan-uid", 1, "made", spec(), PlanStatus())

    async def annotate_plan(self) -> None:
        self.memory.touch_plan()

    async def delete_plan(self) -> None:
        plan = self.memory.the_plan
        assert plan is not None
        self.memory.the_plan = replace(plan, deleting=True, deleted_at=NOW) if plan.finalizers else None
        self.memory.touch_plan()

    async def write_secret(self, data: Mapping[str, str], writer: str, *, immutable: bool = False) -> None:
        self.memory.secret_shown = {"immutable": True} if immutable else {}
        self.memory.edit_secret({key: Sealed(value) for key, value in data.items()}, writer)

    async def annotate_secret(self) -> None:
        self.memory.touch_secret()

    async def delete_secret(self) -> None:
        self.memory.delete_secret()

    async def make_provider(self, name: str, admin: str) -> None:
        self.memory.other_providers.append(provider_of(name, admin))

    async def make_deployment(self, name: str, replicas: int = 0) -> None:
        ref = ConsumerRef("Deployment", self.key.namespace, name)
        self.memory.workloads[ref] = Workload(ref, replicas)
        for _ in range(4 * replicas):
            self.memory.fleet.move()

    async def delete_deployment(self, name: str) -> None:
        del self.memory.workloads[ConsumerRef("Deployment", self.key.namespace, name)]


class KubeClusterRig:
    """A real API server, through kubectl."""

    def __init__(self, cluster: KubeCluster, kubectl: Kubectl) -> None:
        self.cluster: Cluster = cluster
        self.key = ObjectKey(kubectl.namespace, "orders")
        self._kubectl = kubectl
        self._numbers = itertools.count(1)
        plan = {"apiVersion": "keyturn.dev/v1alpha1", "kind": "RotationPlan", "metadata": {"name": "orders"}}
        kubectl.apply(plan | {"spec": spec().model_dump(mode="json", by_alias=True, exclude_none=True)})

    async def annotate_plan(self) -> None:
        self._annotate("rotationplan", "orders")

    async def delete_plan(self) -> None:
        self._kubectl("delete", "rotationplan", "orders", "--wait=false")

    async def write_secret(self, data: Mapping[str, str], writer: str, *, immutable: bool = False) -> None:
        packed = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "data": packed}
        self._kubectl.apply(body | ({"immutable": True} if immutable else {}), manager=writer)

    async def annotate_secret(self) -> None:
        self._annotate("secret", SECRET)

    async def delete_secret(self) -> None:
        self._kubectl("delete", "secret", SECRET)

    async def make_provider(self, name: str, admin: str) -> None:
        body = {
            "apiVersion": "keyturn.dev/v1alpha1",
            "kind": "CredentialProvider",
            "metadata": {"name": name},
            "spec": provider_of(name, admin).spec.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        self._kubectl.apply(body)

    async def make_deployment(self, name: str, replicas: int = 0) -> None:
        variable = {"name": "URL", "valueFrom": {"secretKeyRef": {"name": SECRET, "key": "url"}}}
        container = {"name": "app", "image": PAUSE, "imagePullPolicy": "IfNotPresent", "env": [variable]}
        template = {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
        }
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
        }
        self._kubectl.apply(body)
        await asyncio.to_thread(self._kubectl, "rollout", "status", f"deployment/{name}", "--timeout=60s")

    async def delete_deployment(self, name: str) -> None:
        await asyncio.to_thread(self._kubectl, "delete", "deployment", name, "--cascade=foreground", "--timeout=60s")

    def _annotate(self, kind: str, name: str) -> None:
        self._kubectl("annotate", kind, name, f"touched=no-{next(self._numbers)}", "--overwrite")
