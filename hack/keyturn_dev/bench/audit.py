"""The API server's own record of who wrote what: read from a moment on, and sorted by what the writes are for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

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


@dataclass(slots=True)
class AuditLog:
    """The log from the moment this was made. The file may be rotated away once meanwhile."""

    path: Path
    _old: TextIO = field(init=False)

    def __post_init__(self) -> None:
        self._old = self.path.open(encoding="utf-8")
        self._old.seek(0, 2)

    def entries(self) -> Iterable[Mapping[str, Any]]:
        """Every entry written since; reads on where the last call ended."""
        for line in self._old:
            yield json.loads(line)
        if self.path.stat().st_ino != Path(f"/proc/self/fd/{self._old.fileno()}").stat().st_ino:
            self._old.close()
            self._old = self.path.open(encoding="utf-8")
            for line in self._old:
                yield json.loads(line)


def open_log(path: Path | None) -> AuditLog:
    """The log from now on. Raises Trouble where the driver has none."""
    if path is None:
        raise Trouble("the API server's audit log cannot be read here", "Use the local driver for the bench.")
    return AuditLog(path)


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
