"""What every way to get a cluster can do. Says nothing about how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a cluster as `hack/cluster status` shows it: a name, whether it works, and a few plain words."""

    name: str
    works: bool
    words: str


class Driver(Protocol):
    """One way to get a cluster. Every method may be repeated, and called after any other was interrupted."""

    name: str

    def up(self) -> None:
        """Make the cluster, or mend it, until its node is ready and its kubeconfig is in place."""
        ...

    def down(self) -> None:
        """Remove everything that `up` made, but for the state directory itself."""
        ...

    def status(self) -> list[Part]:
        """Look at every part, now."""
        ...

    def load(self, archives: Sequence[Path]) -> None:
        """Give the node these images, from docker-archive files."""
        ...
