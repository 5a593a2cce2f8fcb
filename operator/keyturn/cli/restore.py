"""``kubectl keyturn restore``: from a sealed export, the Secrets that consumers need, made anew where there are none.

Nothing that exists is ever written over, and nothing else is made: namespaces, plans, providers and their admin Secrets
come from where they came from before. The escrow needs no restoring: it is bound to the uid of a plan, the plan made
anew has another, and adoption puts the Secret's credential into a new escrow once it was seen to log in. Values of the
old escrow that no Secret holds are reached with ``--credential``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import yaml

from keyturn.cli.exported import Export, Kept
from keyturn.cli.session import Session
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.kube.paths import core
from keyturn.kube.raw import Json, mapping
from keyturn.kube.secrets import packed, record_of, refuse_hollow
from keyturn.ports import Conflict, Denied, Misconfigured


class Fate(StrEnum):
    """What became of one Secret."""

    MADE = "made"
    SAME = "was there, the same"
    KEPT = "REFUSED: it exists and holds something else; it is left as it is"
    NOTHING = "REFUSED: the export holds nothing to put into it"
    HOLLOW = "REFUSED: a value is empty, blank or looks redacted"
    REJECTED = "REFUSED by the API server; see the rights, the quota and the Secret's type"


@dataclass(frozen=True, slots=True)
class Restored:
    """One plan's Secret and what became of it; ``holds`` is the id of the credential that was to be in it."""

    kept: Kept
    fate: Fate
    holds: str

    @property
    def well(self) -> bool:
        """The Secret holds what it should."""
        return self.fate in (Fate.MADE, Fate.SAME)


async def restore(session: Session, export: Export, chosen: Mapping[str, str]) -> list[Restored]:
    """Plan by plan. ``chosen``: ``namespace/plan`` -> id of a credential of its escrow, instead of what its Secret had.

    Raises:
        Misconfigured: a namespace is missing, or ``chosen`` names what the export does not hold; nothing is made then.
    """
    wanted = {kept.key: _data(kept, chosen.get(str(kept.key), "")) for kept in export.plans}
    if unknown := sorted(chosen.keys() - {str(key) for key in wanted}):
        raise Misconfigured("NotFound", f"the export holds no plan {unknown[0]}; write namespace/plan=credential")
    await _need_namespaces(session, sorted({key.namespace for key in wanted}))
    return [
        Restored(kept, await _placed(session, kept, wanted[kept.key]), chosen.get(str(kept.key), kept.holds))
        for kept in export.plans
    ]


def manifests(export: Export) -> str:
    """The providers and plans as YAML, to compare with Git or to apply. No value is in it."""
    providers = {_identity(kept.provider): kept.provider for kept in export.plans if kept.provider is not None}
    documents = [*providers.values(), *(kept.plan for kept in export.plans)]
    return yaml.safe_dump_all(documents, sort_keys=False)


async def _need_namespaces(session: Session, names: Sequence[str]) -> None:
    missing = [name for name in names if await session.api.read(core("namespaces", ObjectKey("", name))) is None]
    if missing:
        commands = "; ".join(f"kubectl create namespace {name}" for name in missing)
        raise Misconfigured("NamespaceMissing", f"nothing was made; make the namespaces as they were, or: {commands}")


async def _placed(session: Session, kept: Kept, data: Mapping[str, Sealed]) -> Fate:
    if not data:
        return Fate.NOTHING
    try:
        refuse_hollow(data)
    except Denied:
        return Fate.HOLLOW
    try:
        if (there := await _there(session, kept, data)) is not None:
            return there
        await session.api.create(core("secrets", ObjectKey(kept.key.namespace, "")), _body(kept, data))
    except Conflict:  # made by somebody else in between
        return await _there(session, kept, data) or Fate.KEPT
    except Denied:
        return Fate.REJECTED
    return Fate.MADE


async def _there(session: Session, kept: Kept, data: Mapping[str, Sealed]) -> Fate | None:
    found = await session.api.read(core("secrets", kept.secret_key))
    if found is None:
        return None
    held = record_of(found).data
    return Fate.SAME if all(key in held and held[key] == value for key, value in data.items()) else Fate.KEPT


def _body(kept: Kept, data: Mapping[str, Sealed]) -> Json:
    names = {"name": kept.secret_key.name, "namespace": kept.secret_key.namespace}
    type_ = kept.secret.type if kept.secret is not None else ""
    return {"apiVersion": "v1", "kind": "Secret", "type": type_ or "Opaque", "metadata": names, "data": packed(data)}


def _data(kept: Kept, credential: str) -> Mapping[str, Sealed]:
    if credential:
        return kept.rendered(credential)
    return kept.secret.data if kept.secret is not None else {}


def _identity(provider: Json) -> tuple[str, str, str]:
    metadata = mapping(provider, "metadata")
    return str(provider["kind"]), str(metadata.get("namespace", "")), str(metadata["name"])
