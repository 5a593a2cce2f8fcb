"""How a pod template hands a Secret to its containers: every way Kubernetes knows, read from the pod spec alone.

Pure: plain mappings in, values out. The injector and the Kubernetes side both stand on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Way(StrEnum):
    """By which way a Secret's key reaches a container."""

    ENV = "Env"
    FILE = "File"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One key of the Secret in one container. ``place`` is the variable's name or the file's absolute path."""

    container: str
    init: bool  # an ordinary init container: it is gone when the pod is ready
    secret: str
    key: str  # "*" for a whole Secret through envFrom (place = prefix) or a volume without items (place = directory)
    way: Way
    place: str
    sub_path: bool = False  # never refreshed by the kubelet
