"""What one process remembers of keys: its own use of them, which it was given, since when it knows them to be off.

Nothing depends on it but how soon something is believed: a process that starts anew waits longer.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from keyturn.providers.awsiam.keys import Key, LastUse
from keyturn.providers.awsiam.pace import AWS, Pace
from keyturn.providers.recent import Recent

_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


class Memory:
    """Of the whole process, for all plans."""

    def __init__(self, pace: Pace = AWS) -> None:
        self.pace = pace
        self._own: Recent[tuple[str, datetime]] = Recent(limit=65536)  # hours of many plans
        self._issued: Recent[str] = Recent()
        self._off: dict[str, datetime] = {}

    def use(self, id_: str, at: datetime) -> None:
        """We signed something with it."""
        self._own.add((id_, self._shown(at)))

    def was_ours(self, id_: str, used: LastUse) -> bool:
        """Is this use one of our own? What others did within the same 15 minutes does not show beside it."""
        if used.at is None or used.service != "sts":
            return False
        shown, grain = self._shown(used.at), self.pace.grain
        return any((id_, near) in self._own for near in (shown - grain, shown, shown + grain))

    def issue(self, id_: str) -> None:
        """AWS gave it to us."""
        self._issued.add(id_)

    def was_issued(self, id_: str) -> bool:
        """Was it given to this process?"""
        return id_ in self._issued

    def switched(self, id_: str, now: datetime, *, active: bool) -> None:
        """We asked for it."""
        if active:
            self._off.pop(id_, None)
        else:
            self._off.setdefault(id_, now)

    def listed(self, keys: Iterable[Key], now: datetime) -> None:
        """What IAM lists; a list may be older than what we asked for just now."""
        for key in keys:
            if not key.active:
                self._off.setdefault(key.id, now)
            elif not self.just_off(key.id, now):
                self._off.pop(key.id, None)

    def just_off(self, id_: str, now: datetime) -> bool:
        """Did we ask for it to be off so lately that a list may still have it on?"""
        return id_ in self._off and now - self._off[id_] < self.pace.spreads

    def off_since(self, id_: str, now: datetime) -> datetime:
        """The first moment at which we knew it to be off."""
        return self._off.get(id_, now)

    def forget(self, id_: str) -> None:
        """It is gone."""
        self._off.pop(id_, None)

    def _shown(self, moment: datetime) -> datetime:
        """As IAM would show it."""
        return moment - (moment - _BEGINNING) % self.pace.grain
