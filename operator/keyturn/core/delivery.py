"""How a pod template hands a Secret to its containers: every way Kubernetes knows, read from the pod spec alone.

Pure: plain mappings in, values out. The injector and the Kubernetes side both stand on it. Only ways that reach a
container count: ``imagePullSecrets`` and the secretRefs of storage drivers stay with the kubelet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, cast

from keyturn.core.model import Problem

WHOLE = "*"  # a Delivery's key when all keys of the Secret come by this way
_LISTS = ("containers", "initContainers", "ephemeralContainers")
_SPLIT_HINT = (
    "hand both over by one way: one key that holds the whole URL, both keys as environment variables, "
    "or both as files of one volume without subPath"
)

Spec = Mapping[str, Any]


class Way(StrEnum):
    """By which way a Secret's key reaches a container."""

    ENV = "Env"
    FILE = "File"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One key of the Secret in one container. ``place`` is the variable's name or the file's absolute path."""

    container: str
    init: bool  # an ordinary init container: it is gone when the pod is ready
    secret: str
    key: str  # "*" for a whole Secret through envFrom (place = prefix) or a volume without items (place = directory)
    way: Way
    place: str
    sub_path: bool = False  # never refreshed by the kubelet
    volume: str = ""  # the pod's volume that carries the file; all its files change at one instant


def deliveries(pod_spec: Spec, secret: str) -> tuple[Delivery, ...]:
    """Every way by which this Secret reaches a container of the pod, in the spec's order."""
    return tuple(found for found in _all_deliveries(pod_spec) if found.secret == secret)


def references(pod_spec: Spec) -> frozenset[str]:
    """Names of all Secrets that reach a container of the pod."""
    return frozenset(found.secret for found in _all_deliveries(pod_spec))


def expanded(found: Iterable[Delivery], keys: Iterable[str]) -> tuple[Delivery, ...]:
    """The deliveries of these keys, one by one: ``*`` is replaced by each key, other keys are left out."""
    wanted = tuple(keys)
    return tuple(
        one
        for delivery in found
        for one in (
            [replace(delivery, key=key, place=_within(delivery, key)) for key in wanted]
            if delivery.key == WHOLE
            else [delivery]
        )
        if one.key in wanted
    )


def split_delivery(found: Iterable[Delivery], templates: Mapping[str, str]) -> Problem | None:
    """Can user name and password reach a container at different instants, or only one of them? Then say so.

    Halves of two credentials log nobody in. Together are: one key with both; variables of one container
    (resolved once, at its start); files of one volume without subPath (swapped by one rename). A container that
    takes a password without a user name has the name from a place that a rotation does not change.
    ``templates`` are the plan's managed keys.
    """
    halves: dict[str, dict[str, set[str]]] = {}
    for delivery in expanded(found, templates):
        arrivals = halves.setdefault(delivery.container, {})
        parts = {part for part in ("username", "password") if "{" + part + "}" in templates[delivery.key]}
        if parts:
            arrivals.setdefault(_arrival(delivery), set()).update(parts)
    for container, arrivals in halves.items():
        if not any("password" in parts for parts in arrivals.values()):
            continue
        for arrival, parts in arrivals.items():
            if len(parts) == 1:
                return _split(container, arrival, next(iter(parts)))
    return None


def _split(container: str, arrival: str, part: str) -> Problem:
    mine, other = ("user name", "password") if part == "username" else ("password", "user name")
    return Problem(
        "SplitDelivery",
        f"container {container} takes the {mine} from {arrival} and the {other} from another place; {_SPLIT_HINT}",
    )


def _arrival(delivery: Delivery) -> str:
    """What arrives at one instant, named for people."""
    if delivery.way is Way.ENV:
        return "its environment"
    return f"a subPath of volume {delivery.volume}" if delivery.sub_path else f"volume {delivery.volume}"


def _within(delivery: Delivery, key: str) -> str:
    return delivery.place + key if delivery.way is Way.ENV else _joined(delivery.place, key)


