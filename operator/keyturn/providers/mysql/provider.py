"""MySQL's dialect. What is asked and done stands in ``role_accounts``.

Numbers: https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
"""

from __future__ import annotations

import re
from typing import Final

from keyturn.ports import Clock
from keyturn.providers.mysql.hashing import hash_of
from keyturn.providers.mysql.kinds import ABLE, MYSQL
from keyturn.providers.opening import Open
from keyturn.providers.role_accounts.dialect import Dialect
from keyturn.providers.role_accounts.provider import opening

_ROLE: Final = re.compile("`([^`]+)`@`%`")  # mandatory roles stand beside the owner
DIALECT: Final = Dialect(
    backend=MYSQL,
    title="MySQL",
    able=ABLE,
    procedures=1,
    oldest=(8, 4),  # the oldest that its makers still mend
    is_family=lambda version: "mariadb" not in version.lower(),
    plugin="caching_sha2_password",
    hash_of=hash_of,
    locked=3118,
    administers=1,  # the procedure has done the sum: these rights stand in columns and rows, not in bits
    identity="@@server_uuid",
    boot=(
        "SELECT CAST(UNIX_TIMESTAMP() - variable_value AS SIGNED) FROM performance_schema.global_status "
        "WHERE variable_name = 'UPTIME'"
    ),
    roles_of=_ROLE.findall,
)


def opened_by(clock: Clock) -> Open:
    """See ``role_accounts.provider``."""
    _ = clock
    return opening(DIALECT)
