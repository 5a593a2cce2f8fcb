"""What an export holds, and its form inside the seal: JSON, version 1. Pure; it seals, reads and writes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from pydantic import ValidationError

from keyturn.api.base import API_VERSION
from keyturn.api.kinds import CredentialProviderSpec
from keyturn.api.labels import EDITED_BY
from keyturn.core.model import ObjectKey
from keyturn.core.rendering import Login, render
from keyturn.core.sealed import Sealed, Unsuitable
from keyturn.kube.raw import Json, at, listed, mapping, moment, strings, text
from keyturn.kube.secrets import packed, unpacked
from keyturn.ports import Misconfigured

_VERSION: Final = 1
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_LETS_IN: Final = ("bootstrap.kubernetes.io/token", "kubernetes.io/service-account-token")
_LEFT: Final = ("kubectl.kubernetes.io/", EDITED_BY)  # annotations: who makes it again is its editor then


@dataclass(frozen=True, slots=True)
class Consumed:
    """The consumers' Secret: the values of the keys that the plan manages, and only the names of the others."""

    type: str
    data: Mapping[str, Sealed]
    besides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """One plan. ``plan`` and ``provider`` are manifests; ``values`` are those in escrow, by the credential's id."""

    plan: Json
    provider: Json | None
    secret: Consumed | None
    values: Mapping[str, Sealed]
    current: str = ""  # id; "": the plan was not adopted yet
    under_way: str = ""  # the rotation that ran at the time

    @property
    def key(self) -> ObjectKey:
        """Of the plan."""
        return ObjectKey(text(self.plan, "metadata", "namespace"), text(self.plan, "metadata", "name"))

    @property
    def secret_key(self) -> ObjectKey:
        """Of the consumers' Secret."""
        return ObjectKey(self.key.namespace, text(self.plan, "spec", "secret", "name"))

    @property
    def managed(self) -> dict[str, str]:
        """The keys that the plan manages, with their templates."""
        return strings(self.plan, "spec", "secret", "keys")

    def rendered(self, credential: str) -> Mapping[str, Sealed]:
        """The Secret's managed keys as they would be with this credential of the escrow.

        Raises:
            Misconfigured: the escrow held none of that id, or nobody can say how it would look.
        """
        value = self.values.get(credential)
        if value is None:
            known = ", ".join(sorted(self.values)) or "none"
            raise Misconfigured("NotFound", f"the escrow of {self.key} held no {credential}; it held: {known}")
        try:
            backend = CredentialProviderSpec.model_validate(mapping(self.provider or {}, "spec")).backend
            if backend is not None:
                return render(self.managed, Login(credential, value), backend.place)
        except (ValidationError, Unsuitable):
            pass
        raise Misconfigured("NotRenderable", f"this version cannot say how {self.key} puts {credential} into a Secret")

    @property
    def holds(self) -> str:
        """The id of the credential that the Secret held; "" if that is none of the escrow."""
        if self.secret is None:
            return ""
        for credential in self.values:
            with suppress(Misconfigured):
                if dict(self.rendered(credential)) == dict(self.secret.data):
                    return credential
        return ""

    def lacks(self) -> Iterator[str]:
        """What should be here and is not, each in words."""
        if self.provider is None:
            yield "its provider does not exist"
        if self.secret is None:
            yield f"its Secret {self.secret_key.name} does not exist"
        elif missing := sorted(self.managed.keys() - self.secret.data.keys()):
            yield f"its Secret has no key {', '.join(missing)}"
        if self.current and self.current not in self.values:
            yield f"its escrow holds no {self.current}"


@dataclass(frozen=True, slots=True)
class Export:
    """Everything, and when it was read."""

    taken: datetime
    plans: Sequence[Kept]


def to_content(export: Export) -> Sealed:
    """As it is sealed."""
    plans = [_dumped(kept) for kept in export.plans]
    return Sealed(json.dumps({"v": _VERSION, "taken": export.taken.isoformat(), "plans": plans}))


def from_content(content: Sealed) -> Export:
    """As it was sealed.

    The seal does not say who made it, so names that could lead a request astray are refused, and Secrets by which
    Kubernetes lets somebody in.

    Raises:
        Misconfigured: another version made it, or it was not made by ``export``.
    """
    try:
        found: Json = json.loads(content.reveal())
    except ValueError:
        raise _foreign() from None
    if at(found, "v") != _VERSION:
        raise Misconfigured("NewerExport", "another version made this export; use the kubectl-keyturn of that version")
    export = Export(moment(text(found, "taken")), [_loaded(one) for one in listed(found, "plans")])
    if not all(_harmless(kept) for kept in export.plans):
        raise _foreign()
    return export


def _harmless(kept: Kept) -> bool:
    names = (kept.key.namespace, kept.key.name, kept.secret_key.name)
    return all(map(_NAME.fullmatch, names)) and (kept.secret is None or kept.secret.type not in _LETS_IN)


def _foreign() -> Misconfigured:
    return Misconfigured("ForeignExport", "kubectl keyturn export did not make this; compare its SHA-256 with yours")


def manifest(kind: str, stored: Json) -> Json:
    """What a person would apply to make the object again: no status, nothing that the API server or an edit left."""
    metadata = mapping(stored, "metadata")
    kept = {name: metadata[name] for name in ("name", "namespace", "labels") if metadata.get(name)}
    marks = {name: value for name, value in strings(metadata, "annotations").items() if not name.startswith(_LEFT)}
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": kept | ({"annotations": marks} if marks else {}),
        "spec": mapping(stored, "spec"),
    }


def _dumped(kept: Kept) -> Json:
    secret = kept.secret and {
        "type": kept.secret.type,
        "data": packed(kept.secret.data),
        "besides": list(kept.secret.besides),
    }
    return {
        "plan": kept.plan,
        "provider": kept.provider,
        "secret": secret,
        "values": packed(kept.values),
        "current": kept.current,
        "underWay": kept.under_way,
    }


def _loaded(found: Json) -> Kept:
    secret = mapping(found, "secret")
    besides = tuple(cast("list[str]", at(secret, "besides") or ()))
    return Kept(
        mapping(found, "plan"),
        mapping(found, "provider") or None,
        Consumed(text(secret, "type"), unpacked(mapping(secret, "data")), besides) if secret else None,
        unpacked(mapping(found, "values")),
        text(found, "current"),
        text(found, "underWay"),
    )
