"""The probe sidecar as pure data: a pod in, the JSON patch that adds the probe out. Nothing here reads or sends.

Idempotent by the container's name. Everything the sidecar refers to is optional, so that a pod never waits for Keyturn;
a pod that cannot have a probe is left alone with a warning: it runs, stays unproven, and so blocks its rotation.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from keyturn.api.base import GROUP
from keyturn.api.labels import PROBE_CONTAINER, acceptors_of, probe_secret_name, restart_annotation
from keyturn.core.delivery import Way, deliveries, expanded
from keyturn.core.evidence import RunsAs
from keyturn.injector import sidecar
from keyturn_probe import wire

Json = dict[str, Any]

INJECTED = f"{GROUP}/injected"  # annotation: the plans that the probe serves, for people
_IDENTITY = slice(-10, None)  # of the restart annotation: the hash of namespace and plan


@dataclass(frozen=True, slots=True)
class Interest:
    """What injection needs of a RotationPlan."""

    namespace: str
    name: str
    secret: str
    keys: tuple[str, ...]
    users: Mapping[tuple[str, str], RunsAs] = field(default_factory=dict[tuple[str, str], RunsAs])
    """(consumer, container) -> as whom it runs, as the plan remembers where the template does not say."""
    acceptors: tuple[Interest, ...] = ()  # of a plan whose keys pods judge: their Secret, as a plan of its own

    @property
    def annotation(self) -> str:
        """The template's annotation that holds the generation."""
        return restart_annotation(self.namespace, self.name)

    @property
    def identity(self) -> str:
        """Ten hex digits that name the plan to the probe."""
        return self.annotation[_IDENTITY]


@dataclass(frozen=True, slots=True)
class Injection:
    """What to do to a pod: JSON patch operations, or none and why."""

    operations: tuple[Json, ...] = ()
    warning: str = ""


def interest_of(plan: Mapping[str, Any]) -> Interest:
    """A RotationPlan document's part. Missing fields are empty, and match no pod."""
    metadata, secret = _mapping(plan.get("metadata")), _mapping(_mapping(plan.get("spec")).get("secret"))
    known = Interest(
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata.get("name", "")),
        secret=str(secret.get("name", "")),
        keys=tuple(_mapping(secret.get("keys"))),
        users=dict(_users(_mapping(plan.get("status")))),
    )
    return replace(known, acceptors=tuple(_acceptors(_mapping(plan.get("spec")), known)))


def _acceptors(spec: Mapping[str, Any], plan: Interest) -> Iterator[Interest]:
    """Whatever backend the plan names: a part of its spec that speaks of acceptors' Secret and key."""
    for part in spec.values():
        secret = _mapping(_mapping(_mapping(part).get("acceptors")).get("secret"))
        if secret:
            keys = (str(secret.get("key", "")),)
            yield replace(plan, name=acceptors_of(plan.name), secret=str(secret.get("name", "")), keys=keys)


def _users(status: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], RunsAs]]:
    """Whatever a status holds, a probe never runs as root because of it."""
    for one in _list(status, "users"):
        user, group = one.get("user"), one.get("group")
        if type(user) is int and type(group) is int and (runs_as := RunsAs(user, group)).allowed:
            yield (str(one.get("consumer", "")), str(one.get("container", ""))), runs_as


def injection(pod: Mapping[str, Any], plans: Iterable[Interest], image: str, consumer: str = "") -> Injection:
    """The patch for a pod (or a pod template: the paths are the same). ``consumer``: its workload, by kind and name.

    ``plans`` are those of the pod's namespace; the pod takes part in those whose Secret reaches one of its containers,
    and in those that have restarted it before: there a variable may have been overridden.
    """
    metadata, spec = _mapping(pod.get("metadata")), _mapping(pod.get("spec"))
    if any(
        one.get("name") == PROBE_CONTAINER for kind in ("initContainers", "containers") for one in _list(spec, kind)
    ):
        return Injection()
    if refusal := _refusal(spec):
        return Injection(warning=f"keyturn: no probe was added: {refusal}")
    taking_part = [one for plan in plans for one in (plan, *plan.acceptors) if _takes_part(metadata, spec, one)]
    if not taking_part:
        return Injection(
            warning="keyturn: no probe was added: no RotationPlan here manages a Secret that this pod uses"
        )
    whose = consumer or consumer_of(metadata)
    users = {at[1]: runs_as for plan in taking_part for at, runs_as in plan.users.items() if at[0] == whose}
    return Injection(operations=tuple(_operations(metadata, spec, taking_part, image, users)))


def injected(manifest: Json, plans: Iterable[Interest], image: str) -> tuple[Json, str]:
    """A Kubernetes document with the probe in its pod template, and a warning; others come back as they are.

    What the webhook would do at pod creation, for those who rather have it in Git.
    """
    changed = copy.deepcopy(manifest)
    template = _template(changed)
    if template is None:
        return changed, ""
    namespace = str(_mapping(changed.get("metadata")).get("namespace", ""))
    mine = [plan for plan in plans if not namespace or plan.namespace == namespace]
    consumer = f"{manifest.get('kind')}/{_mapping(changed.get('metadata')).get('name', '')}"
    found = injection(template, mine, image, consumer)
    for operation in found.operations:
        _add(template, operation["path"], operation["value"])
    return changed, found.warning


