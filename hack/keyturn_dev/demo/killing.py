"""SIGKILL for the operator that leads, at chosen points of a rotation. Only where its processes are on this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from keyturn_dev.cluster.shell import Trouble
from keyturn_dev.demo.kubectl import Kubectl
from keyturn_dev.demo.stage import OPERATOR


@dataclass(frozen=True, slots=True)
class Point:
    """When to kill: as soon as this phase is seen, and this long after."""

    phase: str
    seconds: float = 0.0


POINTS: Sequence[Point] = (
    Point("Preflight"),
    Point("Create"),
    Point("Stage"),
    Point("Roll"),
    Point("Roll", seconds=6),
    Point("Verify"),
    Point("Soak"),
    Point("Disable"),
    Point("Watch"),
    Point("Watch", seconds=5),
)


@dataclass(slots=True)
class Killer:
    """Kills the leader. Its pod is removed too, so that a new one starts at once instead of after a growing pause."""

    kubectl: Kubectl
    killed: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])  # the phase, and the pod

    def leader(self) -> str:
        """The pod that holds the lease, `` when nobody does."""
        leases = self.kubectl.items("leases", "-n", OPERATOR)
        holders = [lease["spec"].get("holderIdentity") or "" for lease in leases]
        pods = self.kubectl.items("pods", "-n", OPERATOR, "-l", "app.kubernetes.io/component=operator")
        for pod in pods:
            if any(holder.startswith(pod["metadata"]["name"]) for holder in holders):
                return pod["metadata"]["name"]
        return ""

    def kill_leader(self, *, at: str) -> None:
        """SIGKILL to every process of the leader's container. Raises Trouble where that is not possible."""
        name = self.leader()
        if not name:
            raise Trouble("nobody holds the operator's lease, so there is nobody to kill")
        uid = self.kubectl.get("pod", name, "-n", OPERATOR)["metadata"]["uid"]
        found = processes_of(uid)
        if not found:
            raise Trouble("the operator's processes are not on this machine", "SIGKILL needs the local driver.")
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        self.kubectl("delete", "pod", name, "-n", OPERATOR, "--force", "--grace-period=0")
        self.killed.append((at, name))


def processes_of(uid: str, program: str = "keyturn") -> list[int]:
    """Processes of a pod whose command line names this program, by their control groups."""
    found = list[int]()
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        try:
            groups, words = (place / "cgroup").read_text(), (place / "cmdline").read_bytes()
        except OSError:
            continue  # it ended while we looked
        if (uid in groups or uid.replace("-", "_") in groups) and program.encode() in words:
            found.append(int(place.name))
    return found
