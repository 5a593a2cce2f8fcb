"""The escrow: one Secret a plan in the operator's own namespace, so that no value is ever held by a process alone.

No ownerReferences and no labels of the plan's: it must outlive the plan's namespace. Credential ids may hold characters
that a Secret's keys may not, so everything is one JSON document under one key, and so changes as one.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import datetime

from keyturn.api.labels import escrow_name
from keyturn.core.model import ObjectKey
from keyturn.kube import paths
from keyturn.kube.client import KubeClient
from keyturn.kube.raw import Json, mapping, number, text
from keyturn.kube.secrets import packed, refuse_hollow, unpacked
from keyturn.ports import Escrow, Misconfigured, OutcomeUnknown, Pending, PlanRecord

SECRET_TYPE = "keyturn.dev/escrow"  # noqa: S105 - the name of a type
PLAN_ANNOTATION = "keyturn.dev/plan"
_DOCUMENT = "escrow.json"
_FORMAT = 1


class EscrowStore:
    """Keeps the values of all plans, in one namespace."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def read(self, plan_uid: str) -> Escrow | None:
        """Consistent; None if there is none. Raises Misconfigured if a newer Keyturn wrote it."""
        found = await self._client.read(self._path(plan_uid))
        return None if found is None else escrow_of(found)

    async def save(self, plan: PlanRecord, escrow: Escrow) -> None:
        """Compare-and-set, then read back.

        Raises:
            Conflict: somebody wrote in between.
            Denied: a value is empty, blank or looks redacted.
            OutcomeUnknown: what was stored is not what was written.
        """
        refuse_hollow(escrow.values)
        body = self._body(plan, escrow)
        if escrow.resource_version:
            await self._client.replace(self._path(plan.uid), body)
        else:
            await self._client.create(self._path(""), body)
        stored = await self.read(plan.uid)
        if stored is None or replace(stored, resource_version="") != replace(escrow, resource_version=""):
            raise OutcomeUnknown("EscrowDiffers", "The escrow does not hold what was written to it; looking again.")

    async def drop(self, plan_uid: str) -> None:
        """Delete it; one that is gone is success."""
        found = await self._client.read(self._path(plan_uid))
        if found is not None:
            await self._client.delete(self._path(plan_uid), text(found, "metadata", "uid"))

    def _body(self, plan: PlanRecord, escrow: Escrow) -> Json:
        metadata: Json = {
            "name": escrow_name(plan.uid),
            "namespace": self._namespace,
            "annotations": {PLAN_ANNOTATION: str(plan.key)},
        }
        if escrow.resource_version:
            metadata["resourceVersion"] = escrow.resource_version
        document: Json = {"v": _FORMAT, "values": packed(escrow.values), "before": packed(escrow.secret_before)}
        if escrow.closed:
            document["closed"] = escrow.closed
        if escrow.pending is not None:
            document["pending"] = {"before": list(escrow.pending.before), "since": escrow.pending.since.isoformat()}
        data = {_DOCUMENT: base64.b64encode(json.dumps(document).encode()).decode()}
        return {"apiVersion": "v1", "kind": "Secret", "type": SECRET_TYPE, "metadata": metadata, "data": data}

    def _path(self, plan_uid: str) -> str:
        return paths.core("secrets", ObjectKey(self._namespace, escrow_name(plan_uid) if plan_uid else ""))


def escrow_of(found: Json) -> Escrow:
    """A Secret of ours as read; its values are sealed at once. Raises Misconfigured if a newer Keyturn wrote it."""
    try:
        document: Json = json.loads(unpacked(mapping(found, "data"))[_DOCUMENT].reveal())
    except (KeyError, ValueError):
        document = {}
    if document.get("v") != _FORMAT:
        raise Misconfigured(
            "EscrowUnreadable",
            f"Escrow {text(found, 'metadata', 'name')} is damaged, or a newer Keyturn wrote it: nothing is done.",
        )
    return Escrow(
        unpacked(mapping(document, "values")),
        unpacked(mapping(document, "before")),
        text(found, "metadata", "resourceVersion"),
        number(document, "closed"),
        _pending(mapping(document, "pending")),
    )


def _pending(found: Json) -> Pending | None:
    if not found:
        return None
    before: list[str] = found["before"]
    return Pending(tuple(before), datetime.fromisoformat(text(found, "since")))
