"""What was seen at several places, as one verdict: one rule for every backend. Pure."""

from __future__ import annotations

from collections.abc import Collection

from keyturn.core.model import Idle, Trial
from keyturn.ports import Session, Usage


def usage_of(found: tuple[Session, ...], blind: str) -> Usage:
    """Somebody else's session is use; idle is only what was seen to be idle. ``blind``: why the lists are no proof."""
    if any(not session.ours for session in found):
        return Usage(Idle.IN_USE, found, blind)
    return Usage(Idle.UNKNOWN if blind else Idle.NOT_SEEN, found, blind)


def agreed(outcomes: Collection[Trial]) -> Trial:
    """Of a trial at several endpoints: WORKS, DISABLED or REFUSED only if all of them say so."""
    different = set(outcomes)
    if len(different) == 1:
        return different.pop()
    return Trial.DOWN if Trial.DOWN in different else Trial.LACKING
