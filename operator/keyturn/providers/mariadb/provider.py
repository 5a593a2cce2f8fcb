"""MariaDB's dialect. What is asked and done stands in ``role_accounts``.

Numbers: https://mariadb.com/docs/server/reference/error-codes/mariadb-error-code-reference
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final

from keyturn.core.sealed import Sealed
from keyturn.ports import Clock
from keyturn.providers.mariadb.kinds import ABLE, MARIADB
from keyturn.providers.opening import Open
from keyturn.providers.role_accounts.dialect import Dialect
from keyturn.providers.role_accounts.provider import opening


def hash_of(name: str, value: Sealed) -> str:
    """How ``mysql_native_password`` keeps a password, whoever's it is."""
    _ = name
    return "*" + sha1(sha1(value.reveal()).digest()).hexdigest().upper()  # noqa: S324 -- the server's own


DIALECT: Final = Dialect(
    backend=MARIADB,
    title="MariaDB",
    able=ABLE,
    procedures=1,
    oldest=(10, 11),
    is_family=lambda version: "mariadb" in version.lower(),
    plugin="mysql_native_password",
    hash_of=hash_of,
    locked=4151,
    administers=1 << 25 | 1 << 15 | 1 << 10 | 1 << 30,  # CREATE USER, SUPER, GRANT OPTION, SET USER
    identity="@@server_uid",
    boot=(
        "SELECT CAST(UNIX_TIMESTAMP() - variable_value AS SIGNED) FROM information_schema.global_status "
        "WHERE variable_name = 'UPTIME'"
    ),
    roles_of=lambda told: (told,),
)


def opened_by(clock: Clock) -> Open:
    """See ``role_accounts.provider``."""
    _ = clock
    return opening(DIALECT)
