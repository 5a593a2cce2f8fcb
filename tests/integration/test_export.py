"""The sealed export at a real API server: everything is lost, and comes back; with the caller's rights only."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from keyturn.core.sealed import Sealed
from keyturn.kube.cluster import KubeCluster
from keyturn.kube.plans import plan_of
from keyturn.ports import Escrow
from keyturn_dev.cluster.api import Cluster
from support.kubectl import Kubectl
from support.sealing import Offline, offline

pytestmark = pytest.mark.integration

VALUE = "the-value-of-orders-0123456789"
URL = f"postgresql://orders_a:{VALUE}@postgres.shop.svc:5432/shop"
PROVIDER = {
    "apiVersion": "keyturn.dev/v1alpha1",
    "kind": "CredentialProvider",
    "metadata": {"name": "shop-postgres"},
    "spec": {
        "postgres": {
            "adminSecretRef": {"name": "rotator"},
            "endpoints": [{"name": "primary", "host": "postgres.shop.svc"}],
            "database": "shop",
        },
    },
}
PLAN = {
    "apiVersion": "keyturn.dev/v1alpha1",
    "kind": "RotationPlan",
    "metadata": {"name": "orders-db"},
    "spec": {
        "providerRef": {"name": "shop-postgres"},
        "postgres": {"owner": "orders_owner", "slots": ["orders_a", "orders_b"]},
        "secret": {"name": "orders-db", "keys": {"URL": "postgresql://{username}:{password}@{host}:{port}/{database}"}},
    },
}
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "orders-db"},
    "stringData": {"URL": URL, "MORE": "x"},
}
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def keys(tmp_path: Path) -> Offline:
    return offline(tmp_path)


@pytest.fixture
async def plan(kubectl: Kubectl, world: KubeCluster) -> dict[str, Any]:
    """Adopted: its value is in escrow, in the namespace that is the operator's here."""
    for made in (PROVIDER, PLAN, SECRET):
        kubectl("apply", "-f", "-", stdin=made)
    kubectl(
        "patch", "rp/orders-db", "--subresource=status", "--type=merge", "-p", '{"status":{"currentId":"orders_a"}}'
    )
    stored = kubectl.get("rp", "orders-db")
    record = replace(plan_of(stored), uid=stored["metadata"]["uid"])
    await world.save_escrow(record, Escrow({"orders_a": Sealed(VALUE)}, {}))
    return stored


@pytest.fixture
def verb(cluster: Cluster) -> Run:
    plugin = Path(sys.executable).parent / "kubectl-keyturn"

    def run(*words: str, kubeconfig: Path = cluster.kubeconfig) -> subprocess.CompletedProcess[str]:
        command = [str(plugin), *words, "--kubeconfig", str(kubeconfig)]
        return subprocess.run(command, env=dict(os.environ), text=True, capture_output=True, check=False, timeout=60)

    return run


def exported(verb: Run, kubectl: Kubectl, keys: Offline, **more: Path) -> subprocess.CompletedProcess[str]:
    place = ("-n", kubectl.namespace, "--operator-namespace", kubectl.namespace)
    file = str(keys.recipient.parent / "out.sealed")
    return verb("export", "orders-db", *place, "--recipient", str(keys.recipient), "-o", file, **more)


def restored(verb: Run, keys: Offline, *words: str) -> subprocess.CompletedProcess[str]:
    return verb("restore", str(keys.recipient.parent / "out.sealed"), "--identity", str(keys.identity), *words)


def held(kubectl: Kubectl) -> dict[str, str]:
    data = kubectl.get("secret", "orders-db")["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def test_what_consumers_need_comes_back_after_everything_was_lost(
    plan: dict[str, Any], kubectl: Kubectl, keys: Offline, verb: Run, tmp_path: Path
) -> None:
    done = exported(verb, kubectl, keys)
    assert (done.returncode, done.stderr) == (0, "")
    assert stat.S_IMODE((tmp_path / "out.sealed").stat().st_mode) == 0o600
    kubectl("delete", "secrets,rp,credentialproviders", "--all")
    back = restored(verb, keys, "--manifests", str(tmp_path / "plans.yaml"))
    assert (back.returncode, back.stderr) == (0, "")
    assert held(kubectl) == {"URL": URL}
    kubectl("apply", "-f", str(tmp_path / "plans.yaml"))
    assert kubectl.get("rp", "orders-db")["spec"] == plan["spec"]
    assert VALUE not in done.stdout + back.stdout + (tmp_path / "plans.yaml").read_text()
    assert "was there, the same" in restored(verb, keys).stdout


@pytest.mark.usefixtures("plan")
def test_a_secret_that_is_there_is_never_written_over(kubectl: Kubectl, keys: Offline, verb: Run) -> None:
    assert exported(verb, kubectl, keys).returncode == 0
    other = SECRET | {"stringData": {"URL": "postgresql://mallory:his-own-value@evil:5432/shop"}}
    kubectl("apply", "-f", "-", stdin=other)
    before = kubectl.get("secret", "orders-db")["metadata"]["resourceVersion"]
    done = restored(verb, keys)
    assert done.returncode == 1
    assert "REFUSED" in done.stdout
    assert kubectl.get("secret", "orders-db")["metadata"]["resourceVersion"] == before


@pytest.mark.usefixtures("plan")
def test_who_may_not_read_secrets_exports_nothing(
    cluster: Cluster, kubectl: Kubectl, keys: Offline, verb: Run, tmp_path: Path
) -> None:
    kubectl("create", "role", "sees-plans", "--verb=get,list", "--resource=rotationplans,credentialproviders")
    kubectl("create", "rolebinding", "sees-plans", "--role=sees-plans", "--user=viewer@example.com")
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    for user in config["users"]:
        user["user"]["as"] = "viewer@example.com"
    (tmp_path / "viewer").write_text(yaml.safe_dump(config))
    done = exported(verb, kubectl, keys, kubeconfig=tmp_path / "viewer")
    assert done.returncode == 3
    assert done.stderr.startswith("error: you may not read secrets/orders-db in namespace")
    assert not (tmp_path / "out.sealed").exists()
