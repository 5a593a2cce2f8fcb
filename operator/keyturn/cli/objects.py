"""Raw objects of the API server as the records that views understand. Pure."""

from __future__ import annotations

from pydantic import ValidationError

from keyturn.api.kinds import PlanStatus, RotationPlanSpec, RotationSpec, RotationStatus
from keyturn.core.model import ObjectKey
from keyturn.kube.raw import Json, mapping, moment, number, strings, text
from keyturn.ports import Misconfigured, PlanRecord, RotationRecord


def key_of(raw: Json) -> ObjectKey:
    """Namespace and name."""
    return ObjectKey(text(raw, "metadata", "namespace"), text(raw, "metadata", "name"))


def plan_of(raw: Json) -> PlanRecord:
    """A RotationPlan.

    Raises:
        Misconfigured: another version of Keyturn wrote it.
    """
    try:
        return PlanRecord(
            key=key_of(raw),
            uid=text(raw, "metadata", "uid"),
            generation=number(raw, "metadata", "generation"),
            resource_version=text(raw, "metadata", "resourceVersion"),
            spec=RotationPlanSpec.model_validate(mapping(raw, "spec")),
            status=PlanStatus.model_validate(mapping(raw, "status")),
            deleting=bool(text(raw, "metadata", "deletionTimestamp")),
            annotations=strings(raw, "metadata", "annotations"),
        )
    except ValidationError:
        raise _other_version("plan", key_of(raw)) from None


def rotation_of(raw: Json) -> RotationRecord:
    """A Rotation.

    Raises:
        Misconfigured: another version of Keyturn wrote it.
    """
    try:
        return RotationRecord(
            key=key_of(raw),
            uid=text(raw, "metadata", "uid"),
            generation=number(raw, "metadata", "generation"),
            resource_version=text(raw, "metadata", "resourceVersion"),
            created=moment(text(raw, "metadata", "creationTimestamp")),
            spec=RotationSpec.model_validate(mapping(raw, "spec")),
            status=RotationStatus.model_validate(mapping(raw, "status")),
            deleting=bool(text(raw, "metadata", "deletionTimestamp")),
        )
    except ValidationError:
        raise _other_version("rotation", key_of(raw)) from None


def _other_version(word: str, key: ObjectKey) -> Misconfigured:
    return Misconfigured(
        "OtherVersion",
        f"{word} {key} was written by another version of Keyturn; use the kubectl-keyturn of that version",
    )
