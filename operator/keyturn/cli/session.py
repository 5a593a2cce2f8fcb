"""One conversation with the API server for the person at the terminal: reads, asks for rotations, aborts them."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import yaml
from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.config.kube_config import KubeConfigMerger

from keyturn.api.base import API_VERSION
from keyturn.api.kinds import PLAN, ROTATION, RotationSpec
from keyturn.api.labels import OPERATORS
from keyturn.cli.objects import plan_of, rotation_of
from keyturn.core.model import ObjectKey
from keyturn.injector.patch import Interest, interest_of
from keyturn.kube.client import KubeClient, Patch
from keyturn.kube.paths import PLANS, ROTATIONS, ours
from keyturn.kube.raw import Json, at, listed, text
from keyturn.ports import Misconfigured, PlanRecord, RotationRecord

T = TypeVar("T")
_WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_INJECTORS = "app.kubernetes.io/name=keyturn,app.kubernetes.io/component=injector"


class Api(Protocol):
    """What a conversation needs of the API server."""

    async def read(self, path: str) -> Json | None:
        """One object, None if it does not exist."""
        ...

    async def collect(
        self, path: str, project: Callable[[Json], T | None], *, metadata_only: bool = False, **query: str
    ) -> list[T]:
        """A whole collection, projected."""
        ...

    async def create(self, path: str, body: Json) -> Json:
        """Make an object; as it was stored."""
        ...

    async def patch(self, path: str, body: Json, how: Patch) -> Json:
        """Change an object; as it was stored."""
        ...

    async def delete(self, path: str, uid: str) -> None:
        """Remove exactly that object."""
        ...


@dataclass(frozen=True, slots=True)
class Session:
    """The API server and the namespace that names are looked up in."""

    api: Api
    namespace: str

    async def plans(self, *, everywhere: bool = False) -> list[PlanRecord]:
        """All plans, by name."""
        found = await self.api.collect(ours(PLANS, None if everywhere else self.namespace), plan_of)
        return sorted(found, key=lambda plan: plan.key)

    async def plan(self, name: str) -> PlanRecord:
        """The plan of that name; raises Misconfigured when there is none."""
        found = await self.find_plan(name)
        if found is None:
            raise self.missing(f"plan {name}", "kubectl get rotationplans -A")
        return found

    async def find_plan(self, name: str) -> PlanRecord | None:
        """The plan of that name, if there is one."""
        raw = await self.api.read(ours(PLANS, self.namespace, name))
        return plan_of(raw) if raw is not None else None

    async def rotations(self, plan: str | None = None, *, everywhere: bool = False) -> list[RotationRecord]:
        """All rotations, of one plan if it is named, newest first."""
        found = await self.api.collect(ours(ROTATIONS, None if everywhere else self.namespace), rotation_of)
        mine = [record for record in found if plan is None or record.spec.plan_ref.name == plan]
        return sorted(mine, key=lambda record: (record.created, record.key.name), reverse=True)

    async def rotation(self, name: str) -> RotationRecord:
        """The rotation of that name; raises Misconfigured when there is none."""
        found = await self.find_rotation(name)
        if found is None:
            raise self.missing(f"rotation {name}", "kubectl get rotations -A")
        return found

    async def find_rotation(self, name: str) -> RotationRecord | None:
        """The rotation of that name, if there is one."""
        raw = await self.api.read(ours(ROTATIONS, self.namespace, name))
        return rotation_of(raw) if raw is not None else None

    async def who(self) -> str:
        """The user name by which the API server knows us."""
        body: Json = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        return text(await self.api.create(_WHO, body), "status", "userInfo", "username")

    async def request(self, plan: PlanRecord, name: str, spec: RotationSpec) -> RotationRecord:
        """Make a Rotation owned by its plan. Raises Conflict when another has that name."""
        body: Json = {
            "apiVersion": API_VERSION,
            "kind": ROTATION.name,
            "metadata": {
                "name": name,
                "namespace": plan.key.namespace,
                "ownerReferences": [
                    {"apiVersion": API_VERSION, "kind": PLAN.name, "name": plan.key.name, "uid": plan.uid}
                ],
            },
            "spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        return rotation_of(await self.api.create(ours(ROTATIONS, plan.key.namespace), body))

    async def wish(self, key: ObjectKey, spec: Json) -> None:
        """Ask something of a rotation: to go back, to stand still, to try again."""
        await self.api.patch(ours(ROTATIONS, key.namespace, key.name), {"spec": spec}, Patch.MERGE)

    async def interests(self, namespace: str) -> list[Interest]:
        """What injection needs of a namespace's plans."""
        return await self.api.collect(ours(PLANS, namespace), interest_of)

    async def probe_images(self) -> list[str]:
        """The images that injectors of this cluster put into pods."""
        found = await self.api.collect("/apis/apps/v1/deployments", _probe_image, labelSelector=_INJECTORS)
        return sorted(set(found))

    async def operator_namespace(self, otherwise: str) -> str:
        """Where the operator runs, and so the escrow is. Raises Misconfigured unless one runs here: what to do then."""
        found = await self.api.collect("/apis/apps/v1/deployments", _home, labelSelector=OPERATORS)
        if len(set(found)) != 1:
            raise Misconfigured("OperatorNotFound", f"found {len(set(found))} operators; {otherwise}")
        return found[0]

    def missing(self, what: str, look: str) -> Misconfigured:
        """The error for something that is not in this namespace, with how to look for it."""
        return Misconfigured("NotFound", f"there is no {what} in namespace {self.namespace}; look with: {look}")


