"""Deployments as consumers: found by name or by reference, read into records, restarted by one annotation.

Only reading is interpreted here, as the Deployment controller itself does it
(https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/controller/deployment/util/deployment_util.go); whether a
consumer may be restarted is not decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from math import ceil
from typing import Any

from keyturn.api.labels import INJECT, PROBE_CONTAINER, restart_annotation
from keyturn.core.delivery import deliveries
from keyturn.core.model import ConsumerRef, ObjectKey
from keyturn.kube import paths
from keyturn.kube.client import KubeClient, Patch
from keyturn.kube.pods import Pods
from keyturn.kube.raw import Json, at, listed, mapping, number, strings, text
from keyturn.ports import Conflict, WorkloadRecord

DEPLOYMENT = "Deployment"
_ATTEMPTS = 4  # to write a restart while the controller writes status
_DEFAULT_SHARE = "25%"  # of maxSurge and of maxUnavailable


class Workloads:
    """The consumers of a namespace."""

    def __init__(self, client: KubeClient, pods: Pods) -> None:
        self._client = client
        self._pods = pods

    async def consumers(
        self,
        namespace: str,
        secret: str,
        wanted: Sequence[ConsumerRef],
        *,
        discover: bool,
        plan: ObjectKey | None,
        lost: Sequence[str] = (),
    ) -> Sequence[WorkloadRecord]:
        """Listed ones that exist and, if asked, all that reference the Secret; sorted by name."""
        found = await (self._discovered(namespace, secret, wanted) if discover else self._named(namespace, wanted))
        shaped = [workload_of(one, secret, plan) for one in found]
        some = any(record.settled for record in shaped)
        leaving = await self._pods.leaving(namespace, lost) if some else frozenset[str]()
        return sorted((_unsettled_while(leaving, record) for record in shaped), key=lambda record: record.ref)

    async def _discovered(self, namespace: str, secret: str, wanted: Sequence[ConsumerRef]) -> list[Json]:
        names = {ref.name for ref in wanted if ref.kind == DEPLOYMENT}

        def consumes(found: Json) -> Json | None:
            named = text(found, "metadata", "name") in names
            return found if _lives(found) and (named or deliveries(_pod_spec(found), secret)) else None

        return await self._client.collect(paths.apps("deployments", ObjectKey(namespace, "")), consumes)

    async def _named(self, namespace: str, wanted: Sequence[ConsumerRef]) -> list[Json]:
        names = sorted({ref.name for ref in wanted if ref.kind == DEPLOYMENT})
        asked = [await self._client.read(paths.apps("deployments", ObjectKey(namespace, name))) for name in names]
        return [found for found in asked if found is not None and _lives(found)]

    async def restart(self, workload: WorkloadRecord, plan: ObjectKey, generation: int) -> None:
        """The template carries this generation. One that does already, or a later one, is left alone.

        Read afresh and written by compare-and-set, so that a late write of a former leader cannot turn the mark back;
        the controller's own writes of status come in between often enough to try more than once.
        Raises Conflict if it never got through, or the workload is gone, or another one has its name.
        """
        for _ in range(_ATTEMPTS - 1):
            with suppress(Conflict):
                return await self._restart_once(workload, plan, generation)
        return await self._restart_once(workload, plan, generation)

    async def _restart_once(self, workload: WorkloadRecord, plan: ObjectKey, generation: int) -> None:
        path = paths.apps("deployments", ObjectKey(workload.ref.namespace, workload.ref.name))
        found = await self._client.read(path)
        if found is None or text(found, "metadata", "uid") != workload.uid:
            raise Conflict("Replaced", f"{workload.ref} is no longer the one that was read; looking again.")
        marked = _mark(found, plan)
        if marked is not None and marked >= generation:
            return
        annotations = {restart_annotation(plan.namespace, plan.name): str(generation)}
        body: Json = {
            "metadata": {"resourceVersion": text(found, "metadata", "resourceVersion")},
            "spec": {"template": {"metadata": {"annotations": annotations}}},
        }
        await self._client.patch(path, body, Patch.MERGE)


def workload_of(found: Json, secret: str, plan: ObjectKey | None) -> WorkloadRecord:
    """A Deployment as stored. ``settled`` does not know of terminating pods yet."""
    metadata = mapping(found, "metadata")
    replicas = _replicas(found)
    spec = _pod_spec(found)
    return WorkloadRecord(
        ref=ConsumerRef(DEPLOYMENT, text(metadata, "namespace"), text(metadata, "name")),
        uid=text(metadata, "uid"),
        template=mapping(found, "spec", "template"),
        selector=selector_text(mapping(found, "spec", "selector")),
        generation_mark=None if plan is None else _mark(found, plan),
        deliveries=deliveries(spec, secret),
        settled=_settled(found),
        healthy=number(found, "status", "availableReplicas") >= replicas,
        stuck=_stuck(found),
        replicas=replicas,
        kills_first=kills_first(mapping(found, "spec", "strategy"), replicas),
        paused=_paused(found),
        injected=_injected(found),
    )


def kills_first(strategy: Json, replicas: int) -> bool:
    """May every pod be taken away before its replacement is ready? Shares are rounded as the controller does."""
    if text(strategy, "type") == "Recreate":
        return True
    rolling = mapping(strategy, "rollingUpdate")
    surge = _share(rolling.get("maxSurge", _DEFAULT_SHARE), replicas, up=True)
    unavailable = _share(rolling.get("maxUnavailable", _DEFAULT_SHARE), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1  # the controller would never get on otherwise
    return replicas > 0 and unavailable >= replicas


def selector_text(selector: Json) -> str:
    """A label selector as queries write it: ``app=web,tier in (a,b),!legacy``."""
    parts = [f"{key}={value}" for key, value in sorted(strings(selector, "matchLabels").items())]
    for rule in listed(selector, "matchExpressions"):
        key, values = text(rule, "key"), ",".join(str(value) for value in at(rule, "values") or ())
        match text(rule, "operator"):
            case "In":
                parts.append(f"{key} in ({values})")
            case "NotIn":
                parts.append(f"{key} notin ({values})")
            case "Exists":
                parts.append(key)
            case _:
                parts.append(f"!{key}")
    return ",".join(parts)


def _share(value: Any, replicas: int, *, up: bool) -> int:
    if isinstance(value, str) and value.endswith("%"):
        exact = int(value.removesuffix("%")) * replicas / 100
        return ceil(exact) if up else int(exact)
    return int(value)


def _settled(found: Json) -> bool:
    """The controller has seen this spec, and every replica there is, is of it and available."""
    status, replicas = mapping(found, "status"), _replicas(found)
    counts = [number(status, name) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return _seen(found) and counts == [replicas] * 3


def _unsettled_while(leaving: frozenset[str], record: WorkloadRecord) -> WorkloadRecord:
    """Old pods that still terminate are counted nowhere in a Deployment's status, and still log in."""
    return replace(record, settled=False) if record.uid in leaving else record


