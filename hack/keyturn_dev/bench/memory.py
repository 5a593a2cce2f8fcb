"""Resident memory of our containers, from /proc of their processes on this machine. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from keyturn_dev.bench.field import KEYTURNED
from keyturn_dev.demo.killing import processes_of
from keyturn_dev.demo.kubectl import Kubectl
from keyturn_dev.demo.stage import OPERATOR, SHOP

PARTS = ("operator", "injector", "probe")
_COMPONENT = "app.kubernetes.io/component"


def resident(status: str) -> float | None:
    """MiB, from the text of /proc/PID/status; None for a process that has ended or is the kernel's."""
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024  # the kernel writes kB and means KiB
    return None


@dataclass(slots=True)
class Memory:
    """Samples in MiB by part. Every process of a part counts alike."""

    samples: dict[str, list[float]] = field(default_factory=lambda: {part: list[float]() for part in PARTS})

    def sample(self, processes: Mapping[int, str]) -> None:
        """Look once at these processes."""
        for pid, part in processes.items():
            try:
                size = resident(Path(f"/proc/{pid}/status").read_text())
            except OSError:
                continue  # it ended meanwhile
            if size is not None:
                self.samples[part].append(size)


def ours(kubectl: Kubectl) -> dict[int, str]:
    """Our processes that run now, and the part each one plays."""
    found = dict[int, str]()
    for pod in kubectl.items("pods", "-n", OPERATOR):
        part = pod["metadata"].get("labels", {}).get(_COMPONENT, "")
        if part in PARTS:
            found |= dict.fromkeys(processes_of(pod["metadata"]["uid"]), part)
    for pod in kubectl.items("pods", "-n", SHOP, "-l", KEYTURNED.selector):
        found |= dict.fromkeys(processes_of(pod["metadata"]["uid"], "keyturn_probe"), "probe")
    return found
