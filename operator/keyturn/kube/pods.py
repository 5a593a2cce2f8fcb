"""Pods: listed consistently, projected to slim records page by page, and traced to the workload that controls them.

Never answered from a watch or a cache: "is there still an old pod?" decides about deletion. A pod that has finished
runs no process and is left out; one that terminates is in until it is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from posixpath import normpath

from keyturn.api.labels import CHALLENGE_PORT, OPERATORS, PROBE_CONTAINER, restart_annotation
from keyturn.core.delivery import deliveries
from keyturn.core.evidence import RunsAs
from keyturn.core.model import ConsumerRef, ObjectKey
from keyturn.kube import paths
from keyturn.kube.client import KubeClient, Patch
from keyturn.kube.raw import Json, at, listed, mapping, moment, number, strings, text
from keyturn.ports import PodRecord, WorkloadRecord

_REPLICA_SET = "ReplicaSet"
_HASH_LABEL = "pod-template-hash"
_PROGRAM = frozenset({"usr", "lib", "lib32", "lib64", "libx32", "bin", "sbin", "proc"})  # of the probe's image
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_STATUSES = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")


@dataclass(frozen=True, slots=True)
class _Owner:
    """The controller of a pod or ReplicaSet."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class _Owned:
    """A pod and what is needed to trace it."""

    pod: PodRecord
    owner: _Owner | None
    template_hash: str


class Pods:
    """The pods of a namespace."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def records(self, workloads: Sequence[WorkloadRecord], namespace: str, secret: str) -> Sequence[PodRecord]:
        """All pods of these workloads and any other pod that references the Secret; sorted by name."""

        def possible(found: Json) -> _Owned | None:
            owner = _controller(found)
            if finished(found):
                return None
            pod = pod_of(found, secret)
            from_set = owner is not None and owner.kind == _REPLICA_SET
            return _Owned(pod, owner, _template_hash(found)) if pod.deliveries or from_set else None

        found = await self._client.collect(paths.core("pods", ObjectKey(namespace, "")), possible)
        sets = await self._replica_sets(namespace) if any(_from_set(one) for one in found) else dict[str, _Owner]()
        traced = [replace(one.pod, consumer=_traced(one, sets)) for one in found]
        refs = {workload.ref for workload in workloads}
        return sorted((pod for pod in traced if pod.deliveries or pod.consumer in refs), key=lambda pod: pod.name)

    async def operators(self, namespace: str) -> Sequence[PodRecord]:
        """The operator's own pods, terminating ones included."""
        path = paths.core("pods", ObjectKey(namespace, ""))
        return await self._client.collect(path, lambda found: pod_of(found, ""), labelSelector=OPERATORS)

    async def leaving(self, namespace: str, lost: Sequence[str] = ()) -> frozenset[str]:
        """The uids of Deployments that still have terminating pods, but for the lost. Asks for metadata only."""

        def terminating(found: Json) -> _Owner | None:
            gone = text(found, "metadata", "uid") in lost
            return _controller(found) if text(found, "metadata", "deletionTimestamp") and not gone else None

        path = paths.core("pods", ObjectKey(namespace, ""))
        owners = await self._client.collect(path, terminating, metadata_only=True)
        sets = await self._replica_sets(namespace) if owners else dict[str, _Owner]()
        return frozenset(sets[owner.uid].uid for owner in owners if owner.uid in sets)

    async def _replica_sets(self, namespace: str) -> Mapping[str, _Owner]:
        """ReplicaSet uid -> its Deployment. Asked after the pods, so that no pod is newer than its ReplicaSet here."""

        def owned(found: Json) -> tuple[str, _Owner] | None:
            owner = _controller(found)
            return (text(found, "metadata", "uid"), owner) if owner else None

        path = paths.apps("replicasets", ObjectKey(namespace, ""))
        return dict(await self._client.collect(path, owned, metadata_only=True))

    async def touch(self, pod: PodRecord, plan: ObjectKey, generation: int) -> None:
        """Annotate the pod, so that the kubelet refreshes its volumes now. Raises Conflict if it is gone or another."""
        annotations = {restart_annotation(plan.namespace, plan.name): str(generation)}
        path = paths.core("pods", ObjectKey(pod.namespace, pod.name))
        await self._client.patch(path, {"metadata": {"uid": pod.uid, "annotations": annotations}}, Patch.MERGE)


def pod_of(found: Json, secret: str) -> PodRecord:
    """A pod as stored, not traced to its consumer yet."""
    metadata, spec, status = mapping(found, "metadata"), mapping(found, "spec"), mapping(found, "status")
    return PodRecord(
        namespace=text(metadata, "namespace"),
        name=text(metadata, "name"),
        uid=text(metadata, "uid"),
        address=text(status, "podIP"),
        consumer=None,
        node=text(spec, "nodeName"),
        phase=text(status, "phase"),
        ready=_ready(status),
        terminating=bool(text(metadata, "deletionTimestamp")),
        created=moment(text(metadata, "creationTimestamp")),
        host_network=at(spec, "hostNetwork") is True,
        probe_image=_probe_image(status),
        probe_port=_probe_port(spec),
        probe_awaited=_probe_awaited(spec),
        deliveries=deliveries(spec, secret),
        container_starts=_starts(status),
        probe_altered=_probe_altered(spec),
        unsaid_users=_unsaid_users(spec, status),
    )


