"""``kubectl keyturn inject -f FILE``: the manifest with the probe in it, as the webhook would make its pods.

For those who rather have the probe in Git. Plans are those of the manifest's namespace, and those in the file itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml

from keyturn.api.kinds import PLAN
from keyturn.cli.session import Session
from keyturn.injector.patch import Interest, injected, interest_of
from keyturn.kube.raw import Json, listed, text
from keyturn.ports import Forbidden, Misconfigured


@dataclass(frozen=True, slots=True)
class Injected:
    """YAML to apply, and what a person should know about it."""

    manifest: str
    warnings: tuple[str, ...]


async def inject(session: Session, documents: Sequence[Json], image: str) -> Injected:
    """Every document with the probe where it belongs; others as they are.

    Raises:
        Misconfigured: no image was named and no single injector runs here that could tell.
    """
    flat = [item for document in documents for item in _items(document)]
    chosen = image or await _image(session)
    spaces = {_namespace(item, session.namespace) for item in flat}
    plans = {space: await session.interests(space) for space in sorted(spaces)}
    for plan in (_placed(item, session.namespace) for item in flat if item.get("kind") == PLAN.name):
        known = interest_of(plan)
        plans[known.namespace] = [*(p for p in plans[known.namespace] if p.name != known.name), known]
    return _all(documents, plans, session.namespace, chosen)


async def _image(session: Session) -> str:
    try:
        images = await session.probe_images()
    except Forbidden:  # who may deploy need not see the injector
        raise Misconfigured(
            "WhichImage", "you may not look for the injector; name the probe's image with --image"
        ) from None
    if len(images) != 1:
        raise Misconfigured(
            "WhichImage", f"{len(images)} injectors run in this cluster; name the probe's image with --image"
        )
    return images[0]


def _all(documents: Sequence[Json], plans: Mapping[str, Sequence[Interest]], namespace: str, image: str) -> Injected:
    warnings: list[str] = []

    def changed(document: Json) -> Json:
        if document.get("kind") == "List":
            return document | {"items": [changed(item) for item in listed(document, "items")]}
        made, warning = injected(document, plans[_namespace(document, namespace)], image)
        if warning:
            warnings.append(f"{document['kind']}/{text(document, 'metadata', 'name')}: {warning}")
        return made

    made = [changed(document) for document in documents]
    return Injected(yaml.safe_dump_all(made, sort_keys=False, width=110), tuple(warnings))


def _items(document: Json) -> Iterator[Json]:
    if document.get("kind") != "List":
        yield document
    for item in listed(document, "items"):
        yield from _items(item)


def _namespace(document: Json, default: str) -> str:
    return text(document, "metadata", "namespace") or default


def _placed(document: Json, default: str) -> Json:
    return document | {"metadata": document.get("metadata", {}) | {"namespace": _namespace(document, default)}}


def documents_of(path: Path) -> list[Json]:
    """The Kubernetes objects of a file; ``-`` is standard input.

    Raises:
        Misconfigured: it cannot be read, or is not a Kubernetes manifest.
    """
    try:
        parsed = list(yaml.safe_load_all(sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        raise Misconfigured("NoFile", f"cannot read {path}; name a manifest, or - for standard input") from None
    except yaml.YAMLError:
        raise Misconfigured("NotYaml", f"{path} is not YAML; look: kubectl apply --dry-run=client -f {path}") from None
    return [_manifest(path, document) for document in parsed if document is not None]


def _manifest(path: Path, document: object) -> Json:
    if not isinstance(document, dict) or not isinstance(cast("Json", document).get("kind"), str):
        raise Misconfigured("NotManifest", f"{path} holds something that is no Kubernetes object; each has a kind")
    return cast("Json", document)
