"""MySQL: two accounts that take turns, both with the role that holds the rights.

What it shares with MariaDB stands in ``role_accounts``; here is its dialect alone.
"""

from __future__ import annotations

from keyturn.providers.mysql.kinds import ABLE, MYSQL
from keyturn.providers.opening import Opener

OPENER = Opener(
    MYSQL,
    "keyturn.providers.mysql.provider",
    ABLE,
    "the list of processes by account. Not seen: who is refused, `XA` transactions, proxies' clients. **Tried "
    "on 9.7 alone**, and `hack/test` tries it again only where a server's program is named; on 8.4 nothing was tried.",
    extra="mysql",
)
