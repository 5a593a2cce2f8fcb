"""Is a key in use? From the one thing AWS keeps: when it was last used, in steps of 15 minutes, and late.

               D = last use shown                      now
    ───────────┬───────────────┬─────────────────────────┬──►
               │ others in the │ a use in here is shown  │
               │ same 15 min   │ by now       │◄── lag ──┤ a use in here may not be shown yet
               │ are not shown │
               └───── in use: anything up to D + 15 min + lag ─────┘

A key that is off is in nobody's use: each request is signed by itself, so nothing that began before goes on. Should AWS
show a use of it all the same, somebody tries it still, and is told like a refused login elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keyturn.core.model import Idle
from keyturn.ports import Session, Usage
from keyturn.providers.awsiam.keys import Key, Keys, LastUse
from keyturn.providers.awsiam.memory import Memory
from keyturn.providers.awsiam.pace import Pace

NOT_SEEN: Final = Usage(Idle.NOT_SEEN)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found."""

    now: datetime
    lag: timedelta
    keys: Keys
    shown: Mapping[str, LastUse]
    memory: Memory

    @property
    def _pace(self) -> Pace:
        return self.memory.pace

    def judged(self, id_: str, blind: str) -> Usage:
        """Of one key. ``blind``: why the record cannot be believed about keys that are on."""
        key = self.keys.get(id_)
        if key is None or not key.active:
            return NOT_SEEN
        if blind:
            return Usage(Idle.UNKNOWN, blind=blind)
        return self._on(key, self.shown.get(id_, LastUse()))

    def late(self, id_: str) -> tuple[Session, ...]:
        """Somebody's use of a key after it was off everywhere, let in or refused, while it is news."""
        key, used = self.keys.get(id_), self.shown.get(id_, LastUse())
        if key is None or key.active or used.at is None or self.memory.was_ours(id_, used):
            return ()
        after = used.at > self.memory.off_since(id_, self.now) + self._pace.spreads
        news = self.now < used.at + self._pace.step + self.lag
        return (Session(id_, "", None, used.at),) if after and news else ()

    def missed(self, control: str) -> str:
        """Why the record cannot be believed: we use the control key at every look, and that must show. "": it does."""
        used = self.shown.get(control, LastUse())
        if used.at is not None and self.now - used.at <= self._pace.step + self.lag:
            return ""
        return f"AWS does not show yet that Keyturn used {control}: its record of last uses is behind"

    def _on(self, key: Key, used: LastUse) -> Usage:
        if used.at is None or self.now >= (until := used.at + self._pace.step + self.lag):
            return NOT_SEEN
        earliest = f"idle shows at {until:%H:%M} UTC at the earliest"
        if self.memory.was_ours(key.id, used):
            why = f"Keyturn itself used {key.id} at {used.at:%H:%M} UTC, and AWS shows nobody beside it"
            return Usage(Idle.UNKNOWN, blind=f"{why}; {earliest}")
        why = f"{key.id} was last used at {used.at:%H:%M} UTC ({used.service}, {used.region})"
        return Usage(Idle.IN_USE, blind=f"{why}; {earliest}")
