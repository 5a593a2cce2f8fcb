"""Which plans an event wakes, and how soon.

Remembers only which provider each plan names: rebuilt by watching, lost without harm.

Pure; it knows no framework and no API server.
"""

from __future__ import annotations

from typing import Protocol

from keyturn.core.model import ObjectKey
from keyturn.core.rotation import FINISHED
from keyturn.kube.raw import Json, number, text

_CLUSTER_KIND = "ClusterCredentialProvider"


class Wake(Protocol):
    """``behind``: nobody waits for it."""

    def __call__(self, key: ObjectKey, *, behind: bool = False) -> None:
        """Work on this plan."""
        ...


class Wakeups:
    """Turns events about our kinds into ``wake(plan)``. A deleted object wakes too: its plan has to notice."""

    def __init__(self, wake: Wake) -> None:
        self._wake = wake
        self._provider_of: dict[ObjectKey, tuple[str, ObjectKey]] = {}

    def plan(self, found: Json, *, gone: bool) -> None:
        """Something happened to a RotationPlan."""
        key = ObjectKey(text(found, "metadata", "namespace"), text(found, "metadata", "name"))
        if gone:
            self._provider_of.pop(key, None)
        else:
            kind = text(found, "spec", "providerRef", "kind") or "CredentialProvider"
            namespace = "" if kind == _CLUSTER_KIND else key.namespace
            self._provider_of[key] = (kind, ObjectKey(namespace, text(found, "spec", "providerRef", "name")))
        self._wake(key, behind=not gone and _at_rest(found))

    def rotation(self, found: Json) -> None:
        """Something happened to a Rotation: its plan is woken."""
        plan = text(found, "spec", "planRef", "name")
        if plan:
            key = ObjectKey(text(found, "metadata", "namespace"), plan)
            self._wake(key, behind=text(found, "status", "phase") in FINISHED)

    def provider(self, kind: str, found: Json) -> None:
        """Something happened to a provider: every plan that names it is woken."""
        about = (kind, ObjectKey(text(found, "metadata", "namespace"), text(found, "metadata", "name")))
        for key in [plan for plan, named in self._provider_of.items() if named == about]:
            self._wake(key, behind=True)


def _at_rest(plan: Json) -> bool:
    """Nothing rotates, and nobody changed it since it was last looked at: a new process is told of all of these."""
    seen = number(plan, "status", "observedGeneration") == number(plan, "metadata", "generation")
    return seen and not text(plan, "status", "activeRotation")
