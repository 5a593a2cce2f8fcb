"""The cluster through kubectl of the pinned version: apply, read, wait, follow. Knows nothing of the shop."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import yaml

from keyturn_dev.cluster.api import Cluster
from keyturn_dev.cluster.shell import run


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl against one cluster."""

    cluster: Cluster

    def __call__(self, *words: str | Path, stdin: str | None = None, timeout: float = 300) -> str:
        """Run it to its end and return what it printed. Raises Trouble when it fails."""
        return run([self.cluster.kubectl, *words], stdin=stdin, env=self.cluster.environment(), timeout=timeout)

    def helm(self, *words: str | Path, timeout: float = 300) -> str:
        """Run helm against the same cluster."""
        return run([self.cluster.helm, *words], env=self.cluster.environment(), timeout=timeout)

    def get(self, *words: str) -> dict[str, Any]:
        """An object, or a list, as JSON. Raises Trouble when there is none."""
        return json.loads(self("get", *words, "-o", "json"))

    def items(self, *words: str) -> list[dict[str, Any]]:
        """The items of a list."""
        return self.get(*words)["items"]

    def apply(self, *documents: Mapping[str, Any]) -> None:
        """Server-side apply these objects."""
        self("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump_all(documents))

    def apply_file(self, path: Path) -> None:
        """Server-side apply a file."""
        self("apply", "--server-side", "--force-conflicts", "-f", path)

    def secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        """Make or replace a Secret."""
        metadata = {"name": name, "namespace": namespace}
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(data)})

    def rolled_out(self, namespace: str, *workloads: str, seconds: int = 180) -> None:
        """Wait until these workloads have finished rolling out."""
        for workload in workloads:
            self("rollout", "status", workload, "-n", namespace, f"--timeout={seconds}s", timeout=seconds + 10)

    def exec(self, namespace: str, pod: str, container: str, command: Sequence[str], stdin: str | None = None) -> str:
        """Run a command inside a container."""
        return self("exec", "-i", "-n", namespace, pod, "-c", container, "--", *command, stdin=stdin)

    @contextmanager
    def following(self, *words: str, into: list[dict[str, Any]]) -> Generator[None]:
        """While inside, append every watch event of these objects: {"type": …, "object": …}."""
        argv = [self.cluster.kubectl, "get", *words, "--watch", "--output-watch-events", "-o", "json"]
        stream = subprocess.Popen(
            [str(word) for word in argv],
            env=self.cluster.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        reader = Thread(target=_decode, args=(stream, into), daemon=True)
        reader.start()
        try:
            yield
        finally:
            stream.terminate()
            stream.wait(timeout=10)
            reader.join(timeout=10)
            if stream.stdout is not None:
                stream.stdout.close()


def _decode(stream: subprocess.Popen[str], into: list[dict[str, Any]]) -> None:
    """One event a line."""
    assert stream.stdout is not None  # noqa: S101 - Popen was told to make a pipe
    into.extend(json.loads(line) for line in stream.stdout)