def consumer_of(metadata: Mapping[str, Any]) -> str:
    """The workload of a pod that is about to be made, by kind and name; "" if it has none.

    A Deployment's ReplicaSet carries its name and the hash that its pods are labelled with. Whoever may make pods may
    claim any owner: what a plan remembers of one is a user and a group, and gives nobody a right.
    """
    owners = (one for one in _list(metadata, "ownerReferences") if one.get("controller") is True)
    owner = next(owners, _mapping(None))
    kind, name = str(owner.get("kind", "")), str(owner.get("name", ""))
    suffix = f"-{_mapping(metadata.get('labels')).get('pod-template-hash', '')}"
    if kind == "ReplicaSet" and len(suffix) > 1 and name.endswith(suffix):
        return f"Deployment/{name.removesuffix(suffix)}"
    return f"{kind}/{name}" if name else ""


def _refusal(spec: Mapping[str, Any]) -> str:
    if spec.get("hostNetwork"):
        return "a pod on the host's network has no address of its own to be challenged at"
    if spec.get("hostPID"):
        return "a pod that sees the host's processes cannot share its own"
    if spec.get("shareProcessNamespace") is False:
        return "the pod says shareProcessNamespace: false; leave it out"
    if _mapping(spec.get("os")).get("name") == "windows":
        return "the probe needs Linux"
    return ""


def _takes_part(metadata: Mapping[str, Any], spec: Mapping[str, Any], plan: Interest) -> bool:
    restarted = plan.annotation in _mapping(metadata.get("annotations"))
    return restarted or bool(expanded(deliveries(spec, plan.secret), plan.keys))


def _operations(
    metadata: Mapping[str, Any],
    spec: Mapping[str, Any],
    plans: Sequence[Interest],
    image: str,
    users: Mapping[str, RunsAs],
) -> Iterable[Json]:
    watch = _watch(spec, plans)
    container = sidecar.container(spec, image, watch, [(plan.identity, plan.annotation) for plan in plans], users)
    names = {volume.get("name") for volume in _list(spec, "volumes")}
    volumes = sidecar.volumes([(plan.identity, probe_secret_name(plan.name)) for plan in plans])
    if not isinstance(metadata.get("annotations"), Mapping):
        yield _operation("/metadata/annotations", {})
    escaped = INJECTED.replace("~", "~0").replace("/", "~1")
    yield _operation(f"/metadata/annotations/{escaped}", " ".join(plan.name for plan in plans))
    if spec.get("shareProcessNamespace") is not True:
        yield _operation("/spec/shareProcessNamespace", value=True)
    if not isinstance(spec.get("volumes"), list):
        yield _operation("/spec/volumes", [])
    for volume in volumes:
        if volume["name"] not in names:
            yield _operation("/spec/volumes/-", volume)
    if not isinstance(spec.get("initContainers"), list):
        yield _operation("/spec/initContainers", [])
    yield _operation("/spec/initContainers/0", container)


def _watch(spec: Mapping[str, Any], plans: Sequence[Interest]) -> str:
    """``KEYTURN_WATCH``: see ``keyturn_probe.plans``. Ordinary init containers are gone when it matters."""
    lines: list[str] = []
    for plan in plans:
        lines.append(_line("plan", plan.identity, plan.name))
        seen: set[str] = set()
        for found in expanded(deliveries(spec, plan.secret), plan.keys):
            line = _line("env" if found.way is Way.ENV else "file", found.container, found.key, found.place)
            if not found.init and line not in seen:
                seen.add(line)
                lines.append(line)
    return "\n".join(lines)


def _line(*words: str) -> str:
    return " ".join(wire.quoted(word) for word in words)


def _template(manifest: Json) -> Json | None:
    """The pod template of a workload, or the pod itself; None for what has none."""
    if manifest.get("kind") == "Pod":
        return manifest
    spec = _mapping(manifest.get("spec"))
    if manifest.get("kind") == "CronJob":
        spec = _mapping(_mapping(spec.get("jobTemplate")).get("spec"))
    template = spec.get("template")
    return cast("Json", template) if isinstance(template, dict) and "spec" in template else None


def _operation(path: str, value: object) -> Json:
    return {"op": "add", "path": path, "value": value}


def _add(document: Json, path: str, value: Any) -> None:
    """One ``add`` of RFC 6902, as far as ``_operations`` uses it. A template may come without metadata."""
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    here: Any = document
    for parent in parents:
        here = here.setdefault(parent, {})
    if isinstance(here, list):
        items = cast("list[Any]", here)
        items.insert(len(items) if last == "-" else int(last), value)
    else:
        here[last] = value


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _list(holder: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    value = holder.get(name)
    return [_mapping(item) for item in cast("list[object]", value)] if isinstance(value, list) else ()
