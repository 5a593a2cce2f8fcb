"""The cluster through kubectl of the pinned version: apply, read, wait, follow. Knows nothing of the shop."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import yaml

from keyturn_dev.cluster.api import Cluster
from keyturn_dev.cluster.shell import run

_REOPEN = 1.0  # seconds until a watch that ended is begun anew


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
        """While inside, append every watch event of these objects: {"type": …, "object": …}.

        A watch that the API server ends is begun anew, and tells again what there is.
        """
        argv = [self.cluster.kubectl, "get", *words, "--watch", "--output-watch-events", "-o", "json"]
        follower = _Follower([str(word) for word in argv], self.cluster.environment(), into)
        follower.start()
        try:
            yield
        finally:
            follower.stop()


@dataclass(slots=True)
class _Follower:
    argv: list[str]
    environment: Mapping[str, str]
    into: list[dict[str, Any]]
    _stream: subprocess.Popen[str] | None = None
    _thread: Thread | None = None
    _over: Event = field(default_factory=Event)

    def start(self) -> None:
        self._open()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._stream is not None:
            self._stream.terminate()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _open(self) -> None:
        self._stream = subprocess.Popen(
            self.argv, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def _run(self) -> None:
        while self._stream is not None:
            with self._stream as stream:  # waits for its end
                assert stream.stdout is not None  # noqa: S101 - Popen was told to make a pipe
                events = (json.loads(line) for line in stream.stdout)
                self.into.extend(event for event in events if event["type"] != "ERROR")
            if self._over.wait(_REOPEN):
                return
            self._open()
            if self._over.is_set():
                self._stream.terminate()
