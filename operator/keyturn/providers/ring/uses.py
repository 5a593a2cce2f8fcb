"""Who can tell how often acceptors found a key good. Says nothing about how that is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from keyturn.core.model import Problem
from keyturn.ports import PodRecord, Usage


class Uses(Protocol):
    """For one plan."""

    async def problems(self, current_id: str, pods: Sequence[PodRecord]) -> Sequence[Problem]:
        """Acceptors that do not tell of the current key, before anything is changed."""
        ...

    async def told(self, ids: Sequence[str], counted: frozenset[str], pods: Sequence[PodRecord]) -> Mapping[str, Usage]:
        """Of each id. UNKNOWN unless every pod tells; ``counted``: ids that every page must show, if only with 0."""
        ...
