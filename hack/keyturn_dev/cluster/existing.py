"""The `existing` driver: the cluster that your kubeconfig names. It is used, never made, changed or removed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keyturn_dev.cluster import tools
from keyturn_dev.cluster.driver import Part
from keyturn_dev.cluster.home import Home
from keyturn_dev.cluster.shell import Trouble, run, say


class ExistingDriver:
    """Takes a copy of the current context of your kubeconfig, so that a later change of context misleads nobody."""

    name = "existing"

    def __init__(self, home: Home) -> None:
        self._home = home

    def up(self) -> None:
        """See Driver.up."""
        tools.ensure(tools.CLIENTS)
        if not self._home.kubeconfig.exists():
            view = ["config", "view", "--minify", "--flatten", "--raw"]
            found = run([tools.path("kubectl"), *view])
            self._home.kubeconfig.touch(mode=0o600)
            self._home.kubeconfig.write_text(found)
        say(f"cluster: using the cluster at {self._server()}, as it is")

    def down(self) -> None:
        """See Driver.down: only our copy of the kubeconfig goes."""
        say("cluster: your own cluster stays as it is")

    def status(self) -> list[Part]:
        """See Driver.status."""
        try:
            self._server()
        except Trouble as trouble:
            return [Part("cluster", works=False, words=f"down: {trouble}")]
        return [Part("cluster", works=True, words="up")]

    def load(self, archives: Sequence[Path]) -> None:
        """See Driver.load: nobody but you can put an image where your nodes find it."""
        listed = "\n  ".join(str(path) for path in archives)
        raise Trouble(
            "images cannot be loaded into a cluster that hack/cluster did not make",
            f"Push these to a registry that your nodes pull from, and set the chart's image values:\n  {listed}",
        )

    def _server(self) -> str:
        kubectl = [str(tools.path("kubectl")), "--kubeconfig", str(self._home.kubeconfig)]
        run([*kubectl, "get", "--raw", "/readyz", "--request-timeout=10s"])
        return run([*kubectl, "config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"])
