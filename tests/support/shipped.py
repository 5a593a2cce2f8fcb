"""The chart's rights, roles and admission policies at a real API server, without its pods: a release of our own.

Everything cluster-wide is named after the release and taken away again; policies bind the release's namespaces only.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from keyturn.kube.client import KubeClient
from keyturn_dev.cluster.api import Cluster

CHART = Path(__file__).resolve().parents[2] / "charts" / "keyturn"
ROLES = ("viewer", "requester", "approver", "admin")
_RIGHTS = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "ServiceAccount"}
_POLICIES = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
Manifest = dict[str, Any]


@dataclass(frozen=True)
class Shipped:
    """An installed release that serves ``shop``; ``pay`` belongs to another team and is served too."""

    cluster: Cluster
    release: str

    @property
    def home(self) -> str:
        return f"{self.release}-system"

    @property
    def shop(self) -> str:
        return f"{self.release}-shop"

    @property
    def pay(self) -> str:
        return f"{self.release}-pay"

    @property
    def operator(self) -> str:
        return self.account("operator")

    def account(self, part: str) -> str:
        return f"system:serviceaccount:{self.home}:{self.release}-{part}"

    def run(
        self, *words: str, as_: str = "", namespace: str = "", stdin: Manifest | None = None
    ) -> subprocess.CompletedProcess[str]:
        """What kubectl says, as somebody if named."""
        who = ["--as", as_] if as_ else []
        if as_.startswith("system:serviceaccount:"):
            who += ["--as-group", "system:serviceaccounts", "--as-group", "system:authenticated"]
        return subprocess.run(
            [str(self.cluster.kubectl), "-n", namespace or self.shop, *who, *words],
            input=json.dumps(stdin) if stdin else None,
            env=os.environ | self.cluster.environment(),
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )

    def must(self, *words: str, as_: str = "", namespace: str = "", stdin: Manifest | None = None) -> str:
        done = self.run(*words, as_=as_, namespace=namespace, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def get(self, kind: str, name: str) -> Manifest:
        return json.loads(self.must("get", kind, name, "-o", "json"))

    def bind(self, user: str, role: str, namespace: str = "") -> None:
        """Give a user one of the shipped roles in a namespace."""
        self.must(
            "create", "rolebinding", f"{user}-{role}", f"--clusterrole={self.release}-{role}", f"--user={user}",
            namespace=namespace,
        )  # fmt: skip

    def allow(self, user: str, *rules: Manifest, namespace: str = "") -> None:
        """Give a user further rights in a namespace."""
        name = f"{user}-own-rights"
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}}
        self.must("apply", "-f", "-", namespace=namespace, stdin=role | {"kind": "Role", "rules": list(rules)})
        subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]
        binding = role | {"kind": "RoleBinding", "roleRef": reference, "subjects": subjects}
        self.must("apply", "-f", "-", namespace=namespace, stdin=binding)

    @contextmanager
    def kubeconfig_of(self, part: str, into: Path) -> Iterator[Path]:
        """A kubeconfig that is the service account of a part, with its real rights."""
        token = self.must("create", "token", f"{self.release}-{part}", namespace=self.home).strip()
        config = yaml.safe_load(self.cluster.kubeconfig.read_text())
        for user in config["users"]:
            user["user"] = {"token": token}
        path = into / f"{part}.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        yield path
        path.unlink()


@contextmanager
def shipped(cluster: Cluster) -> Iterator[Shipped]:
    """Install, wait until the policies bite, take away."""
    here = Shipped(cluster, f"kt{uuid4().hex[:6]}")
    sets = ["--set", f"watchNamespaces={{{here.shop},{here.pay}}}"]
    command = [cluster.helm, "template", here.release, str(CHART), "--namespace", here.home, *sets]
    done = subprocess.run(command, text=True, capture_output=True, check=True, timeout=60)
    wanted = [d for d in yaml.safe_load_all(done.stdout) if d and d["kind"] in _RIGHTS | _POLICIES]
    try:
        for namespace in (here.home, here.shop, here.pay):
            here.must("create", "namespace", namespace)
        for document in wanted:
            here.must("apply", "-f", "-", namespace=document["metadata"].get("namespace", here.home), stdin=document)
        _until_refused(here)
        yield here
    finally:
        for kind in (
            "validatingadmissionpolicybinding",
            "validatingadmissionpolicy",
            "clusterrolebinding",
            "clusterrole",
        ):
            here.run("delete", kind, "-l", f"app.kubernetes.io/instance={here.release}")
        here.run("delete", "namespace", here.home, here.shop, here.pay, "--wait=false")


def _until_refused(here: Shipped) -> None:
    """A new policy takes a moment until every request meets it."""
    probe = {
        "apiVersion": "keyturn.dev/v1alpha1",
        "kind": "Rotation",
        "metadata": {"name": "probe"},
        "spec": {"planRef": {"name": "none"}, "requestedBy": "somebody-else"},
    }
    deadline = time.monotonic() + 60
    for namespace in (here.shop, here.pay):
        while here.run("create", "--dry-run=server", "-f", "-", namespace=namespace, stdin=probe).returncode == 0:
            assert time.monotonic() < deadline, "the policies do not bite"


async def allowed(client: KubeClient, who: Manifest, questions: list[Manifest]) -> list[bool]:
    """What the API server's authorizer answers, question by question (``resourceAttributes``)."""
    gate = asyncio.Semaphore(16)

    async def ask(attributes: Manifest) -> bool:
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {**who, "resourceAttributes": attributes},
        }
        async with gate:
            told = await client.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
        return bool(told["status"].get("allowed"))

    return list(await asyncio.gather(*map(ask, questions)))
