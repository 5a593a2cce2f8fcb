"""What the API server in memory answers: the records of its workloads, pods and provider, and the plan of the world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

from keyturn.api.kinds import CredentialProviderSpec, PlanStatus, RotationPlanSpec, RotationStatus
from keyturn.core.delivery import Delivery, Way
from keyturn.core.model import ObjectKey
from keyturn.ports import PodRecord, ProviderRecord, WorkloadRecord
from keyturn.providers import discover
from support.pods import Pod, Workload

discover()

Status = TypeVar("Status", PlanStatus, RotationStatus)


@lru_cache(maxsize=8)
def provider_spec(allows: tuple[tuple[str, tuple[str, ...]], ...], approvals: int) -> CredentialProviderSpec:
    endpoints = [{"host": "db.shop.svc"}]
    postgres = {"adminSecretRef": {"name": "admin"}, "endpoints": endpoints, "database": "shop"}
    allow = {k: list(v) for k, v in allows}
    wish = {"postgres": postgres, "allow": allow, "approvals": {"minimum": approvals}}
    return CredentialProviderSpec.model_validate(wish)


def provider_of(name: str, admin: str) -> ProviderRecord:
    """Another provider of the namespace, which logs in with what this Secret holds."""
    wish = {"adminSecretRef": {"name": admin}, "endpoints": [{"host": "db.shop.svc"}], "database": "shop"}
    record = CredentialProviderSpec.model_validate(
        {"postgres": wish, "allow": {"owners": ["reports"], "slots": ["reports_*"]}}
    )
    return ProviderRecord("CredentialProvider", ObjectKey("shop", name), f"uid-{name}", 1, record)


def workload_record(workload: Workload, secret: str, lost: Sequence[str] = ()) -> WorkloadRecord:
    """``lost``: uids of pods whose loss was accepted; the workload settles without them."""
    there = [p for p in workload.pods if p.uid not in lost]
    current = [p for p in workload.current if p.uid not in lost]
    ready = [p for p in workload.pods if p.ready and not p.lost and not p.terminating]
    way = Way.FILE if workload.reload else Way.ENV
    record = WorkloadRecord(
        ref=workload.ref,
        uid=f"uid-{workload.ref.name}",
        template={},
        selector=f"app={workload.ref.name}",
        generation_mark=workload.template.mark,
        deliveries=(Delivery("app", init=False, secret=secret, key="url", way=way, place="/x"),),
        settled=len(current) == workload.replicas == len(there) and all(p.ready and not p.lost for p in current),
        healthy=len(ready) >= workload.replicas,
        stuck="Paused" if workload.paused else "",
        replicas=workload.replicas,
        kills_first=workload.unavailable >= workload.replicas,
        paused=workload.paused,
        injected=True,
    )
    return replace(record, **workload.shown)  # type: ignore[arg-type]  # fields by name


def pod_record(pod: Pod, namespace: str, secret: str, owner: Workload | None) -> PodRecord:
    unsaid = {"app": owner.unsaid_user} if owner is not None and owner.unsaid_user is not None else {}
    return PodRecord(
        namespace=namespace,
        name=pod.name,
        uid=pod.uid,
        address=pod.address,
        consumer=pod.consumer,
        node="node",
        phase="Running",
        ready=pod.ready and not pod.lost,
        terminating=pod.terminating,
        created=pod.created,
        host_network=False,
        probe_image="probe",
        probe_port=9901,
        deliveries=(Delivery("app", init=False, secret=secret, key="url", way=Way.ENV, place="URL"),),
        container_starts={},
        unsaid_users=unsaid,
    )


def spec(**changes: object) -> RotationPlanSpec:
    """The plan of the simulated world."""
    wish: dict[str, object] = {
        "providerRef": {"name": "db"},
        "postgres": {"owner": "orders", "slots": ["orders_a", "orders_b"]},
        "secret": {"name": "orders-db", "keys": {"url": "postgresql://{username}:{password}@{host}:{port}/{database}"}},
        "consumers": {"list": [{"kind": "Deployment", "name": "worker", "reload": "PerConnection"}]},
        "rollout": {"progressDeadline": "2m"},
        "verify": {"soak": "20s", "proofDeadline": "1m"},
        "retire": {"watch": "20s"},
    }
    return RotationPlanSpec.model_validate({**wish, **changes})


def as_stored(status: Status) -> Status:
    """What comes back of it: through JSON, as the API server keeps it."""
    return type(status).model_validate(status.model_dump(mode="json", by_alias=True, exclude_none=True))
