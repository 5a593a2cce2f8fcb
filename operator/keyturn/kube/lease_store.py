"""One Lease at the API server (https://kubernetes.io/docs/concepts/architecture/leases/). No election here."""

from __future__ import annotations

from datetime import UTC, datetime

from keyturn.core.model import ObjectKey
from keyturn.kube import paths
from keyturn.kube.client import KubeClient
from keyturn.kube.lease import LeaseRecord
from keyturn.kube.raw import Json, mapping, moment, number, text


class KubeLease:
    """Implements ``lease.LeaseStore``. Give it a client of its own: not fenced, and never starved by other calls."""

    def __init__(self, client: KubeClient, key: ObjectKey) -> None:
        self._client = client
        self._key = key

    async def read(self) -> LeaseRecord | None:
        """None if there is none."""
        found = await self._client.read(paths.lease(self._key))
        return None if found is None else _record(found)

    async def create(self, record: LeaseRecord) -> LeaseRecord:
        """Raises Conflict if there is one."""
        return _record(await self._client.create(paths.lease(ObjectKey(self._key.namespace, "")), self._body(record)))

    async def replace(self, record: LeaseRecord) -> LeaseRecord:
        """Compare-and-set on resourceVersion. Raises Conflict."""
        return _record(await self._client.replace(paths.lease(self._key), self._body(record)))

    def _body(self, record: LeaseRecord) -> Json:
        metadata: Json = {"name": self._key.name, "namespace": self._key.namespace}
        if record.resource_version:
            metadata["resourceVersion"] = record.resource_version
        spec: Json = {
            "holderIdentity": record.holder,
            "leaseDurationSeconds": max(1, round(record.duration)),
            "leaseTransitions": record.epoch,
            "acquireTime": _micro(record.acquired),
            "renewTime": _micro(record.renewed),
        }
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def _record(found: Json) -> LeaseRecord:
    spec = mapping(found, "spec")
    return LeaseRecord(
        holder=text(spec, "holderIdentity"),
        epoch=number(spec, "leaseTransitions"),
        duration=float(number(spec, "leaseDurationSeconds")),
        acquired=_moment(text(spec, "acquireTime")),
        renewed=_moment(text(spec, "renewTime")),
        resource_version=text(found, "metadata", "resourceVersion"),
    )


def _moment(stamp: str) -> datetime | None:
    return moment(stamp) if stamp else None


def _micro(at: datetime | None) -> str | None:
    """MicroTime of the API: exactly six digits, UTC."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
