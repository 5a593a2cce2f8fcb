"""Our own kinds at the API server: read into records, status written by compare-and-set and in no other way.

A stored object that does not parse is never overwritten: another version of Keyturn wrote it, and status is the only
memory there is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from keyturn.api.base import API_VERSION
from keyturn.api.kinds import (
    ROTATION,
    ClusterCredentialProviderSpec,
    CredentialProviderSpec,
    PlanStatus,
    ProviderRef,
    RotationPlanSpec,
    RotationSpec,
    RotationStatus,
    SecretTarget,
)
from keyturn.api.labels import FINALIZER
from keyturn.core.model import ObjectKey, Problem
from keyturn.core.rotation import FINISHED
from keyturn.kube import paths
from keyturn.kube.client import FieldsNotSelectable, KubeClient, Patch
from keyturn.kube.raw import Json, at, mapping, moment, number, strings, text
from keyturn.ports import Conflict, Misconfigured, PlanRecord, ProviderRecord, RotationRecord
from keyturn.ports.records import STATUS_UNREADABLE

M = TypeVar("M", bound=BaseModel)

_OF_PLAN, _PHASE = ROTATION.fields_selected
_CLUSTERED = "ClusterCredentialProvider"


@cache
def _unparsed() -> RotationPlanSpec:
    """Stands in for a spec that does not parse: it asks for nothing."""
    return RotationPlanSpec(
        provider_ref=ProviderRef(name="unreadable"),
        secret=SecretTarget(name="unreadable", keys={"unreadable": "{username}:{password}"}),
        suspend=True,
    )


class Plans:
    """RotationPlans, Rotations and providers."""

    def __init__(self, client: KubeClient, operator_namespace: str, namespaces: Sequence[str] = ()) -> None:
        self._client = client
        self._operator_namespace = operator_namespace
        self._namespaces = tuple(namespaces)  # that are served; none: all
        self._selects = True  # the API server picks by field: since 1.31, with the CRDs of this version

    async def plan(self, key: ObjectKey) -> PlanRecord | None:
        """Consistent; None if it does not exist."""
        found = await self._client.read(paths.ours(paths.PLANS, key.namespace, key.name))
        return None if found is None else plan_of(found)

    async def plans(self, namespace: str | None = None) -> Sequence[PlanRecord]:
        """All of a namespace, or of all that are served. One that is not served has no plans."""
        if namespace is not None and self._namespaces and namespace not in self._namespaces:
            return []
        where = (namespace,) if namespace is not None else self._namespaces or (None,)
        found = [await self._client.collect(paths.ours(paths.PLANS, one), plan_of) for one in where]
        return [plan for plans in found for plan in plans]

    async def rotation(self, key: ObjectKey) -> RotationRecord | None:
        """Consistent; None if it does not exist. Raises Misconfigured if it cannot be understood."""
        found = await self._client.read(paths.ours(paths.ROTATIONS, key.namespace, key.name))
        return None if found is None else rotation_of(found)

    async def rotations(self, plan: ObjectKey, *, finished: bool = True) -> Sequence[RotationRecord]:
        """All Rotations that name this plan, whoever made them. Raises Misconfigured if one cannot be understood.

        The API server picks them out: a namespace can hold a thousand plans with ten finished ones each.
        """
        left_out = frozenset[str]() if finished else FINISHED

        def wanted(found: Json) -> RotationRecord | None:
            mine = text(found, "spec", "planRef", "name") == plan.name
            return rotation_of(found) if mine and text(found, "status", "phase") not in left_out else None

        path = paths.ours(paths.ROTATIONS, plan.namespace)
        if self._selects:
            fields = [f"{_OF_PLAN}={plan.name}", *(f"{_PHASE}!={phase}" for phase in sorted(left_out))]
            try:
                return await self._client.collect(path, wanted, fieldSelector=",".join(fields))
            except FieldsNotSelectable:
                self._selects = False
        return await self._client.collect(path, wanted)

    async def provider(self, plan: PlanRecord) -> ProviderRecord:
        """The provider that a plan names. Raises Misconfigured if there is none, or it does not parse."""
        ref = plan.spec.provider_ref
        namespace = None if ref.kind == _CLUSTERED else plan.key.namespace
        found = await self._client.read(paths.ours(paths.plural_of(ref.kind), namespace, ref.name))
        if found is None:
            raise Misconfigured(
                "ProviderMissing", f"There is no {ref.kind} {ref.name}: make it, or change spec.providerRef."
            )
        record = self._provider_of(ref.kind, found)
        return replace(record, admits_namespace=await self._admits(record.spec, plan.key.namespace))

    async def providers(self, admin: ObjectKey) -> Sequence[ProviderRecord]:
        """Those whose rotator logs in with what this Secret holds. One that does not parse opens nothing: left out."""
        asked = [("CredentialProvider", admin.namespace)]
        if admin.namespace == self._operator_namespace:
            asked.append((_CLUSTERED, ""))

        def uses(kind: str) -> Callable[[Json], ProviderRecord | None]:
            def project(found: Json) -> ProviderRecord | None:
                try:
                    record = self._provider_of(kind, found)
                except Misconfigured:
                    return None
                return record if record.admin_key == admin else None

            return project

        found = [
            await self._client.collect(paths.ours(paths.plural_of(kind), namespace or None), uses(kind))
            for kind, namespace in asked
        ]
        return [record for records in found for record in records]

    def _provider_of(self, kind: str, found: Json) -> ProviderRecord:
        """Raises Misconfigured if it does not parse."""
        clustered = kind == _CLUSTERED
        spec, broken = _parsed(ClusterCredentialProviderSpec if clustered else CredentialProviderSpec, found, "spec")
        if spec is None:
            raise Misconfigured(
                "ProviderUnreadable", f"{kind} {text(found, 'metadata', 'name')} cannot be understood: {broken}."
            )
        return ProviderRecord(
            kind=kind,
            key=_key(found),
            uid=text(found, "metadata", "uid"),
            generation=number(found, "metadata", "generation"),
            spec=spec,
            annotations=strings(found, "metadata", "annotations"),
            secrets_in=self._operator_namespace if clustered else "",
        )

    async def _admits(self, spec: CredentialProviderSpec, namespace: str) -> bool:
        if not isinstance(spec, ClusterCredentialProviderSpec):
            return True
        found = await self._client.read(f"/api/v1/namespaces/{namespace}")
        labels = strings(found or {}, "metadata", "labels")
        return found is not None and spec.namespace_selector.match_labels.items() <= labels.items()

    async def create_rotation(self, plan: PlanRecord, name: str, spec: RotationSpec) -> None:
        """Owned by the plan; an existing one of that name is success."""
        owner = {"apiVersion": API_VERSION, "kind": "RotationPlan", "name": plan.key.name, "uid": plan.uid}
        body: Json = {
            "apiVersion": API_VERSION,
            "kind": "Rotation",
            "metadata": {
                "name": name,
                "namespace": plan.key.namespace,
                "ownerReferences": [owner | {"controller": True, "blockOwnerDeletion": False}],
            },
            "spec": _dumped(spec),
        }
        path = paths.ours(paths.ROTATIONS, plan.key.namespace)
        try:
            await self._client.create(path, body)
        except Conflict:
            if await self._client.read(f"{path}/{name}") is None:  # it was there, and is being replaced: look again
                raise

    async def delete_rotation(self, record: RotationRecord) -> None:
        """Exactly this one; one that is gone is success."""
        await self._client.delete(paths.ours(paths.ROTATIONS, record.key.namespace, record.key.name), record.uid)

    async def save_plan(self, record: PlanRecord, status: PlanStatus) -> PlanRecord:
        """Compare-and-set on resourceVersion. Raises Conflict; Misconfigured if it would lose what is unreadable."""
        if record.invalid is not None and record.invalid.reason == STATUS_UNREADABLE:
            raise Misconfigured(record.invalid.reason, record.invalid.message)
        return plan_of(
            await self._save(_Saved("RotationPlan", record.key, record.uid, record.resource_version), status)
        )

    async def save_rotation(self, record: RotationRecord, status: RotationStatus) -> RotationRecord:
        """Compare-and-set on resourceVersion. Raises Conflict."""
        return rotation_of(
            await self._save(_Saved("Rotation", record.key, record.uid, record.resource_version), status)
        )

    async def _save(self, about: _Saved, status: BaseModel) -> Json:
        path = paths.ours(paths.plural_of(about.kind), about.key.namespace, about.key.name)
        metadata = {
            "name": about.key.name,
            "namespace": about.key.namespace,
            "uid": about.uid,
            "resourceVersion": about.resource_version,
        }
        body: Json = {"apiVersion": API_VERSION, "kind": about.kind, "metadata": metadata, "status": _dumped(status)}
        return await self._client.replace(f"{path}/status", body)

    async def hold_plan(self, record: PlanRecord, *, hold: bool) -> None:
        """Put or release our finalizer; the finalizers of others stay. Raises Conflict."""
        if hold is (FINALIZER in record.finalizers):
            return
        kept = [name for name in record.finalizers if name != FINALIZER]
        metadata: Json = {
            "resourceVersion": record.resource_version,
            "finalizers": [*kept, FINALIZER] if hold else kept,
        }
        path = paths.ours(paths.PLANS, record.key.namespace, record.key.name)
        await self._client.patch(path, {"metadata": metadata}, Patch.MERGE)


@dataclass(frozen=True, slots=True)
class _Saved:
    """The object whose status is written, as it was read."""

    kind: str
    key: ObjectKey
    uid: str
    resource_version: str


def plan_of(found: Json) -> PlanRecord:
    """A RotationPlan as stored. What does not parse becomes ``invalid`` and asks for nothing."""
    spec, broken_spec = _parsed(RotationPlanSpec, found, "spec")
    status, broken_status = _parsed(PlanStatus, found, "status")
    invalid: Problem | None = None
    if spec is None:
        invalid = Problem("SpecUnreadable", f"The plan cannot be understood by this version of Keyturn: {broken_spec}.")
    if status is None:
        invalid = Problem(
            STATUS_UNREADABLE, f"A newer Keyturn wrote this plan's status: {broken_status}. Run that version again."
        )
    deleted = text(found, "metadata", "deletionTimestamp")
    return PlanRecord(
        key=_key(found),
        uid=text(found, "metadata", "uid"),
        generation=number(found, "metadata", "generation"),
        resource_version=text(found, "metadata", "resourceVersion"),
        spec=spec or _unparsed(),
        status=status or PlanStatus(),
        deleting=bool(deleted),
        deleted_at=moment(deleted) if deleted else None,
        finalizers=tuple(str(name) for name in at(found, "metadata", "finalizers") or ()),
        annotations=strings(found, "metadata", "annotations"),
        invalid=invalid,
    )


def rotation_of(found: Json) -> RotationRecord:
    """A Rotation as stored. Raises Misconfigured if it does not parse: nothing may be concluded without it."""
    spec, broken_spec = _parsed(RotationSpec, found, "spec")
    status, broken_status = _parsed(RotationStatus, found, "status")
    if spec is None or status is None:
        raise Misconfigured(
            "RotationUnreadable",
            f"Rotation {_key(found)} cannot be understood by this version of Keyturn: {broken_spec or broken_status}. "
            "Run the version that wrote it.",
        )
    return RotationRecord(
        key=_key(found),
        uid=text(found, "metadata", "uid"),
        generation=number(found, "metadata", "generation"),
        resource_version=text(found, "metadata", "resourceVersion"),
        created=moment(text(found, "metadata", "creationTimestamp")),
        spec=spec,
        status=status,
        deleting=bool(text(found, "metadata", "deletionTimestamp")),
        annotations=strings(found, "metadata", "annotations"),
    )


def _parsed(model: type[M], found: Json, part: str) -> tuple[M | None, str]:
    """The parsed part, or None and the first field that is wrong: its place only, never its value."""
    try:
        return model.model_validate(mapping(found, part)), ""
    except ValidationError as error:
        place = ".".join(str(step) for step in error.errors(include_input=False, include_url=False)[0]["loc"])
        return None, f"{part}.{place}".rstrip(".")


def _dumped(model: BaseModel) -> Json:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def _key(found: Json) -> ObjectKey:
    return ObjectKey(text(found, "metadata", "namespace"), text(found, "metadata", "name"))
