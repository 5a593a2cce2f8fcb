"""Another writer beside Keyturn: what a person or another controller does to a namespace. And the real time."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keyturn_dev.cluster.api import Cluster, ensure_cluster

CRDS = Path(__file__).resolve().parents[2] / "crds"


@dataclass(frozen=True)
class Kubectl:
    """Another writer beside Keyturn: what a person or another controller does to a namespace."""

    cluster: Cluster
    namespace: str

    def __call__(self, *arguments: str, stdin: Any = None) -> str:
        done = subprocess.run(
            [str(self.cluster.kubectl), "-n", self.namespace, *arguments],
            input=None if stdin is None else json.dumps(stdin),
            env=os.environ | self.cluster.environment(),
            text=True,
            capture_output=True,
            check=False,
            timeout=90,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def get(self, kind: str, name: str) -> dict[str, Any]:
        return json.loads(self("get", kind, name, "-o", "json", "--show-managed-fields"))

    def apply(self, manifest: dict[str, Any], manager: str = "kubectl") -> None:
        self("apply", "--server-side", "--force-conflicts", f"--field-manager={manager}", "-f", "-", stdin=manifest)


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - the one real clock of these tests


def cluster_with_our_kinds() -> Cluster:
    """The cluster of the tests, with the CRDs of this tree. They are changed at once for whoever else uses it."""
    found = ensure_cluster()
    kubectl = Kubectl(found, "default")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRDS))
    return found
