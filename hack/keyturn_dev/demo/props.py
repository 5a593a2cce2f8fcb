"""What scenes bring along: a pinned URL, a pod that nobody declared, and the way to put the shop in order again."""

from __future__ import annotations

import json

from keyturn_dev.demo.part import SHOP
from keyturn_dev.demo.parts.postgres import POSTGRES
from keyturn_dev.demo.scene import url_in_use
from keyturn_dev.demo.stage import Stage, settled

COPIES = ("pinned", "night-report")  # Secrets that hold a hand-made copy of the URL


def pin_url(stage: Stage) -> None:
    """A file that exports today's URL, and a template that reads it before the program starts."""
    stage.kubectl.secret(SHOP, "pinned", {"env": f"export DATABASE_URL='{url_in_use(stage)}'\n"})
    container = {
        "name": "api",
        "command": ["sh", "-c", ". /etc/pinned/env; exec python3 -m shop.api"],
        "args": [],
        "volumeMounts": [{"name": "pinned", "mountPath": "/etc/pinned"}],
    }
    volumes = [{"name": "pinned", "secret": {"secretName": "pinned"}}]
    template = {"spec": {"template": {"spec": {"containers": [container], "volumes": volumes}}}}
    stage.kubectl("patch", "deployment/orders-api", "-n", SHOP, "--type=strategic", "-p", json.dumps(template))
    settled(stage.kubectl, "orders-api")


def tidy(stage: Stage) -> None:
    """Undo what scenes did to the shop's own objects, so that another can be played."""
    if stage.part is POSTGRES:
        _unpin(stage)
    stage.kubectl.apply_file(stage.part.manifest("apps"))
    stage.kubectl.apply_file(stage.part.manifest("plan"))
    settled(stage.kubectl, *stage.part.names)


def _unpin(stage: Stage) -> None:
    pod = stage.kubectl.get("deployment", "orders-api", "-n", SHOP)["spec"]["template"]["spec"]
    if "command" in pod["containers"][0]:
        container = "/spec/template/spec/containers/0"
        undo = [
            {"op": "remove", "path": f"{container}/command"},
            {"op": "add", "path": f"{container}/args", "value": ["shop.api"]},
            {"op": "remove", "path": f"{container}/volumeMounts"},
            {"op": "remove", "path": "/spec/template/spec/volumes"},
        ]
        stage.kubectl("patch", "deployment/orders-api", "-n", SHOP, "--type=json", "-p", json.dumps(undo))
    stage.kubectl("delete", "secret", *COPIES, "-n", SHOP, "--ignore-not-found")


def open_night_report(stage: Stage) -> str:
    """Start the pod that nobody declared, and return its address."""
    kubectl = stage.kubectl
    kubectl.secret(SHOP, "night-report", {"url": url_in_use(stage)})
    container = {
        "name": "report",
        "image": "keyturn/demo:dev",
        "args": ["shop.stranger"],
        "env": [{"name": "REPORT_URL", "valueFrom": {"secretKeyRef": {"name": "night-report", "key": "url"}}}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 10009, "seccompProfile": {"type": "RuntimeDefault"}}
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "night-report", "namespace": SHOP},
            "spec": {"containers": [container], "securityContext": security, "terminationGracePeriodSeconds": 5},
        }
    )
    kubectl("wait", "pod/night-report", "-n", SHOP, "--for=condition=Ready", "--timeout=60s")
    return kubectl.get("pod", "night-report", "-n", SHOP)["status"]["podIP"]
