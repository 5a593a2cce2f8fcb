"""Where the contenders run: one database, one witness, and a crew of equal Deployments for the scripts and for Keyturn.

A crew works only while it is measured; the other has no pods then. Rotates nothing.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from keyturn.api.labels import INJECT
from keyturn_dev.cluster.api import Cluster
from keyturn_dev.cluster.shell import Trouble, pause, say, wait_until
from keyturn_dev.demo.kubectl import Kubectl
from keyturn_dev.demo.part import MANIFESTS, SHOP
from keyturn_dev.demo.parts.postgres import HOST, POSTGRES
from keyturn_dev.demo.roles import verifier
from keyturn_dev.demo.stage import (
    WITNESS,
    Stage,
    adopted,
    close_shop,
    empty_stage,
    install_chart,
    open_server,
    settled,
)

WORKLOAD = Path(__file__).parent / "manifests" / "workload.yaml"
SCRIPT_DATABASE = "scripts"
PLACE = f"{HOST}:5432/{SCRIPT_DATABASE}?sslmode=require"
WARM_UP = 5.0  # seconds of logins before a measurement begins


@dataclass(frozen=True, slots=True)
class Crew:
    """Deployments that share a Secret. `probed` ones ask for the probe."""

    name: str
    secret: str
    probed: bool

    def deployments(self, number: int) -> list[str]:
        """The names of its first Deployments."""
        return [f"{self.name}-{index}" for index in range(number)]

    @property
    def selector(self) -> str:
        """What all its Deployments and pods are labelled with."""
        return f"crew={self.name}"


SCRIPTED = Crew("bench-scripted", secret="scripted-db", probed=False)  # noqa: S106 - the Secret's name
KEYTURNED = Crew("bench-keyturned", secret="orders-db", probed=True)  # noqa: S106 - same
CREWS: Sequence[Crew] = (SCRIPTED, KEYTURNED)
FIRST_ROLE, SCRIPT_OWNER = "script_0", "script_owner"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is rotated at once, and how busy it is: `logins` are those that each pod tries every second."""

    deployments: int
    pods: int
    logins: int = 10


def open_field(cluster: Cluster, size: Size, *, with_keyturn: bool) -> Stage:
    """Build everything anew on this cluster; crews have no pods yet. Raises Trouble when something does not come up."""
    kubectl = Kubectl(cluster)
    close_shop(kubectl)
    stage = empty_stage(kubectl, POSTGRES)
    say("bench: PostgreSQL with TLS, and a witness outside the pods")
    kubectl.apply_file(MANIFESTS / "namespaces.yaml")
    kubectl.apply_file(MANIFESTS / "witness.yaml")
    open_server(stage)
    kubectl.rolled_out(WITNESS, "deployment/collector")
    kubectl.rolled_out(SHOP, "statefulset/postgres")
    _admit_scripts(stage)
    kubectl.apply(*(workload(crew, name, size.logins) for crew in CREWS for name in crew.deployments(size.deployments)))
    if with_keyturn:
        say("bench: Keyturn, by its chart")
        install_chart(kubectl)
        kubectl.apply(*plan(size))
        adopted(stage)
    return stage


def _admit_scripts(stage: Stage) -> None:
    """A database of the scripts' own, and a first role: beside strangers Keyturn does not rotate."""
    password = secrets.token_hex(16)
    stage.database.ask(
        f"CREATE ROLE {SCRIPT_OWNER} NOLOGIN;"
        f"CREATE ROLE {FIRST_ROLE} LOGIN PASSWORD '{verifier(password)}' IN ROLE {SCRIPT_OWNER};"
    )
    stage.database.ask(f"CREATE DATABASE {SCRIPT_DATABASE} OWNER {SCRIPT_OWNER}")
    replace(stage.database, name=SCRIPT_DATABASE).ask(
        f"SET ROLE {SCRIPT_OWNER}; CREATE SCHEMA orders;"
        "CREATE TABLE orders.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item text NOT NULL)"
    )
    # As a script would: what client-side apply wrote, client-side apply updates without a word.
    words = [
        f"--from-literal=DATABASE_URL=postgresql://{FIRST_ROLE}:{password}@{PLACE}",
        "--dry-run=client",
        "-o",
        "yaml",
    ]
    made = stage.kubectl("create", "secret", "generic", SCRIPTED.secret, "-n", SHOP, *words)
    stage.kubectl("apply", "-f", "-", stdin=made)


def workload(crew: Crew, name: str, logins: int = 10) -> dict[str, Any]:
    """One Deployment of a crew, without pods yet."""
    made: dict[str, Any] = copy.deepcopy(yaml.safe_load(WORKLOAD.read_text()))
    labels = {"app": name, "crew": crew.name}
    made["metadata"] |= {"name": name, "labels": labels}
    made["spec"]["selector"] = {"matchLabels": {"app": name}}
    made["spec"]["template"]["metadata"]["labels"] = labels | ({INJECT: "true"} if crew.probed else {})
    variables = made["spec"]["template"]["spec"]["containers"][0]["env"]
    variables[0]["valueFrom"]["secretKeyRef"]["name"] = crew.secret
    variables.append({"name": "WITNESS_PACE", "value": str(1 / logins)})
    return made


def plan(size: Size) -> list[dict[str, Any]]:
    """The demo's provider and plan, without waiting on purpose, and all Deployments at once, as the scripts do."""
    provider, made = yaml.safe_load_all(POSTGRES.manifest("plan").read_text())
    spec = made["spec"]
    spec["consumers"] = {"discover": "SecretReference"}
    spec["rollout"] = {"progressDeadline": "10m", "maxParallel": size.deployments}
    spec["verify"] |= {"soak": "0s"}
    spec["retire"] |= {"watch": "0s"}
    return [provider, made]


def put_to_work(stage: Stage, crew: Crew, size: Size) -> None:
    """Give this crew its pods and take those of the others; then let it log in for a moment."""
    kubectl = stage.kubectl
    for other in CREWS:
        pods = size.pods if other is crew else 0
        kubectl("scale", "deployment", "-n", SHOP, "-l", other.selector, f"--replicas={pods}")
    settled(kubectl, *(name for other in CREWS for name in other.deployments(size.deployments)))
    if crew.probed:
        _require_probes(kubectl, crew)
    before = stage.witnesses.count().ok
    pause(WARM_UP)
    if not wait_until(lambda: stage.witnesses.count().ok > before, timeout=30, every=1):
        raise Trouble(f"the pods of {crew.name} do not log in", f"Look at: kubectl logs -n {SHOP} -l {crew.selector}")


def _require_probes(kubectl: Kubectl, crew: Crew) -> None:
    """The injector fails open, so look: a pod without a probe would stay unproven for ever."""
    for pod in kubectl.items("pods", "-n", SHOP, "-l", crew.selector):
        if not any(container["name"] == "keyturn-probe" for container in pod["spec"].get("initContainers", [])):
            hint = "Look at the injector: kubectl logs -n keyturn-system deployment/keyturn-injector"
            raise Trouble(f"pod {pod['metadata']['name']} has no probe", hint)
