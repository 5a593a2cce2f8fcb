"""The sidecar's container and volumes, as Kubernetes spells them. Pure data; decides only what the pod's spec implies.

The container satisfies the ``restricted`` Pod Security Standard
(https://kubernetes.io/docs/concepts/security/pod-security-standards/) unless the app itself runs as root.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from keyturn.api.labels import CHALLENGE_PORT, PROBE_CONTAINER
from keyturn.core.evidence import RunsAs

_LATCH, _TOKEN, _PLAN = "keyturn-latch", "keyturn-no-token", "keyturn-plan-"
_SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_PORT_STEP = 10

Json = dict[str, Any]
Spec = Mapping[str, Any]


def container(
    spec: Spec, image: str, watch: str, generations: Sequence[tuple[str, str]], users: Mapping[str, RunsAs]
) -> Json:
    """The native sidecar. ``generations``: (plan's identity, annotation of its generation); ``users``: by container."""
    challenge, readiness = _ports(spec)
    return {
        "name": PROBE_CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "env": [
            {"name": "KEYTURN_WATCH", "value": watch},
            {"name": "KEYTURN_PORTS", "value": f"{challenge} {readiness}"},
            {"name": "KEYTURN_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            *(
                {
                    "name": f"KEYTURN_GENERATION_{identity.upper()}",
                    "valueFrom": {"fieldRef": {"fieldPath": f"metadata.annotations['{annotation}']"}},
                }
                for identity, annotation in generations
            ),
        ],
        "ports": [{"name": "challenge", "containerPort": challenge, "protocol": "TCP"}],
        # Once open it stays open, so failures can only be a slow node: patience, not a verdict.
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": readiness},
            "periodSeconds": 1,
            "timeoutSeconds": 2,
            "failureThreshold": 30,
        },
        "resources": _resources(spec),
        "securityContext": _security(spec, watch, users),
        "volumeMounts": [
            {"name": _LATCH, "mountPath": "/run/keyturn/latch"},
            # Built-in admission gives every container the service account's token, unless something is mounted there.
            {"name": _TOKEN, "mountPath": _SERVICE_ACCOUNT, "readOnly": True},
            *(
                {"name": _PLAN + identity, "mountPath": f"/run/keyturn/plans/{identity}", "readOnly": True}
                for identity, _ in generations
            ),
        ],
    }


def volumes(secrets: Sequence[tuple[str, str]]) -> list[Json]:
    """The sidecar's volumes. ``secrets``: (plan's identity, its probe Secret)."""
    return [
        {"name": _LATCH, "emptyDir": {"sizeLimit": "1Mi"}},
        {"name": _TOKEN, "emptyDir": {"sizeLimit": "1Mi"}},
        *(
            {"name": _PLAN + identity, "secret": {"secretName": secret, "optional": True, "defaultMode": 0o444}}
            for identity, secret in secrets
        ),
    ]


def _ports(spec: Spec) -> tuple[int, int]:
    """Challenge and readiness: the usual pair, or the next one that no container of the pod declares."""
    taken = {port.get("containerPort") for one in _containers(spec) for port in _list(one, "ports")}
    challenge = CHALLENGE_PORT
    while {challenge, challenge + 1} & taken:
        challenge += _PORT_STEP
    return challenge, challenge + 1


def _security(spec: Spec, watch: str, users: Mapping[str, RunsAs]) -> Json:
    """The app's user and group: another one could not read its environment. Unset, both leave it to their images.

    ``users`` only fills in what the template leaves open, and only if it does not speak of another user.
    """
    watched = {words[1] for line in watch.splitlines() if (words := line.split())[0] != "plan"}
    # Where nothing is declared, because a variable was overridden, the probe looks at what the app has instead.
    named = [one for one in _containers(spec) if one.get("name") in watched] or _list(spec, "containers")
    apps = [_mapping(one.get("securityContext")) for one in named]
    own, pod = apps[0] if apps else _mapping(None), _mapping(spec.get("securityContext"))
    remembered = users.get(str(named[0].get("name", ""))) if named else None
    identity = {field: own[field] for field in ("runAsUser", "runAsGroup") if own.get(field) is not None}
    user = identity.get("runAsUser", pod.get("runAsUser"))
    if remembered is not None and user in (None, remembered.user):
        group = identity.get("runAsGroup", pod.get("runAsGroup"))
        identity |= {} if user is not None else {"runAsUser": remembered.user}
        identity |= {} if group is not None else {"runAsGroup": remembered.group}
        user = remembered.user
    return {
        **identity,
        "runAsNonRoot": user != 0,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _resources(spec: Spec) -> Json:
    """Requests and limits: quotas and autoscalers want both. A Guaranteed pod stays Guaranteed."""
    if all(_guaranteed(one) for one in _containers(spec)):
        exact = {"cpu": "50m", "memory": "24Mi"}
        return {"requests": exact, "limits": dict(exact)}
    return {"requests": {"cpu": "5m", "memory": "12Mi"}, "limits": {"cpu": "200m", "memory": "24Mi"}}


def _guaranteed(one: Spec) -> bool:
    """Limits for both, and requests equal to them or left out.

    https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
    """
    resources = _mapping(one.get("resources"))
    limits, requests = _mapping(resources.get("limits")), _mapping(resources.get("requests"))
    return all(name in limits and requests.get(name, limits[name]) == limits[name] for name in ("cpu", "memory"))


def _containers(spec: Spec) -> list[Spec]:
    return [one for kind in ("containers", "initContainers") for one in _list(spec, kind)]


def _mapping(value: object) -> Spec:
    return cast("Spec", value) if isinstance(value, Mapping) else {}


def _list(holder: Spec, name: str) -> list[Spec]:
    value = holder.get(name)
    return [_mapping(item) for item in cast("list[object]", value)] if isinstance(value, list) else []
