"""The plugin and the columns of ``kubectl get`` at a real API server, with a status written as the operator would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from keyturn_dev.cluster.api import Cluster, ensure_cluster

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
SINCE = "2026-11-21T21:20:00Z"
PLAN = {
    "apiVersion": "keyturn.dev/v1alpha1",
    "kind": "RotationPlan",
    "metadata": {"name": "orders-db"},
    "spec": {
        "providerRef": {"name": "shop-postgres"},
        "postgres": {"owner": "orders_owner", "slots": ["orders_a", "orders_b"]},
        "secret": {"name": "orders-db", "keys": {"URL": "postgresql://{username}:{password}@{host}"}},
    },
}


@dataclass(frozen=True)
class Terminal:
    """kubectl with our plugin on its path, in a namespace of our own."""

    kubectl: str
    environment: dict[str, str]
    namespace: str

    def __call__(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.kubectl, *arguments],
            input=stdin,
            env=self.environment,
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )

    def keyturn(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self("keyturn", *arguments, "-n", self.namespace)

    def write_status(self, what: str, **status: object) -> None:
        body = json.dumps({"status": status})
        done = self("patch", what, "-n", self.namespace, "--subresource=status", "--type=merge", "-p", body)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    """With the CRDs of this checkout."""
    up = ensure_cluster()
    at = Terminal(str(up.kubectl), os.environ | up.environment(), "")
    applied = at("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    assert applied.returncode == 0, applied.stderr
    assert at("wait", "--for=condition=Established", "--timeout=30s", "-f", str(ROOT / "crds")).returncode == 0
    return up


@pytest.fixture
def terminal(cluster: Cluster) -> Iterator[Terminal]:
    made = cluster.environment()
    search = os.pathsep.join((str(Path(sys.executable).parent), made["PATH"]))
    at = Terminal(str(cluster.kubectl), os.environ | made | {"PATH": search}, f"plugin-{uuid4().hex[:8]}")
    assert at("create", "namespace", at.namespace).returncode == 0
    done = at("apply", "-n", at.namespace, "-f", "-", stdin=json.dumps(PLAN))
    assert done.returncode == 0, done.stderr
    at.write_status("rp/orders-db", currentId="orders_a", next="2030-11-25 03:00Z", conditions=[ready()])
    yield at
    at("delete", "namespace", at.namespace, "--wait=false")


def ready(reason: str = "Adopted") -> dict[str, str]:
    return {"type": "Ready", "status": "True", "reason": reason, "message": "", "lastTransitionTime": SINCE}


def asked_for(terminal: Terminal) -> str:
    done = terminal.keyturn("rotate", "orders-db", "--reason", "laptop lost")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[0]


def test_a_person_asks_for_a_rotation_and_is_named_in_it(terminal: Terminal) -> None:
    name = asked_for(terminal)
    stored = json.loads(terminal("get", "rot", name, "-n", terminal.namespace, "-o", "json").stdout)
    assert stored["spec"]["requestedBy"]
    assert stored["spec"]["reason"] == "laptop lost"
    assert stored["metadata"]["ownerReferences"][0]["name"] == "orders-db"
    again = terminal.keyturn("rotate", "orders-db")
    assert again.returncode == 1
    assert again.stderr == f"error: {name} runs already (Waiting); follow it with: kubectl keyturn watch {name}\n"


def test_status_and_why_say_who_is_waited_for(terminal: Terminal) -> None:
    name = asked_for(terminal)
    blocker = {"reason": "PodUnproven", "message": "no session yet", "pod": "api-1", "consumer": "Deployment/api"}
    terminal.write_status(f"rot/{name}", phase="Verify", oldId="orders_a", newId="orders_b", blockers=[blocker])
    assert "orders_a → orders_b" in terminal.keyturn("status", "orders-db").stdout
    assert "Deployment/api api-1: no session yet (PodUnproven)" in terminal.keyturn("why", "orders-db").stdout


def test_an_abort_is_written_once_and_said(terminal: Terminal) -> None:
    name = asked_for(terminal)
    terminal.write_status(f"rot/{name}", phase="Verify")
    assert "will go back" in terminal.keyturn("abort", name).stdout
    assert "goes back already" in terminal.keyturn("abort", name).stdout


def test_watching_and_waiting_end_with_the_rotation(terminal: Terminal) -> None:
    name = asked_for(terminal)
    terminal.write_status(f"rot/{name}", phase="Complete", oldId="orders_a", newId="orders_b", conditions=[ready()])
    watched = terminal.keyturn("watch", name)
    assert watched.returncode == 0
    assert "orders_b is proved in every pod" in watched.stdout
    waited = terminal("wait", "--for=condition=Ready", f"rotation/{name}", "-n", terminal.namespace, "--timeout=5s")
    assert waited.returncode == 0, waited.stderr


def test_the_columns_of_kubectl_get_fit_eighty(terminal: Terminal) -> None:
    name = asked_for(terminal)
    terminal.write_status(
        f"rot/{name}", phase="Verify", proven="3/6", oldId="orders_a", newId="orders_b", blockedBy="OldCredentialInUse"
    )
    due = "2030-11-25T03:00:00Z"
    ready_plan = {"lastRotationPhase": "RolledBack", "currentId": "orders_a", "nextRotationTime": due}
    terminal.write_status("rp/orders-db", **ready_plan, next="2030-11-25 03:00Z", conditions=[ready()])
    plans, rotations = "CURRENT READY NEXT AGE", "PHASE PROVEN BLOCKED-BY AGE"
    for kinds, headings in (("rp", [plans]), ("rot", [rotations]), ("rp,rot", [plans, rotations])):
        lines = terminal("get", kinds, "-n", terminal.namespace).stdout.splitlines()
        assert [line.split()[1:] for line in lines if line.startswith("NAME ")] == [text.split() for text in headings]
        assert "<invalid>" not in " ".join(lines)
        assert max(len(line.rstrip()) for line in lines) <= 80, lines


def test_a_wide_list_tells_the_rest_in_the_order_of_a_sentence(terminal: Terminal) -> None:
    asked_for(terminal)
    headings = {"rp": "SECRET CURRENT READY PHASE NEXT AGE", "rot": "PHASE PROVEN OLD NEW BLOCKED-BY AGE"}
    for short, heading in headings.items():
        listed = terminal("get", short, "-n", terminal.namespace, "-o", "wide").stdout
        assert listed.splitlines()[0].split() == ["NAME", *heading.split()]


def test_a_name_that_is_not_there_is_one_line_with_the_way_out(terminal: Terminal) -> None:
    done = terminal.keyturn("status", "nobody")
    assert done.returncode == 1
    assert done.stderr.startswith("error: there is no plan nobody")
    assert done.stderr.count("\n") == 1


def test_injecting_prints_a_manifest_that_the_api_server_takes(terminal: Terminal, tmp_path: Path) -> None:
    consumer = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api"},
        "spec": {
            "selector": {"matchLabels": {"app": "api"}},
            "template": {
                "metadata": {"labels": {"app": "api"}},
                "spec": {
                    "containers": [{"name": "app", "image": "app", "envFrom": [{"secretRef": {"name": "orders-db"}}]}]
                },
            },
        },
    }
    path = tmp_path / "api.yaml"
    path.write_text(json.dumps(consumer))
    made = terminal.keyturn("inject", "-f", str(path), "--image", "keyturn/probe:dev")
    assert made.returncode == 0, made.stderr
    assert "keyturn-probe" in made.stdout
    taken = terminal("create", "--dry-run=server", "-n", terminal.namespace, "-f", "-", stdin=made.stdout)
    assert taken.returncode == 0, taken.stderr