# --------------------------------------------------------------------------------------------- reading the spec


def _all_deliveries(pod_spec: Spec) -> Iterator[Delivery]:
    volumes = {str(volume.get("name", "")): volume for volume in _items(pod_spec, "volumes")}
    for kind in _LISTS:
        for container in _items(pod_spec, kind):
            init = kind == "initContainers" and container.get("restartPolicy") != "Always"
            name = str(container.get("name", ""))
            yield from _from_environment(container, name, init=init)
            yield from _from_files(container, volumes, name, init=init)


def _from_environment(container: Spec, name: str, *, init: bool) -> Iterator[Delivery]:
    for source in _items(container, "envFrom"):
        if secret := _text(source.get("secretRef"), "name"):
            yield Delivery(name, init, secret, WHOLE, Way.ENV, str(source.get("prefix") or ""))
    for variable in _items(container, "env"):
        reference = _mapping(_mapping(variable.get("valueFrom")).get("secretKeyRef"))
        secret, key = _text(reference, "name"), _text(reference, "key")
        if secret and key:
            yield Delivery(name, init, secret, key, Way.ENV, str(variable.get("name", "")))


def _from_files(container: Spec, volumes: Mapping[str, Spec], name: str, *, init: bool) -> Iterator[Delivery]:
    for mount in _items(container, "volumeMounts"):
        volume = str(mount.get("name", ""))
        for secret, key, path in _in_volume(volumes.get(volume, {})):
            seen = _through_mount(mount, key, path)
            if seen is not None:
                place_key, place, sub_path = seen
                yield Delivery(name, init, secret, place_key, Way.FILE, place, sub_path, volume)


def _in_volume(volume: Spec) -> Iterator[tuple[str, str, str]]:
    """(Secret, key, path inside the volume); a Secret without items is (Secret, "*", "")."""
    direct = _mapping(volume.get("secret"))
    sources = [(_text(direct, "secretName"), direct)]
    for source in _items(_mapping(volume.get("projected")), "sources"):
        projected = _mapping(source.get("secret"))
        sources.append((_text(projected, "name"), projected))
    for secret, source in sources:
        if not secret:
            continue
        items = _items(source, "items")
        for item in items:
            yield secret, str(item.get("key", "")), str(item.get("path", ""))
        if not items:
            yield secret, WHOLE, ""


def _through_mount(mount: Spec, key: str, path: str) -> tuple[str, str, bool] | None:
    """(key, absolute place, sub_path) of a file of the volume as the container sees it; None if it does not."""
    at = str(mount.get("mountPath", ""))
    if mount.get("subPathExpr"):
        # The kubelet expands it at start. A constant one is a plain subPath; else any file may be the one.
        if "$(" in str(mount["subPathExpr"]):
            return key, at, True
        sub = _cleaned(str(mount["subPathExpr"]))
    else:
        sub = _cleaned(str(mount.get("subPath") or ""))
    if not sub:
        return key, _joined(at, path), False
    if key == WHOLE:
        return (sub, at, True) if "/" not in sub else None
    path = _cleaned(path)
    if path == sub:
        return key, at, True
    return (key, _joined(at, path[len(sub) + 1 :]), True) if path.startswith(sub + "/") else None


def _cleaned(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in {"", "."})


def _joined(directory: str, path: str) -> str:
    return re.sub("/+", "/", f"{directory}/{path}").rstrip("/") or "/"


def _items(holder: Spec, name: str) -> Sequence[Spec]:
    """A list field's mappings; absent, null or of another shape is empty."""
    value = holder.get(name)
    if not isinstance(value, list):
        return ()
    return [_mapping(item) for item in cast("list[object]", value)]


def _mapping(value: object) -> Spec:
    return cast("Spec", value) if isinstance(value, Mapping) else {}


def _text(holder: object, name: str) -> str:
    return str(_mapping(holder).get(name) or "")
