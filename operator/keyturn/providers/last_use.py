"""Use, where a backend keeps no list of sessions but dates the last use of a credential, coarsely and late. Pure.

That the date moves proves use. That it does not move proves nothing by itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

RECENT: Final = timedelta(minutes=15)  # a use that is younger is use; how late backends tell is rarely documented
OWN: Final = timedelta(minutes=1)  # by so much a backend may date our own use later than we do


class OwnUses:
    """When this process last used which credential itself. Grows by one entry for each that there ever was."""

    def __init__(self) -> None:
        self._at: dict[str, datetime] = {}

    def add(self, id_: str, now: datetime) -> None:
        """Just now."""
        self._at[id_] = now

    def is_anothers(self, id_: str, last: datetime, now: datetime, *, off_since: datetime | None = None) -> bool:
        """Recent, later than our own, and than what put it off: what may be our own is not called use."""
        own = self._at.get(id_)
        after = off_since is None or last > off_since
        return after and last > now - RECENT and (own is None or last > own + OWN)
