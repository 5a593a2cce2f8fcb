"""Secrets by name only, never listed: read into sealed values, written narrowly under our own field manager.

A write names exactly the keys it manages, the uid and the resourceVersion it was decided on, and never carries back a
record that was read (https://kubernetes.io/docs/reference/using-api/server-side-apply/). Nothing here decides what a
Secret should hold.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

from keyturn.api.labels import FIELD_MANAGER, WRITTEN_FOR
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.kube import paths
from keyturn.kube.client import KubeClient, Patch
from keyturn.kube.ownership import applied_by_us, controlled_by, writers
from keyturn.kube.raw import Json, at, mapping, strings, text
from keyturn.ports import Conflict, Denied, SecretRecord, Unavailable

_PLACEHOLDER_BYTES: Final = frozenset(b"*x.-")  # what redaction leaves behind


class Secrets:
    """The Secrets of consumers, and small ones of our own."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def read(self, key: ObjectKey) -> SecretRecord | None:
        """Consistent; None if it does not exist."""
        found = await self._client.read(paths.core("secrets", key))
        return None if found is None else record_of(found)

    async def write(self, record: SecretRecord, data: Mapping[str, Sealed], tag: str) -> None:
        """These keys hold these values, and our annotation this tag, if the Secret is still the one that was read.

        Raises:
            Denied: the Secret is immutable, or a value must never be written.
            Conflict: somebody wrote in between, or it was deleted or made anew.
        """
        if record.immutable:
            raise Denied("SecretImmutable", f"Secret {record.key.name} is immutable: make it anew without `immutable`.")
        refuse_hollow(data)
        path = paths.core("secrets", record.key)
        found = await self._client.read(path)
        if found is None or text(found, "metadata", "resourceVersion") != record.resource_version:
            raise Conflict("Changed", f"Secret {record.key.name} was changed or deleted in between; looking again.")
        besides = {key: record.data[key] for key in applied_by_us(found) - data.keys() if key in record.data}
        metadata: Json = {"uid": record.uid, "resourceVersion": record.resource_version}
        metadata["annotations"] = {WRITTEN_FOR: tag}
        await self._client.patch(path, _apply_body(record.key, metadata, {**besides, **data}), Patch.APPLY)

    async def apply(self, key: ObjectKey, data: Mapping[str, Sealed]) -> None:
        """A small Secret of our own, made or brought up to date; one that is already right is not written.

        Raises:
            Conflict: somebody wrote in between.
            Denied: the name belongs to a Secret that we did not make.
        """
        found = await self.read(key)
        if found is not None and found.data and FIELD_MANAGER not in found.writers.values():
            raise Denied("SecretNotOurs", f"Secret {key} exists and is not Keyturn's: delete or rename it.")
        if found is not None and dict(found.data) == dict(data):
            return
        metadata = {} if found is None else {"uid": found.uid, "resourceVersion": found.resource_version}
        await self._client.patch(paths.core("secrets", key), _apply_body(key, metadata, data), Patch.APPLY)

    async def drop(self, key: ObjectKey) -> None:
        """Delete a Secret of our own; one that is gone is success."""
        path = paths.core("secrets", key)
        found = await self._client.read(path)
        if found is not None:
            await self._client.delete(path, text(found, "metadata", "uid"))


def record_of(found: Json) -> SecretRecord:
    """A Secret as read; its values are sealed at once."""
    return SecretRecord(
        key=ObjectKey(text(found, "metadata", "namespace"), text(found, "metadata", "name")),
        uid=text(found, "metadata", "uid"),
        resource_version=text(found, "metadata", "resourceVersion"),
        data=unpacked(mapping(found, "data")),
        writers=writers(found),
        immutable=at(found, "immutable") is True,
        controlled_by=controlled_by(found),
        annotations=strings(found, "metadata", "annotations"),
        tag=strings(found, "metadata", "annotations").get(WRITTEN_FOR, ""),
    )


def refuse_hollow(data: Mapping[str, Sealed]) -> None:
    """Raises Denied for what no layer may ever write: empty, blank, or what a redaction leaves of a value."""
    for key, value in data.items():
        raw = value.reveal().strip()
        if not raw or set(raw.lower()) <= _PLACEHOLDER_BYTES:
            raise Denied("HollowValue", f"The value for {key} is empty, blank or looks redacted; nothing was written.")


def packed(data: Mapping[str, Sealed]) -> dict[str, str]:
    """As the ``data`` of a Secret."""
    return {key: base64.b64encode(value.reveal()).decode() for key, value in data.items()}


def unpacked(data: Json) -> dict[str, Sealed]:
    """From the ``data`` of a Secret. Raises Unavailable if the answer is damaged."""
    try:
        return {key: Sealed(base64.b64decode(value, validate=True)) for key, value in data.items()}
    except ValueError:
        raise Unavailable("SecretUnreadable", "A Secret could not be decoded; looking again.") from None


def _apply_body(key: ObjectKey, metadata: Json, data: Mapping[str, Sealed]) -> Json:
    names = {"name": key.name, "namespace": key.namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {**names, **metadata}, "data": packed(data)}
