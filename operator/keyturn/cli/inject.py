"""``kubectl keyturn inject -f FILE``: the manifest as the injector's webhook would make it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from keyturn.kube.raw import Json
from keyturn.ports import Misconfigured

Change = Callable[[Json], Json]


def injected_file(path: Path, change: Change) -> str:
    """Every document of the file, changed, as YAML. ``-`` is standard input.

    Raises:
        Misconfigured: the file cannot be read, or is not a Kubernetes manifest.
    """
    changed = [_each(document, change) for document in _documents(path)]
    return yaml.safe_dump_all(changed, sort_keys=False, width=110)


def _each(document: Json, change: Change) -> Json:
    if document.get("kind") == "List":
        return document | {"items": [_each(item, change) for item in document.get("items", [])]}
    return change(document)


def _documents(path: Path) -> Iterator[Json]:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        parsed = list(yaml.safe_load_all(text))
    except (OSError, UnicodeDecodeError):
        raise Misconfigured("NoFile", f"cannot read {path}; name a manifest, or - for standard input") from None
    except yaml.YAMLError:
        raise Misconfigured(
            "NotYaml", f"{path} is not YAML; look with: kubectl apply --dry-run=client -f {path}"
        ) from None
    for document in parsed:
        if document is None:
            continue
        if not isinstance(document, dict) or "kind" not in document:
            raise Misconfigured(
                "NotManifest", f"{path} holds something that is not a Kubernetes object; each has a kind"
            )
        yield document