def _stuck(found: Json) -> str:
    if _paused(found):
        return "Paused"
    for condition in listed(found, "status", "conditions") if _seen(found) else ():
        failed = text(condition, "type") == "Progressing" and text(condition, "status") == "False"
        if failed and text(condition, "reason") == "ProgressDeadlineExceeded":
            return "ProgressDeadlineExceeded"
    return ""


def _injected(found: Json) -> bool:
    asked = strings(found, "spec", "template", "metadata", "labels").get(INJECT) == "true"
    containers = listed(_pod_spec(found), "initContainers")
    return asked or any(text(one, "name") == PROBE_CONTAINER for one in containers)


def _mark(found: Json, plan: ObjectKey) -> int | None:
    annotations = strings(found, "spec", "template", "metadata", "annotations")
    written = annotations.get(restart_annotation(plan.namespace, plan.name), "")
    return int(written) if written.isdecimal() else None


def _seen(found: Json) -> bool:
    return number(found, "status", "observedGeneration") >= number(found, "metadata", "generation")


def _paused(found: Json) -> bool:
    return at(found, "spec", "paused") is True


def _lives(found: Json) -> bool:
    return not text(found, "metadata", "deletionTimestamp")


def _replicas(found: Json) -> int:
    wanted = at(found, "spec", "replicas")
    return wanted if isinstance(wanted, int) else 1


def _pod_spec(found: Json) -> Json:
    return mapping(found, "spec", "template", "spec")
