"""A system in whose console a person makes, disables and deletes credentials: Keyturn asks, waits, and looks itself.

The package knows HTTP and the Secret in which people hand over; nothing outside it does.
"""

from __future__ import annotations

from keyturn.providers.manual.kinds import ABLE, MANUAL
from keyturn.providers.opening import Opener

OPENER = Opener(
    MANUAL,
    "keyturn.providers.manual.provider",
    ABLE,
    "nobody lists who uses a credential: every pod's processes, and a request that the system refuses to the old one.",
    inside=True,
)
