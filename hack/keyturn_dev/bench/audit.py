"""The API server's own record of who wrote what: read from a moment on, and sorted by what the writes are for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keyturn_dev.cluster.shell import Trouble
from keyturn_dev.demo.stage import OPERATOR

USER = f"system:serviceaccount:{OPERATOR}:keyturn-operator"
VERBS = frozenset({"create", "update", "patch", "delete", "deletecollection"})
LEASE, TOUCH, EVENTS = (
    "lease",
    "pod touches",
    "Events",
)  # apart: the first is for standing by, the second for files in place
APART = frozenset({LEASE, TOUCH})


@dataclass(frozen=True, slots=True)
class AuditLog:
    """The log from one moment on, given as the file that was written then and its size."""

    path: Path
    inode: int
    size: int

    def entries(self) -> Iterable[Mapping[str, Any]]:
        """Every entry written since, also when the file was moved aside once meanwhile."""
        for path in self.path.parent.iterdir():
            if path.stat().st_ino == self.inode and path != self.path:
                yield from _read(path, self.size)
        yield from _read(self.path, self.size if self.path.stat().st_ino == self.inode else 0)


def _read(path: Path, begin: int) -> Iterable[Mapping[str, Any]]:
    with path.open("rb") as lines:
        lines.seek(begin)
        for line in lines:
            yield json.loads(line)


def open_log(path: Path | None) -> AuditLog:
    """The log from now on. Raises Trouble where the driver has none."""
    if path is None:
        raise Trouble("the API server's audit log cannot be read here", "Use the local driver for the bench.")
    now = path.stat()
    return AuditLog(path, now.st_ino, now.st_size)


def writes(entries: Iterable[Mapping[str, Any]], secret: str) -> Counter[str]:
    """The operator's writes by purpose. `secret` is the one that pods consume. Refused and repeated ones count too."""
    found = Counter[str]()
    for entry in entries:
        ours = entry.get("user", {}).get("username") == USER
        if ours and entry.get("stage") == "ResponseComplete" and entry.get("verb") in VERBS:
            found[purpose(entry.get("objectRef", {}), secret)] += 1
    return found


def purpose(target: Mapping[str, str], secret: str) -> str:
    """What a write to this object is for."""
    resource, part = target.get("resource", ""), target.get("subresource", "")
    if resource == "secrets":
        if target.get("namespace") == OPERATOR:
            return "escrow and keys"
        return "the Secret" if target.get("name") == secret else "probe keys"
    if part == "status" and resource.startswith("rotation"):
        return "status of the Rotation" if resource == "rotations" else "status of the plan"
    named = {"leases": LEASE, "pods": TOUCH, "deployments": "workloads", "events": EVENTS}
    return named.get(resource, f"{resource}/{part}" if part else resource)


def counted(found: Mapping[str, int]) -> int:
    """The writes that are compared with the minimum."""
    return sum(number for name, number in found.items() if name not in APART)


def minimum(phases: int, workloads: int) -> int:
    """The fewest writes a rotation could make: one Secret, one patch a workload, one status a phase."""
    return 1 + workloads + phases
