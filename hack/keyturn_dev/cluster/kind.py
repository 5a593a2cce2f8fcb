"""The `kind` driver: a cluster in a container, where a Docker or Podman engine answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from keyturn_dev.cluster import tools
from keyturn_dev.cluster.driver import Part
from keyturn_dev.cluster.home import Home
from keyturn_dev.cluster.shell import Trouble, run, say, succeeds

ENGINES = ("docker", "podman")


def engine() -> str | None:
    """The first container engine that answers, or None."""
    return next((name for name in ENGINES if succeeds([name, "info"], timeout=20)), None)


class KindDriver:
    """A cluster made by kind (https://kind.sigs.k8s.io), with the node image that its pinned version brings."""

    name = "kind"

    def __init__(self, home: Home) -> None:
        self._home = home

    def up(self) -> None:
        """See Driver.up."""
        environment = self._environment()
        tools.ensure((*tools.CLIENTS, "kind"))
        if self._exists():
            if self._ready():
                say(f"cluster: {self._home.name} is up already")
                return
            say("cluster: the last one was interrupted, or the engine restarted; making it anew")
            self.down()
        argv = [*self._kind("create", "cluster"), "--kubeconfig", str(self._home.kubeconfig), "--wait", "180s"]
        say(f"cluster: creating {self._home.name} with kind; the node image is pulled the first time")
        run(argv, env=environment, timeout=900)

    def down(self) -> None:
        """See Driver.down."""
        if engine() and not tools.missing(["kind"]):
            run(self._kind("delete", "cluster"), env=self._environment(), timeout=300)

    def status(self) -> list[Part]:
        """See Driver.status."""
        if engine() is None:
            return [Part("engine", works=False, words="down: neither Docker nor Podman answers")]
        if tools.missing(["kind"]) or not self._exists():
            return [Part("node", works=False, words="down: run hack/cluster up")]
        ready = self._ready()
        return [Part("node", works=ready, words="up" if ready else "down: the API server does not answer")]

    def load(self, archives: Sequence[Path]) -> None:
        """See Driver.load."""
        for path in archives:
            run([*self._kind("load", "image-archive"), str(path)], env=self._environment(), timeout=300)

    def _kind(self, *words: str) -> list[str]:
        return [str(tools.path("kind")), *words, "--name", self._home.name]

    def _environment(self) -> Mapping[str, str]:
        found = engine()
        if found is None:
            raise Trouble("neither Docker nor Podman answers", "Start one of them, or use --driver local as root.")
        return {"KIND_EXPERIMENTAL_PROVIDER": found}

    def _exists(self) -> bool:
        told = run([str(tools.path("kind")), "get", "clusters"], env=self._environment())
        return self._home.name in told.split()

    def _ready(self) -> bool:
        kubectl = [str(tools.path("kubectl")), "--kubeconfig", str(self._home.kubeconfig)]
        return succeeds([*kubectl, "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s"], timeout=90)
