"""What a local cluster leaves on the machine's side: processes, one network interface, control groups.

Finds and removes them by name or by process id *and* start time, so nothing of anybody else's is ever touched.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from keyturn_dev.cluster.local.layout import UPLINK, Layout
from keyturn_dev.cluster.shell import Trouble, run, succeeds, wait_until

CONTROL_GROUPS = Path("/sys/fs/cgroup")
NODE_CONTROLLERS = {"cpu", "cpuset", "hugetlb", "io", "memory", "pids"}  # what the kubelet asks for with version 2
KERNEL_MODULES = {"br_netfilter": Path("/proc/sys/net/bridge"), "overlay": Path("/sys/module/overlay")}


def _stat(pid: int) -> tuple[str, int]:
    """The state letter and start time of a process; X and 0 when there is none."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0
    return after_name[0], int(after_name[19])


@dataclass(frozen=True, slots=True)
class Process:
    """A process that cannot be mistaken for a later one with the same id. `started` is in clock ticks since boot."""

    pid: int
    started: int

    @classmethod
    def running(cls, pid: int) -> Process | None:
        """The process with this id, or None when there is none (a zombie counts as none)."""
        state, started = _stat(pid)
        return None if state in "ZX" else cls(pid, started)

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Process.running(self.pid) == self

    def collected(self) -> bool:
        """Whether not even a zombie is left. Collects it where it is our own child; else its parent will."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return _stat(self.pid)[1] != self.started

    def children(self) -> list[int]:
        """The ids of its children."""
        try:
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            return []

    def kill(self) -> None:
        """End it at once."""
        if self.alive():
            os.kill(self.pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Record:
    """What `up` wrote down before it started anything, so that `down` finds it again."""

    index: int
    processes: list[Process]

    def write(self, path: Path) -> None:
        """Replace the record in one step."""
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)))
        fresh.replace(path)

    @classmethod
    def read(cls, path: Path) -> Record | None:
        """The record, or None when there is none."""
        if not path.exists():
            return None
        told = json.loads(path.read_text())
        return cls(told["index"], [Process(**one) for one in told["processes"]])


def spawn(argv: list[str], log: Path) -> tuple[Process | None, int]:
    """Start a program that outlives this one and its shell; returns it, and the writing end of its standard input."""
    reading, writing = os.pipe()  # neither is inherited but as set up below
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        pid = os.posix_spawnp(
            argv[0],
            argv,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, reading, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, append, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(reading)
    return Process.running(pid), writing


def load_kernel_modules() -> None:
    """Load what Services and images need, where it is neither loaded nor built in. Raises Trouble if there is none."""
    for module, sign in KERNEL_MODULES.items():
        if not sign.exists() and not succeeds(["modprobe", module]):
            raise Trouble(f"this kernel has no {module}", "Start Docker or Podman elsewhere, or use another kernel.")


def interface_exists(name: str) -> bool:
    """Whether the machine has a network interface of this name."""
    return Path("/sys/class/net", name).exists()


def lay_link(node: Layout, pid: int) -> None:
    """Join machine and node with a pair of interfaces, and send the cluster's addresses through it.

    `pid` is a process in the node's network namespace. Only this interface and routes through it are added: the
    machine's forwarding and its packet filter stay as they are.
    """
    end = node.interface
    peer = ["peer", "name", UPLINK, "netns", str(pid)]
    run(["ip", "link", "add", end, "type", "veth", *peer])
    run(["ip", "address", "add", f"{node.machine}/{node.link.prefixlen}", "dev", end])
    run(["ip", "link", "set", end, "up"])
    for network in (node.pods, node.services):
        run(["ip", "route", "add", str(network), "via", str(node.node), "dev", end])


def remove_link(name: str) -> None:
    """Remove the machine's end of the link; the other end and the routes go with it."""
    if interface_exists(name):
        succeeds(["ip", "link", "delete", name])
    if not wait_until(lambda: not interface_exists(name), timeout=15):
        raise Trouble(f"the network interface {name} does not go away", f"Try: ip link delete {name}")


def _hierarchies() -> list[Path]:
    """The roots of all control group hierarchies: one with version 2, one a controller with version 1."""
    if (CONTROL_GROUPS / "cgroup.controllers").exists():
        return [CONTROL_GROUPS]
    return [path for path in sorted(CONTROL_GROUPS.iterdir()) if path.is_dir() and not path.is_symlink()]


def make_control_groups(name: str) -> None:
    """Make a group called `name` in every hierarchy. Raises Trouble where control groups are not ours to divide."""
    try:
        for root in _hierarchies():
            group = root / name
            group.mkdir(exist_ok=True)
            if (group / "cgroup.controllers").exists() and root == CONTROL_GROUPS:
                _switch_on(root)  # version 2: a group has the controllers that its parent switches on
                _switch_on(group)
            for setting in ("cpuset.cpus", "cpuset.mems"):  # version 1: empty in a new group, which nothing may join
                if (group / setting).exists() and not (group / setting).read_text().strip():
                    (group / setting).write_text((root / setting).read_text())
    except OSError:
        raise Trouble(
            f"control groups cannot be made below {CONTROL_GROUPS}",
            "Is this a container? Run it on the machine itself, or start Docker or Podman for the kind driver.",
        ) from None


def _switch_on(group: Path) -> None:
    able = (group / "cgroup.controllers").read_text().split()
    already = (group / "cgroup.subtree_control").read_text().split()
    for controller in able:
        if controller in NODE_CONTROLLERS and controller not in already:
            (group / "cgroup.subtree_control").write_text(f"+{controller}")


def remove_control_groups(name: str) -> None:
    """End what is left in the groups called `name`, and remove them, deepest first."""
    for root in _hierarchies():
        for group in _deepest_first(root / name):
            if not wait_until(lambda group=group: _removed(group), timeout=15):
                raise Trouble(f"the control group {group} does not go away", "Run hack/cluster down again.")


def _deepest_first(group: Path) -> Iterator[Path]:
    if group.is_dir():
        for child in group.iterdir():
            if child.is_dir():
                yield from _deepest_first(child)
        yield group


def _removed(group: Path) -> bool:
    try:
        for pid in (group / "cgroup.procs").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
        group.rmdir()
    except FileNotFoundError:
        return True
    except (OSError, ProcessLookupError):
        return False
    return True
