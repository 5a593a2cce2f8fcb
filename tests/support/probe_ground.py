"""A namespace under the ``restricted`` Pod Security Standard, in which pods run with the real probe."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from keyturn.core.evidence import Sight, Testimony
from keyturn.core.model import Kind, Verdict
from keyturn.core.sealed import Sealed
from keyturn.injector.patch import Interest, injected, interest_of
from keyturn.kube.cluster import KubeCluster
from keyturn.kube.pods import pod_of
from keyturn.kube.probes import ProbeClient
from keyturn.ports import PlanRecord, PodRecord
from keyturn.reconciler.users import remembered
from support.kubectl import Kubectl
from support.plan_records import plan_record


def plan_manifest(plan: PlanRecord) -> dict[str, Any]:
    """The plan as its author writes it."""
    return {
        "apiVersion": "keyturn.dev/v1alpha1",
        "kind": "RotationPlan",
        "metadata": {"name": plan.key.name},
        "spec": plan.spec.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


OLD, NEW = "old-value-of-the-key", "new-value-of-the-key"
EXPECTED = {"Old": {"url": Sealed(OLD)}, "New": {"url": Sealed(NEW)}}
IMAGE = "keyturn/probe:dev"
FROM_SECRET = {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "orders", "key": "url"}}}
FILE = "/var/run/secrets/db"  # through the image's link /var/run -> /run
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "runAsGroup": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}


class Ground:
    """A namespace with a plan whose rotation has staged NEW as generation 4."""

    def __init__(self, kubectl: Kubectl, client: ProbeClient) -> None:
        self.kubectl = kubectl
        self.client = client
        self.plan: PlanRecord = plan_record(namespace=kubectl.namespace, keys={"url": "pg://{username}:{password}"})
        self.interest = Interest(kubectl.namespace, self.plan.key.name, "orders", ("url",))

    def secret(self, value: str) -> None:
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "orders"}, "stringData": {"url": value}}
        self.kubectl.apply(body)

    def start(self, name: str, *command: str, env: Sequence[Mapping[str, Any]] = (), mounted: bool = False) -> None:
        app: dict[str, Any] = {
            "name": "app",
            "image": "keyturn/demo:dev",
            "command": list(command or ("sleep", "3600")),
            "env": list(env),
            "securityContext": RESTRICTED,
        }
        spec: dict[str, Any] = {"containers": [app], "terminationGracePeriodSeconds": 1}
        if mounted:
            app["volumeMounts"] = [{"name": "db", "mountPath": FILE}]
            spec["volumes"] = [{"name": "db", "secret": {"secretName": "orders"}}]
        metadata = {
            "name": name,
            "namespace": self.kubectl.namespace,
            "annotations": {self.interest.annotation: "4"},
        }
        pod, warning = injected(
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, [self.interest], IMAGE
        )
        assert not warning
        self.kubectl("create", "-f", "-", stdin=pod)

    async def learn(self, world: KubeCluster, name: str) -> Interest:
        """What the injector knows once the plan's status, at the API server, says as whom these pods run."""
        plan = await world.plan(self.plan.key)
        workloads = await world.consumers(self.kubectl.namespace, "orders", [], discover=True)
        pods = [pod for pod in await world.pods(workloads, self.kubectl.namespace, "orders") if name in pod.name]
        told = await self.client.challenge(self.plan, pods, 4, EXPECTED)
        assert plan is not None
        learned = remembered(plan.status.users, frozenset(workload.ref for workload in workloads), pods, told)
        await world.save_plan(plan, plan.status.model_copy(update={"users": learned}))
        return interest_of(self.kubectl.get("rotationplan", self.plan.key.name))

    def deploy(self, name: str, interest: Interest) -> str:
        """A Deployment whose user only its image says, injected with what is known now. Gives its newest pod."""
        silent = {field: value for field, value in RESTRICTED.items() if field not in {"runAsUser", "runAsGroup"}}
        app = {"name": "app", "image": "keyturn/demo:dev", "command": ["sleep", "3600"], "env": [FROM_SECRET]}
        template = {
            "metadata": {"labels": {"app": name}, "annotations": {interest.annotation: "4"}},
            "spec": {"containers": [app | {"securityContext": silent}], "terminationGracePeriodSeconds": 1},
        }
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": self.kubectl.namespace},
            "spec": {
                "selector": {"matchLabels": {"app": name}},
                "strategy": {"type": "Recreate"},
                "template": template,
            },
        }
        self.kubectl.apply(injected(deployment, [interest], IMAGE)[0])
        self.kubectl("rollout", "status", f"deployment/{name}", "--timeout=90s")
        return self.kubectl("get", "pods", "-l", f"app={name}", "-o", "name").removeprefix("pod/").strip()

    def until(self, name: str, condition: str) -> None:
        self.kubectl("wait", f"pod/{name}", f"--for={condition}", "--timeout=60s")

    def pod(self, name: str) -> PodRecord:
        return pod_of(self.kubectl.get("pod", name), "orders")

    async def asked(self, name: str) -> Testimony:
        pod = await asyncio.to_thread(self.pod, name)
        return (await self.client.challenge(self.plan, [pod], 4, EXPECTED))[pod.uid]

    async def process(self, name: str, wanted: Verdict) -> Sight:
        """What the pod's processes show, once it is what is waited for: a pod's first seconds show other things."""
        async with asyncio.timeout(30):
            while True:
                testimony = await self.asked(name)
                found = [sight for sight in testimony.sights if sight.kind is Kind.PROCESS]
                for sight in found:
                    if sight.verdict is wanted:
                        return sight
                await asyncio.sleep(0.2)
