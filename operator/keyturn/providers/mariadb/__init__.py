"""MariaDB: two accounts that take turns, both with the role that holds the rights.

The package knows SQL and the driver; nothing outside it does.
"""

from __future__ import annotations

from keyturn.providers.mariadb.kinds import ABLE, MARIADB
from keyturn.providers.opening import Opener

OPENER = Opener(
    MARIADB,
    "keyturn.providers.mariadb.provider",
    ABLE,
    "the list of processes by account. Not seen: who is refused, `XA` transactions, proxies' clients.",
    extra="mariadb",
)