def _ready(status: Json) -> bool:
    return any(text(one, "type") == "Ready" and text(one, "status") == "True" for one in listed(status, "conditions"))


def _starts(status: Json) -> dict[str, datetime]:
    """The app's containers that run now, and since when."""
    return {
        text(one, "name"): moment(text(one, "state", "running", "startedAt"))
        for kind in _STATUSES
        for one in listed(status, kind)
        if text(one, "name") != PROBE_CONTAINER and mapping(one, "state", "running")
    }


def _unsaid_users(spec: Json, status: Json) -> dict[str, RunsAs | None]:
    """Containers that leave user or group to their image, and what they got: told by containerd 2 and newer.

    https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#supplementalgroupspolicy
    """
    pod = mapping(spec, "securityContext")
    told = {text(one, "name"): mapping(one, "user", "linux") for kind in _STATUSES for one in listed(status, kind)}
    return {
        text(one, "name"): _runs_as(told.get(text(one, "name"), {}))
        for kind in ("containers", "initContainers")
        for one in listed(spec, kind)
        if text(one, "name") != PROBE_CONTAINER
        and any({**pod, **mapping(one, "securityContext")}.get(field) is None for field in ("runAsUser", "runAsGroup"))
    }


def _runs_as(linux: Json) -> RunsAs | None:
    user, group = at(linux, "uid"), at(linux, "gid")
    return RunsAs(user, group) if isinstance(user, int) and isinstance(group, int) else None


def _probe_image(status: Json) -> str:
    """The image of our sidecar, if it runs."""
    for kind in _STATUSES:
        for one in listed(status, kind):
            if text(one, "name") == PROBE_CONTAINER and mapping(one, "state", "running"):
                return text(one, "image")
    return ""


def _probe_awaited(spec: Json) -> bool:
    """Will our sidecar run here, if it does not already?"""
    return any(text(one, "name") == PROBE_CONTAINER for one in listed(spec, "initContainers"))


def _probe_altered(spec: Json) -> bool:
    """Would our sidecar run another program than its image's, or is it none of ours by form?

    Its image is compared elsewhere. This keeps apart who only copied our sidecar or its name; whoever writes pods and
    holds the plan's probe key can still answer for the pods that he writes himself.
    """
    named = [one for kind in _CONTAINERS for one in listed(spec, kind) if text(one, "name") == PROBE_CONTAINER]
    ours = [one for one in listed(spec, "initContainers") if one in named]
    if len(named) != 1 or len(ours) != 1:
        return bool(named)
    return (
        text(ours[0], "restartPolicy") != "Always"
        or any(ours[0].get(field) for field in ("command", "args", "lifecycle", "envFrom"))
        or any(text(one, "name").startswith("LD_") for one in listed(ours[0], "env"))
        or any(_covers_program(text(one, "mountPath")) for one in listed(ours[0], "volumeMounts"))
    )


def _covers_program(mounted: str) -> bool:
    """Would this mount change what runs? Other webhooks may mount their tokens and certificates into any container."""
    place = "/" + normpath(mounted).lstrip("/")
    return place in {"/", "/etc"} or place.startswith("/etc/ld.so") or place.split("/")[1] in _PROGRAM


def _probe_port(spec: Json) -> int:
    for container in listed(spec, "initContainers"):
        if text(container, "name") == PROBE_CONTAINER:
            for port in listed(container, "ports"):
                if text(port, "name") == "challenge":
                    return number(port, "containerPort")
    return CHALLENGE_PORT


def likely_consumer(found: Json) -> ConsumerRef | None:
    """Whose pod it is by names alone, without asking for its ReplicaSet: enough for a wake-up, not for a decision."""
    return _consumer(_controller(found), text(found, "metadata", "namespace"), _template_hash(found), {})


def _consumer(
    owner: _Owner | None, namespace: str, template_hash: str, sets: Mapping[str, _Owner]
) -> ConsumerRef | None:
    if owner is None:
        return None
    if owner.kind != _REPLICA_SET:
        return ConsumerRef(owner.kind, namespace, owner.name)
    deployment = sets.get(owner.uid)
    if deployment is not None:
        return ConsumerRef(deployment.kind, namespace, deployment.name)
    suffix = f"-{template_hash}"  # its ReplicaSet is gone already; a Deployment's carry this name
    if template_hash and owner.name.endswith(suffix):
        return ConsumerRef("Deployment", namespace, owner.name.removesuffix(suffix))
    return ConsumerRef(_REPLICA_SET, namespace, owner.name)


def _traced(one: _Owned, sets: Mapping[str, _Owner]) -> ConsumerRef | None:
    return _consumer(one.owner, one.pod.namespace, one.template_hash, sets)


def _from_set(one: _Owned) -> bool:
    return one.owner is not None and one.owner.kind == _REPLICA_SET


def _controller(found: Json) -> _Owner | None:
    for owner in listed(found, "metadata", "ownerReferences"):
        if at(owner, "controller") is True:
            return _Owner(text(owner, "kind"), text(owner, "name"), text(owner, "uid"))
    return None


def finished(found: Json) -> bool:
    """It runs no process any more, and never will."""
    return text(found, "status", "phase") in {"Succeeded", "Failed"}


def _template_hash(found: Json) -> str:
    return strings(found, "metadata", "labels").get(_HASH_LABEL, "")
