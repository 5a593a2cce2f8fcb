"""Sets the stage: images, chart, server, witness and the shop's programs, each run from nothing. Rotates nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml

from keyturn.api.labels import PROBE_CONTAINER
from keyturn_dev.cluster.api import Cluster, ensure_cluster, load_images
from keyturn_dev.cluster.shell import Trouble, say, wait_until
from keyturn_dev.demo.credentials import Authority
from keyturn_dev.demo.database import Database
from keyturn_dev.demo.kubectl import Kubectl
from keyturn_dev.demo.part import MANIFESTS, SHOP, Part, Passwords, Server
from keyturn_dev.demo.parts.postgres import POSTGRES
from keyturn_dev.demo.witnesses import Witnesses

PROJECT = Path(__file__).resolve().parents[3]
WITNESS, OPERATOR = "shop-witness", "keyturn-system"
IMAGES = ("operator", "probe", "demo")


@dataclass(frozen=True, slots=True)
class Stage:
    """A shop that is open: everything a scene needs to play and to look."""

    kubectl: Kubectl
    part: Part
    passwords: Passwords
    authority: Authority
    server: Server
    witnesses: Witnesses

    @property
    def database(self) -> Database:
        """The server of the scenes that only PostgreSQL's shop has."""
        assert isinstance(self.server, Database), "this scene is PostgreSQL's"  # noqa: S101 - the command line sees to it
        return self.server


def empty_stage(kubectl: Kubectl, part: Part) -> Stage:
    """A stage for this backend, with fresh passwords. Nothing is made of it yet."""
    passwords = Passwords()
    server, witnesses = part.server(kubectl, passwords), Witnesses(kubectl, WITNESS)
    return Stage(kubectl, part, passwords, Authority(), server, witnesses)


def open_shop(
    cluster: Cluster,
    part: Part = POSTGRES,
    *,
    log_level: str = "info",
    more: Iterable[str] = (),
    pace: float = 0.0,
) -> Stage:
    """Build everything anew on this cluster and wait until its programs serve. ``more``: values of the chart.

    ``pace``: seconds from login to login of every witness, else what its program says.
    """
    kubectl = Kubectl(cluster)
    close_shop(kubectl)
    stage = empty_stage(kubectl, part)
    say(f"demo: {part.title} with TLS, and a witness outside the shop")
    kubectl.apply_file(MANIFESTS / "namespaces.yaml")
    kubectl.apply_file(MANIFESTS / "witness.yaml")
    if pace:
        metadata = {"name": "witness", "namespace": SHOP}
        kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"pace": str(pace)}})
    open_server(stage)
    say("demo: Keyturn, by its chart")
    install_chart(kubectl, log_level=log_level, more=more)
    kubectl.rolled_out(WITNESS, "deployment/collector")
    say(f"demo: the shop: {', '.join(part.names)}, and {part.decoy}, which does not log in anywhere")
    open_programs(stage)
    return stage


def open_server(stage: Stage) -> None:
    """The backend's server with TLS, and the Secrets that name its credentials."""
    for name, data in stage.part.secrets(stage.passwords, stage.authority).items():
        stage.kubectl.secret(SHOP, name, data)
    stage.kubectl.apply_file(stage.part.manifest("server"))


def open_programs(stage: Stage) -> None:
    """Provider and plan, the programs that use the server, and the decoy. They serve when it returns."""
    kubectl, part = stage.kubectl, stage.part
    kubectl.rolled_out(SHOP, f"statefulset/{part.name}")
    kubectl.apply_file(part.manifest("plan"))
    kubectl.apply_file(part.manifest("apps"))
    decoy = Template((MANIFESTS / "decoy.yaml").read_text())
    words = decoy.substitute(decoy=part.decoy, secret=part.plan, key=part.key)
    kubectl.apply(*yaml.safe_load_all(words))
    settled(kubectl, *part.names, part.decoy)
    _require_probes(kubectl, part.names)


def _require_probes(kubectl: Kubectl, names: Iterable[str]) -> None:
    """The injector fails open, so look: a pod without a probe would stay unproven for ever."""
    for name in names:
        for pod in kubectl.items("pods", "-n", SHOP, "-l", f"app={name}"):
            if PROBE_CONTAINER not in {container["name"] for container in pod["spec"].get("initContainers", [])}:
                hint = "Look at the injector: kubectl logs -n keyturn-system deployment/keyturn-injector"
                raise Trouble(f"pod {pod['metadata']['name']} has no probe", hint)


