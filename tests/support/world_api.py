"""The simulated world's API server as the command line meets it: objects by path, as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from keyturn.cli.session import Session
from keyturn.core.sealed import Sealed
from keyturn.kube.approvals import approval_of
from keyturn.kube.client import Patch
from keyturn.kube.escrow import EscrowStore
from keyturn.kube.raw import Json
from keyturn.kube.secrets import packed, unpacked
from keyturn.ports import Conflict, PlanRecord
from support.cluster_records import provider_spec
from support.world import World

T = TypeVar("T")
HOME = "keyturn-system"
SECRET = "/api/v1/namespaces/shop/secrets/orders-db"
OURS = "/apis/keyturn.dev/v1alpha1/namespaces/shop"


@dataclass
class WorldApi:
    """What is read is what the world holds at that moment; a Secret that is made is made there."""

    world: World
    me: str = "nobody@example.com"  # who sits at the terminal
    namespaces: set[str] = field(default_factory=lambda: {"shop", HOME})

    @property
    def session(self) -> Session:
        """In the plan's namespace."""
        return Session(self, "shop")

    async def read(self, path: str) -> Json | None:
        return self._objects().get(path)

    async def collect(
        self, path: str, project: Callable[[Json], T | None], *, metadata_only: bool = False, **query: str
    ) -> list[T]:
        del metadata_only, query
        if path.endswith("/deployments"):
            found: list[Json] = [{"metadata": {"namespace": HOME, "name": "keyturn-operator"}}]
        else:
            kind = path.rpartition("/")[2]
            found = [one for at, one in self._objects().items() if f"/{kind}/" in at]
        return [kept for raw in found if (kept := project(raw)) is not None]

    async def create(self, path: str, body: Json) -> Json:
        if path.endswith("/selfsubjectreviews"):
            return {"status": {"userInfo": {"username": self.me}}}
        if f"{path}/{body['metadata']['name']}" in self._objects():
            raise Conflict("Changed", "it exists")
        if path.endswith("/rotationapprovals"):
            said = approval_of({**body, "metadata": {**body["metadata"], "uid": f"uid-{self.me}"}})
            self.world.cluster.said_yes[said.key.name] = said
        else:
            assert f"{path}/{body['metadata']['name']}" == SECRET
            self.world.cluster.edit_secret(unpacked(body["data"]), "kubectl")
        return body

    async def patch(self, path: str, body: Json, how: Patch) -> Json:
        raise AssertionError(f"nothing is patched: {path}, {body}, {how}")

    async def delete(self, path: str, uid: str) -> None:
        raise AssertionError(f"nothing is deleted: {path}, {uid}")

    def _objects(self) -> dict[str, Json]:
        cluster, found = self.world.cluster, dict[str, Json]()
        for name in self.namespaces:
            found[f"/api/v1/namespaces/{name}"] = {"metadata": {"name": name}}
        if cluster.secret_data:
            found[SECRET] = _secret(cluster.secret_data)
        plan = cluster.the_plan
        for record in (*([plan] if plan is not None else []), *cluster.the_rotations.values()):
            kind = "rotationplans" if isinstance(record, PlanRecord) else "rotations"
            marks = dict(record.annotations) if isinstance(record, PlanRecord) else {}
            metadata = {"namespace": "shop", "name": record.key.name, "uid": record.uid, "annotations": marks,
                        "generation": record.generation, "creationTimestamp": cluster.created.isoformat()}  # fmt: skip
            stored = {"metadata": metadata, "spec": _json(record.spec), "status": _json(record.status)}
            found[f"{OURS}/{kind}/{record.key.name}"] = stored
        if plan is not None and cluster.the_escrow is not None:
            body = EscrowStore(cast("Any", None), HOME)._body(plan, cluster.the_escrow)
            found[f"/api/v1/namespaces/{HOME}/secrets/{body['metadata']['name']}"] = body
        allows = tuple((key, tuple(names)) for key, names in cluster.provider_allows.items())
        spec = provider_spec(allows, cluster.provider_minimum)
        metadata = {"namespace": "shop", "name": "db", "annotations": dict(cluster.editors)}
        found[f"{OURS}/credentialproviders/db"] = {"metadata": metadata, "spec": _json(spec)}
        return found


def _secret(data: dict[str, Sealed]) -> Json:
    return {"metadata": {"namespace": "shop", "name": "orders-db"}, "type": "Opaque", "data": packed(data)}


def _json(model: Any) -> Json:
    return json.loads(model.model_dump_json(by_alias=True, exclude_none=True))
