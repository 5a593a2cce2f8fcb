"""The `local` driver: brings the one-node cluster up, looks at it, and takes it away without a trace.

Order matters for interruptions: what is made on the machine is written down before it is made, and the node does
nothing until the machine's side is laid. A cluster that was not brought up to the end is taken away and made anew.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from keyturn_dev.cluster import archive, debian, tools
from keyturn_dev.cluster.driver import Part
from keyturn_dev.cluster.home import Home
from keyturn_dev.cluster.local import bootstrap, components, configs, health, machine
from keyturn_dev.cluster.local.layout import MOST_CLUSTERS, PRIVATE, Layout
from keyturn_dev.cluster.local.machine import Process, Record
from keyturn_dev.cluster.shell import Trouble, run, say, succeeds, wait_until

_LONGEST_SOCKET = 100  # bytes in the path of a socket, a little under the kernel's 108
_NAMESPACES = ("--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private", "--mount-proc")


class LocalDriver:
    """A real Kubernetes node of our own. Needs Linux and root."""

    name = "local"

    def __init__(self, home: Home) -> None:
        self._home = home
        self._record = home.root / "machine.json"
        self._complete = home.root / "complete"

    def up(self) -> None:
        """See Driver.up. About ten seconds when the programs are built."""
        self._refuse_what_cannot_work()
        record = Record.read(self._record)
        if record and self._complete.exists() and all(one.alive() for one in record.processes):
            if wait_until(lambda: health.api_server_ready(self._layout(record)), timeout=60, every=0.5):
                say(f"cluster: {self._home.name} is up already")
                return
            say("cluster: the API server does not answer; making the cluster anew")
        elif self._record.exists():
            say("cluster: the last one was interrupted, or the machine restarted; making it anew")
        debian.ensure(debian.NODE_PACKAGES)
        machine.load_kernel_modules()
        tools.ensure(tools.NODE)
        self.down()
        self._start()

    def down(self) -> None:
        """See Driver.down."""
        record = Record.read(self._record)
        if record:
            for one in record.processes:
                one.kill()
            if not wait_until(lambda: not any(one.alive() for one in record.processes), timeout=30):
                raise Trouble("the node's processes do not end", "Run hack/cluster down again.")
            wait_until(lambda: all(one.collected() for one in record.processes), timeout=3)
            node = self._layout(record)
            machine.remove_link(node.interface)
            machine.remove_control_groups(node.interface)
        self._home.empty()

    def status(self) -> list[Part]:
        """See Driver.status."""
        record = Record.read(self._record)
        if record is None or not record.processes:
            return [Part("node", works=False, words="down: run hack/cluster up")]
        if not all(one.alive() for one in record.processes):
            return [Part("node", works=False, words="down: it ended; hack/cluster up makes it anew")]
        words = f"up: {record.processes[-1].pid} is the process that holds it all"
        if not self._complete.exists():
            words = "not brought up to the end; hack/cluster up makes it anew"
        return [Part("node", works=self._complete.exists(), words=words), *health.parts(self._layout(record))]

    def load(self, archives: Sequence[Path]) -> None:
        """See Driver.load."""
        record = Record.read(self._record)
        if record is None:
            raise Trouble("there is no cluster to load images into", "Run hack/cluster up first.")
        for path in archives:
            self._import(self._layout(record), path)

    def access(self) -> Layout | None:
        """Where the parts of the cluster are, or None when there is none."""
        record = Record.read(self._record)
        return self._layout(record) if record else None

    def _refuse_what_cannot_work(self) -> None:
        if sys.platform != "linux":
            raise Trouble("the local driver needs Linux", "Start Docker or Podman: the kind driver uses them.")
        if os.geteuid() != 0:
            raise Trouble(
                "the local driver needs root, for namespaces and control groups",
                "Run it with sudo, or start Docker or Podman: the kind driver uses them.",
            )
        if any(self._home.root.is_relative_to(place) for place in PRIVATE):
            raise Trouble(
                f"{self._home.root} is where the node keeps a layer of its own", "Set XDG_STATE_HOME elsewhere."
            )
        if len(os.fsencode(self._home.root / "containerd.sock.ttrpc")) > _LONGEST_SOCKET:
            raise Trouble("the state directory's path is too long for a socket", "Set XDG_STATE_HOME to a shorter one.")

    def _layout(self, record: Record) -> Layout:
        return Layout(self._home.name, record.index, self._home.root, tools.directory())

    def _free_index(self) -> int:
        others = (Record.read(other.root / self._record.name) for other in self._home.others())
        taken = {record.index for record in others if record}
        for index in range(MOST_CLUSTERS):
            if index not in taken and not machine.interface_exists(f"keyturn{index}"):
                return index
        raise Trouble(f"there are {MOST_CLUSTERS} local clusters already", "Take one down with hack/cluster down.")

    def _start(self) -> None:
        record = Record(self._free_index(), [])
        record.write(self._record)
        node = self._layout(record)
        configs.write(node, self._home.kubeconfig)
        plan = node.file("plan.json")
        plan.write_text(json.dumps(components.plan(node)))
        machine.make_control_groups(node.interface)
        say(f"cluster: starting {self._home.name} (Kubernetes {tools.KUBERNETES_VERSION}) at {node.url}")
        self._start_node(record, node, plan)
        self._wait_for_api_server(node)
        self._furnish(node)
        self._complete.touch()

    def _start_node(self, record: Record, node: Layout, plan: Path) -> None:
        """Start the process that holds everything, and let it go once the machine's side of the network is laid."""
        init = Path(__file__).with_name("node.py")
        argv = ["unshare", *_NAMESPACES, sys.executable, "-I", str(init), str(plan)]
        outer, word = machine.spawn(argv, node.log("node"))
        try:
            if outer is None or not wait_until(lambda: bool(outer.children()), timeout=10, every=0.01):
                raise Trouble(f"the node's namespaces could not be made; see {node.log('node')}")
            inner = Process.running(outer.children()[0])
            if inner is None:
                raise Trouble(f"the node ended at once; see {node.log('node')}")
            Record(record.index, [outer, inner]).write(self._record)
            machine.lay_link(node, inner.pid)
            os.write(word, b"go\n")
        finally:
            os.close(word)

    def _wait_for_api_server(self, node: Layout) -> None:
        if not wait_until(lambda: health.api_server_ready(node), timeout=120, every=0.2):
            raise Trouble(
                f"the API server did not get ready within two minutes; see {node.log('kube-apiserver')}",
                "Run hack/cluster status to see which part is missing.",
            )

    def _furnish(self, node: Layout) -> None:
        """DNS, the pause image, and a node that takes pods."""
        kubectl = [node.program("kubectl"), "--kubeconfig", str(self._home.kubeconfig)]
        run([*kubectl, "apply", "--server-side", "-f", "-"], stdin=bootstrap.manifests(node))
        wait_until(lambda: succeeds(self._ctr(node, "version")), timeout=60)
        pause = node.file("pause.tar")
        archive.write(pause, configs.PAUSE_IMAGE, Path(node.program("pause")))
        self._import(node, pause)
        say("cluster: waiting for the node to take pods")
        if not wait_until(lambda: succeeds([*kubectl, "get", "node", node.name]), timeout=60):
            raise Trouble(f"the node did not appear; see {node.log('kubelet')}")
        run([*kubectl, "wait", "--for=condition=Ready", f"node/{node.name}", "--timeout=120s"])
        ready = [*kubectl, "get", "serviceaccount", "default"]  # pods are refused before it exists
        if not wait_until(lambda: succeeds(ready), timeout=60):
            raise Trouble(f"the default account did not appear; see {node.log('kube-controller-manager')}")

    def _ctr(self, node: Layout, *words: str) -> list[str]:
        return ["ctr", "--address", str(node.containerd_socket), "--namespace", "k8s.io", *words]

    def _import(self, node: Layout, path: Path) -> None:
        run(self._ctr(node, "images", "import", "--all-platforms", str(path)), timeout=300)