def get_cluster(name: str, driver: str | None = None, part: Part = POSTGRES) -> Cluster:
    """Bring the cluster up and give it the images."""
    cluster = ensure_cluster(name, driver)
    load_images((*IMAGES, part.name), name)
    return cluster


def adopted(stage: Stage, *, seconds: float = 60) -> None:
    """Wait until the plan says Ready. Raises Trouble with what it says instead."""

    def ready() -> bool:
        plan = stage.kubectl.get("rotationplan", stage.part.plan, "-n", SHOP)
        return condition(plan, "Ready") == "True"

    if not wait_until(ready, timeout=seconds, every=1):
        plan = stage.kubectl.get("rotationplan", stage.part.plan, "-n", SHOP)
        told = [f"{c['type']}={c['status']} {c['reason']}: {c['message']}" for c in conditions(plan)]
        raise Trouble(
            "the plan was not adopted: " + ("; ".join(told) or "its status is empty"), "Look at the operator's log."
        )


def settled(kubectl: Kubectl, *names: str) -> None:
    """Wait until these Deployments have rolled out and none of their former pods is left."""
    kubectl.rolled_out(SHOP, *(f"deployment/{name}" for name in names))

    def alone() -> bool:
        pods = kubectl.items("pods", "-n", SHOP, "-l", f"app in ({','.join(names)})")
        return not any("deletionTimestamp" in pod["metadata"] for pod in pods)

    if not wait_until(alone, timeout=60, every=0.5):
        raise Trouble("pods of a former rollout do not end")


def conditions(document: dict[str, Any]) -> list[dict[str, str]]:
    """The conditions of an object, or none."""
    return document.get("status", {}).get("conditions", [])


def condition(document: dict[str, Any], wanted: str) -> str:
    """The status of one condition, `` when it is not there."""
    return next((c["status"] for c in conditions(document) if c["type"] == wanted), "")


def close_shop(kubectl: Kubectl) -> None:
    """Take everything away that a demo made, the cluster itself excepted."""
    say("demo: taking away what an earlier run left")
    plans = kubectl("get", "crd", "rotationplans.keyturn.dev", "--ignore-not-found", "-o", "name")
    if plans and kubectl("get", "namespace", SHOP, "--ignore-not-found", "-o", "name"):
        kinds = "rotations.keyturn.dev,rotationplans.keyturn.dev,credentialproviders.keyturn.dev"
        kubectl("delete", kinds, "--all", "-n", SHOP, "--wait=false")
        _release(kubectl)
    if kubectl.helm("list", "-n", OPERATOR, "-q"):
        kubectl.helm("uninstall", "keyturn", "-n", OPERATOR, "--wait")
    for namespace in (SHOP, WITNESS, OPERATOR):  # a namespace whose pods are gone goes at once, else it waits for long
        kubectl("delete", "deployments,statefulsets", "--all", "-n", namespace, "--wait=false")
        kubectl("delete", "pods", "--all", "-n", namespace, "--grace-period=1", "--wait=false")
    for namespace in (SHOP, WITNESS, OPERATOR):
        kubectl("delete", "pods", "--all", "-n", namespace, "--wait=true")
    kubectl("delete", "namespace", SHOP, WITNESS, OPERATOR, "--ignore-not-found", "--wait=true", timeout=180)


def _release(kubectl: Kubectl) -> None:
    """A plan whose operator is gone keeps its finalizer for ever: here the whole namespace goes, so let it go."""

    def gone() -> bool:
        return not kubectl("get", "rotationplans,rotations", "-n", SHOP, "--ignore-not-found", "-o", "name")

    if wait_until(gone, timeout=8, every=1):
        return
    for name in kubectl("get", "rotationplans,rotations", "-n", SHOP, "-o", "name").split():
        kubectl("patch", name, "-n", SHOP, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')


def install_chart(kubectl: Kubectl, *, log_level: str = "info", more: Iterable[str] = ()) -> None:
    """Install or upgrade the chart as a user would, with the images of this tree."""
    values = {
        f"watchNamespaces={{{SHOP}}}": None,
        "operator.image.tag=dev": None,
        "probe.image.tag=dev": None,
        f"operator.logLevel={log_level}": None,
    }
    sets = [word for value in (*values, *more) for word in ("--set", value)]
    chart = PROJECT / "charts" / "keyturn"
    kubectl.apply_file(chart / "crds")  # Helm installs them, but never brings older ones up to date
    where = ["-n", OPERATOR, "--create-namespace"]
    kubectl.helm("upgrade", "--install", "keyturn", chart, *where, *sets, "--wait", "--timeout", "3m")
