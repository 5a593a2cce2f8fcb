"""PostgreSQL: two login roles that take turns, members of a common owner.

The package knows SQL and the driver; nothing outside it does.
"""

from __future__ import annotations

from keyturn.providers.opening import Opener
from keyturn.providers.postgres.kinds import POSTGRES, UNASKED

OPENER = Opener(
    POSTGRES,
    "keyturn.providers.postgres.provider",
    UNASKED,
    "`pg_stat_activity` by role; refused logins only with the optional view over the server's log. Not seen: poolers' "
    "clients, standbys that are no endpoint.",
)
