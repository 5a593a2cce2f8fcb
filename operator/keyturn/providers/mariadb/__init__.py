"""MariaDB: two accounts that take turns, both with the role that holds the rights.

The package knows SQL and the driver; nothing outside it does.
"""

from __future__ import annotations

from keyturn.providers.mariadb.kinds import MARIADB
from keyturn.providers.opening import Opener

OPENER = Opener(MARIADB, "keyturn.providers.mariadb.provider", extra="mariadb")
