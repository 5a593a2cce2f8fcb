"""Redis and Valkey, 7 or newer: two users of the access control list that take turns, with the rules of a common owner.

The package knows commands and the driver; nothing outside it does.
"""

from __future__ import annotations

from keyturn.providers.opening import Opener
from keyturn.providers.redis.kinds import ABLE, REDIS

OPENER = Opener(
    REDIS,
    "keyturn.providers.redis.provider",
    ABLE,
    "`CLIENT LIST` of every server by user; `ACL LOG` shows who is refused, without telling a right password "
    "from a wrong one. Not seen: connections between two looks, proxies' clients.",
    extra="redis",
)
