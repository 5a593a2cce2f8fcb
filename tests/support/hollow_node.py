"""A node without a kubelet: the real control plane makes its pods and takes them away, this one says they run.

Pods that name this node in ``spec.nodeName`` get a loopback address, their variables from the API server as it is at
that moment, and a status; their probe Secrets are swapped in when they change, as a watching kubelet does it.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from keyturn.api.labels import PROBE_CONTAINER
from support.hollow_pod import HollowPod, Witness
from support.kube_api import Json, KubeApi
from support.ware import Ware

_BEAT = 10.0  # seconds between two signs of life
_GRACE = 0.5  # seconds that a pod's client goes on after it was told to end


class HollowNode:
    """One node, for the pods of one namespace. ``network`` is the second number of its pods' addresses."""

    def __init__(self, api: KubeApi, namespace: str, network: int, ware: Ware, home: Path) -> None:
        self._api, self._namespace, self._home, self._ware = api, namespace, home, ware
        self._addresses = (f"127.{network}.{n // 250}.{n % 250 + 1}" for n in itertools.count())
        self._secrets: dict[str, dict[str, bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._working: dict[str, asyncio.Task[None]] = {}
        self.name = f"hollow-{namespace}"
        self.pods: dict[str, HollowPod] = {}
        self.witness = Witness()
        self.ended: list[BaseException] = []  # what went wrong in here: a mistake of the test's

    async def start(self) -> None:
        """Join the cluster."""
        body: Json = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name},
                      "spec": {"unschedulable": True}}  # fmt: skip
        await self._api.must("POST", "/api/v1/nodes", body)
        await self._beat()
        for work in (self._keep_beating(), self._follow_secrets(), self._follow_pods()):
            self._start(work)

    async def stop(self) -> None:
        """Leave it; every pod ends."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pod in list(self.pods.values()):
            await pod.stop()
        await self._api.send("DELETE", f"/api/v1/nodes/{self.name}")

    def _start(self, work: object) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.ended.append(error)

    # --------------------------------------------------------------------------------------- signs of life

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(_BEAT)
            await self._beat()

    async def _beat(self) -> None:
        now = _now()
        ready = {"type": "Ready", "status": "True", "reason": "HollowNode", "message": "a node of the tests",
                 "lastHeartbeatTime": now, "lastTransitionTime": now}  # fmt: skip
        room = {"cpu": "64", "memory": "64Gi", "pods": "1000"}
        status = {"conditions": [ready], "capacity": room, "allocatable": room}
        await self._api.merge(f"/api/v1/nodes/{self.name}/status", {"status": status})

    # ---------------------------------------------------------------------------------------------- secrets

    async def _follow_secrets(self) -> None:
        async for event in self._api.follow(self._path("secrets")):
            name = event["object"]["metadata"]["name"]
            self._secrets[name] = {} if event["type"] == "DELETED" else _values(event["object"])
            for pod in list(self.pods.values()):
                self._mount(pod, name)

    def _mount(self, pod: HollowPod, secret: str) -> None:
        for plan, name in pod.mounts.items():
            if name == secret and secret in self._secrets:
                pod.mount(plan, self._secrets[secret])

    # ------------------------------------------------------------------------------------------------- pods

    async def _follow_pods(self) -> None:
        async for event in self._api.follow(self._path("pods"), f"fieldSelector=spec.nodeName={self.name}"):
            pod = event["object"]
            uid = pod["metadata"]["uid"]
            if event["type"] == "DELETED":
                continue
            if uid not in self.pods and not pod["metadata"].get("deletionTimestamp"):
                self.pods[uid] = await self._made(pod)
                self._working[uid] = self._start(self._run(pod, self.pods[uid]))
            elif pod["metadata"].get("deletionTimestamp") and uid in self._working:
                self._working.pop(uid).cancel()
                self._start(self._end(pod, self.pods[uid]))

    async def _made(self, pod: Json) -> HollowPod:
        spec, metadata = pod["spec"], pod["metadata"]
        sidecar = next((c for c in spec.get("initContainers", ()) if c["name"] == PROBE_CONTAINER), None)
        app = spec["containers"][0]
        made = HollowPod(
            metadata["uid"],
            metadata["name"],
            next(self._addresses),
            await self._environment(pod, app),
            {} if sidecar is None else await self._environment(pod, sidecar),
            home=self._home,
            ware=self._ware,
            witness=self.witness,
        )
        volumes = {volume["name"]: volume for volume in spec.get("volumes", ())}
        for plan in made.plans:
            made.mounts[plan] = volumes[f"keyturn-plan-{plan}"]["secret"]["secretName"]
            self._mount(made, made.mounts[plan])
        return made

    async def _environment(self, pod: Json, container: Json) -> dict[str, str]:
        found: dict[str, str] = {}
        for one in container.get("env", ()):
            source = one.get("valueFrom") or {}
            if reference := source.get("secretKeyRef"):
                secret = await self._api.must("GET", f"{self._path('secrets')}/{reference['name']}")
                found[one["name"]] = _values(secret)[reference["key"]].decode()
            elif reference := source.get("fieldRef"):
                found[one["name"]] = _field(pod, reference["fieldPath"])
            else:
                found[one["name"]] = one.get("value", "")
        return found

    async def _run(self, pod: Json, inside: HollowPod) -> None:
        """Running at once; Ready when its app and its gate are. Unready again when the app loses its backend."""
        await inside.start(_challenge_port(pod))
        started, told = _now(), None
        while True:
            if inside.ready is not told:
                told = inside.ready
                status = _status(pod, inside.address, started, ready=told)
                with suppress(Exception):
                    await self._api.merge(f"{self._path('pods')}/{inside.name}/status", {"status": status})
            await asyncio.sleep(0.05)

    async def _end(self, pod: Json, inside: HollowPod) -> None:
        """The client goes on to the very last, as applications do."""
        await asyncio.sleep(_GRACE)
        await inside.stop()
        options: Json = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        await self._api.send("DELETE", f"{self._path('pods')}/{inside.name}", options)
        self.pods.pop(pod["metadata"]["uid"], None)

    def _path(self, plural: str) -> str:
        return f"/api/v1/namespaces/{self._namespace}/{plural}"


def _status(pod: Json, address: str, started: str, *, ready: bool) -> Json:
    def container(one: Json) -> Json:
        return {"name": one["name"], "image": one["image"], "imageID": "", "ready": ready, "started": True,
                "restartCount": 0, "state": {"running": {"startedAt": started}}}  # fmt: skip

    states = {"PodScheduled": True, "Initialized": True, "ContainersReady": ready, "Ready": ready}
    return {
        "phase": "Running",
        "hostIP": "127.0.0.1",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": started,
        "conditions": [
            {"type": kind, "status": "True" if holds else "False", "lastTransitionTime": _now()}
            for kind, holds in states.items()
        ],
        "containerStatuses": [container(one) for one in pod["spec"]["containers"]],
        "initContainerStatuses": [container(one) for one in pod["spec"].get("initContainers", ())],
    }


def _challenge_port(pod: Json) -> int:
    ports = [port for one in pod["spec"].get("initContainers", ()) for port in one.get("ports", ())]
    return next((port["containerPort"] for port in ports if port["name"] == "challenge"), 9901)


def _field(pod: Json, path: str) -> str:
    if path == "metadata.uid":
        return pod["metadata"]["uid"]
    name = path.removeprefix("metadata.annotations['").removesuffix("']")
    return pod["metadata"].get("annotations", {}).get(name, "")


def _values(secret: Mapping[str, Json]) -> dict[str, bytes]:
    return {name: base64.b64decode(value) for name, value in (secret.get("data") or {}).items()}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251 - the API server's clock is the real one