def _impersonation(path: Path, user: str) -> dict[str, str]:
    """As whom the user's entry says to act: kubectl heeds it, the client does not.

    Raises:
        Misconfigured: it says more than the name of a user.
    """
    nodes = cast("list[Any]", cast("Any", KubeConfigMerger(str(path))).config.value["users"])
    entries = [cast("Json", node.value) for node in nodes]
    entry = next((entry for entry in entries if entry["name"] == user), Json())
    more = [key for key in ("as-uid", "as-groups", "as-user-extra") if at(entry, "user", key)]
    if more:
        raise Misconfigured("Impersonation", f"user {user} of {path} says {more[0]}; only as is supported")
    name = text(entry, "user", "as")
    return {"Impersonate-User": name} if name else {}


def _home(deployment: Json) -> str:
    return text(deployment, "metadata", "namespace")


def _probe_image(deployment: Json) -> str | None:
    """What the injector's --probe-image says."""
    containers = listed(deployment, "spec", "template", "spec", "containers")
    said = [str(argument) for container in containers for argument in container.get("args", [])]
    return next((argument.partition("=")[2] for argument in said if argument.startswith("--probe-image=")), None)


@dataclass(frozen=True, slots=True)
class Target:
    """Where the flags point, like kubectl's."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: Path | None = None

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[Session]:
        """Connect. Raises Misconfigured when no kubeconfig can be used."""
        path = self._path()
        context = self._chosen_context(path)
        namespace = self.namespace or text(context, "context", "namespace") or "default"
        headers = _impersonation(path, text(context, "context", "user"))
        async with await KubeClient.connect(path, self.context, headers=headers) as client:
            yield Session(client, namespace)

    def _path(self) -> Path:
        """As kubectl: the flag, else $KUBECONFIG (whose files the client merges), else ~/.kube/config."""
        listed = os.environ.get("KUBECONFIG")
        return self.kubeconfig or (Path(listed) if listed else Path.home() / ".kube" / "config")

    def _chosen_context(self, path: Path) -> Json:
        """The context that the flags mean. Read before connecting: a broken file ends here, in words."""
        loads = cast("Any", kubernetes_config)  # carries no types
        try:
            contexts, active = cast("tuple[list[Json], Json]", loads.list_kube_config_contexts(config_file=str(path)))
        except (kubernetes_config.ConfigException, OSError, ValueError, TypeError, AttributeError, yaml.YAMLError):
            raise Misconfigured(  # the client raises whatever a file that is no kubeconfig happens to break
                "NoKubeconfig", f"cannot use kubeconfig {path}; name one with --kubeconfig or $KUBECONFIG"
            ) from None
        named = [context for context in contexts if context.get("name") == self.context]
        if self.context is not None and not named:
            raise Misconfigured(
                "NoContext", f"{path} has no context {self.context}; look with: kubectl config get-contexts"
            )
        return named[0] if named else active
