"""Plays one rotation and keeps everything that could be seen from outside while it ran. Judges nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from keyturn.api.labels import PROBE_CONTAINER
from keyturn_dev.cluster.shell import Trouble, pause
from keyturn_dev.demo.kubectl import Kubectl
from keyturn_dev.demo.part import SHOP
from keyturn_dev.demo.screen import Screen
from keyturn_dev.demo.stage import OPERATOR

ENDED = frozenset({"Complete", "RolledBack", "Refused"})


@dataclass(frozen=True, slots=True)
class PodSeen:
    """A pod as it was seen last."""

    name: str
    uid: str
    namespace: str
    owner: str  # the workload's name, by its `app` label
    address: str
    restarts: int
    held: bool  # its probe runs, and keeps it unready
    deleted: bool


@dataclass(slots=True)
class Seen:
    """What the API server told about pods and rotations, event by event, since the watching began."""

    kubectl: Kubectl
    pod_events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    rotation_events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def rotation(self, name: str) -> dict[str, Any]:
        """The newest version of a Rotation, `{}` before it was seen."""
        versions = self.versions(name)
        return versions[-1] if versions else {}

    def versions(self, name: str) -> list[dict[str, Any]]:
        """Every version of a Rotation that was seen."""
        documents = [event["object"] for event in list(self.rotation_events)]
        return [document for document in documents if document["metadata"]["name"] == name]

    def phases(self, name: str) -> list[str]:
        """The phases it went through, from its own record."""
        return [entry["phase"] for entry in self.rotation(name).get("status", {}).get("history", [])]

    def evidence(self, name: str, phases: frozenset[str]) -> dict[str, dict[str, Any]]:
        """The last line in which each pod proved what was asked in those phases, else its last one, by its name."""
        lines = dict[str, dict[str, Any]]()
        for document in self.versions(name):
            status = document.get("status", {})
            if status.get("phase") in phases:
                told = status.get("podProofs", [])
                lines |= {line["pod"]: line for line in told if line["proves"] == "New" or line["pod"] not in lines}
        return lines

    def pods(self) -> dict[str, PodSeen]:
        """Every pod that was seen, by UID."""
        found = dict[str, PodSeen]()
        for event in list(self.pod_events):
            pod = _pod(event)
            known = found.get(pod.uid)
            if known and not pod.address:
                pod = _pod(event, address=known.address)
            found[pod.uid] = pod
        return found

    def addresses_of_keyturn(self) -> frozenset[str]:
        """Where the operator's own logins came from."""
        return frozenset(pod.address for pod in self.pods().values() if pod.namespace == OPERATOR and pod.address)


def _pod(event: dict[str, Any], address: str = "") -> PodSeen:
    document = event["object"]
    metadata, status = document["metadata"], document.get("status", {})
    states = [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]
    return PodSeen(
        name=metadata["name"],
        uid=metadata["uid"],
        namespace=metadata["namespace"],
        owner=metadata.get("labels", {}).get("app", ""),
        address=status.get("podIP", "") or address,
        restarts=sum(state.get("restartCount", 0) for state in states),
        held=any(state["name"] == PROBE_CONTAINER and state.get("started") and not state["ready"] for state in states),
        deleted=event["type"] == "DELETED",
    )


@contextmanager
def watching(kubectl: Kubectl) -> Generator[Seen]:
    """Watch pods and rotations from now on, until the block ends."""
    seen = Seen(kubectl)
    pods = kubectl.following("pods", "--all-namespaces", into=seen.pod_events)
    rotations = kubectl.following("rotations.keyturn.dev", "-n", SHOP, into=seen.rotation_events)
    with pods, rotations:
        yield seen


def ask_for_rotation(kubectl: Kubectl, plan: str, name: str, mode: str = "Graceful") -> None:
    """Make a Rotation of this plan, as `kubectl keyturn rotate` does."""
    asked = kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")  # admission refuses any other name
    spec = {"planRef": {"name": plan}, "reason": "Demo", "mode": mode, "requestedBy": asked}
    metadata = {"name": name, "namespace": SHOP}
    kubectl.apply({"apiVersion": "keyturn.dev/v1alpha1", "kind": "Rotation", "metadata": metadata, "spec": spec})


def until(
    seen: Seen,
    name: str,
    arrived: Callable[[dict[str, Any]], bool],
    *,
    seconds: float,
    screen: Screen,
) -> dict[str, Any]:
    """Show the rotation until `arrived` says so of it, and return it. Raises Trouble when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        rotation = seen.rotation(name)
        screen.show(rotation)
        if rotation and arrived(rotation):
            return rotation
        if time.monotonic() > deadline:
            status = rotation.get("status", {})
            told = f"phase {status.get('phase', 'unknown')}, blocked by: {status.get('blockedBy', 'nothing it names')}"
            raise Trouble(f"{name} did not get there within {seconds:.0f} s: {told}", f"kubectl keyturn why {name}")
        pause(0.2)


def phase_of(rotation: dict[str, Any]) -> str:
    """The phase, `` while it has none."""
    return rotation.get("status", {}).get("phase", "")


def ended(rotation: dict[str, Any]) -> bool:
    """Whether it has come to an end, good or not."""
    return phase_of(rotation) in ENDED


def reached(*phases: str) -> Callable[[dict[str, Any]], bool]:
    """Whether its record names one of these phases, now or before."""

    def arrived(rotation: dict[str, Any]) -> bool:
        history = rotation.get("status", {}).get("history", [])
        return bool({entry["phase"] for entry in history} & set(phases))

    return arrived


def blocked_by(reason: str) -> Callable[[dict[str, Any]], bool]:
    """Whether one of its blockers has a reason that contains this word."""

    def arrived(rotation: dict[str, Any]) -> bool:
        return any(reason in blocker["reason"] for blocker in rotation.get("status", {}).get("blockers", []))

    return arrived
