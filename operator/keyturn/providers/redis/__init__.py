"""Redis and Valkey, 7 or newer: two users of the access control list that take turns, with the rules of a common owner.

The package knows commands and the driver; nothing outside it does.
"""

from __future__ import annotations

from keyturn.providers.opening import Opener
from keyturn.providers.redis.kinds import REDIS

OPENER = Opener(REDIS, "keyturn.providers.redis.provider", extra="redis")
