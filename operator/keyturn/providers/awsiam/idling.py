"""Is a key in use? From the one thing AWS keeps: when it was last used, in steps of 15 minutes, and late.

               D = last use shown                      now
    ───────────┬───────────────┬─────────────────────────┬──►
               │ others in the │ a use in here is shown  │
               │ same 15 min   │ by now       │◄── lag ──┤ a use in here may not be shown yet
               │ are not shown │
               └───── in use: anything up to D + 15 min + lag ─────┘

A key that is off is another matter: each request is signed by itself, so nothing that began before goes on, and that it
is off IAM says itself. Only a use after it was off everywhere counts against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keyturn.core.model import Idle
from keyturn.ports import Usage
from keyturn.providers.awsiam.keys import Key, Keys, LastUse
from keyturn.providers.awsiam.kinds import DISABLE_DELAY
from keyturn.providers.awsiam.memory import Memory

STEP: Final = timedelta(minutes=15)
"""Of several uses within it only the first is recorded.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html"""

NOT_SEEN: Final = Usage(Idle.NOT_SEEN)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found."""

    now: datetime
    lag: timedelta
    keys: Keys
    shown: Mapping[str, LastUse]
    memory: Memory

    def judged(self, id_: str, blind: str) -> Usage:
        """Of one key. ``blind``: why the record cannot be believed about keys that are on."""
        key, used = self.keys.get(id_), self.shown.get(id_, LastUse())
        if key is None:
            return NOT_SEEN
        if not key.active:
            return self._off(key, used)
        if blind:
            return Usage(Idle.UNKNOWN, blind=blind)
        return self._on(key, used)

    def missed(self, control: str) -> str:
        """Why the record cannot be believed: we use the control key at every look, and that must show. "": it does."""
        used = self.shown.get(control, LastUse())
        if used.at is not None and self.now - used.at <= STEP + self.lag:
            return ""
        return f"AWS does not show yet that Keyturn used {control}: its record of last uses is behind"

    def _on(self, key: Key, used: LastUse) -> Usage:
        if used.at is None or self.now >= (until := used.at + STEP + self.lag):
            return NOT_SEEN
        earliest = f"idle shows at {until:%H:%M} UTC at the earliest"
        if self.memory.was_ours(key.id, used):
            why = f"Keyturn itself used {key.id} at {used.at:%H:%M} UTC, and AWS shows nobody beside it"
            return Usage(Idle.UNKNOWN, blind=f"{why}; {earliest}")
        return Usage(Idle.IN_USE, blind=f"{_told(key, used)}; {earliest}")

    def _off(self, key: Key, used: LastUse) -> Usage:
        late = used.at is not None and used.at > self.memory.off_since(key.id, self.now) + DISABLE_DELAY
        if not late or self.memory.was_ours(key.id, used):
            return NOT_SEEN
        return Usage(Idle.IN_USE, blind=f"{_told(key, used)}, after it had been set Inactive")


def _told(key: Key, used: LastUse) -> str:
    return f"{key.id} was last used at {used.at:%H:%M} UTC ({used.service}, {used.region})"
