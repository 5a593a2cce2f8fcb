"""What plans and providers say of MySQL, and what it can do. It touches no server and no driver."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from keyturn.api.backends import Backend, TakingTurns
from keyturn.api.rules import Rule, ruled
from keyturn.ports import Capabilities
from keyturn.providers.role_accounts.kinds import SqlServer

NAME_FITS = Rule(
    "self.matches('^[A-Za-z0-9_.-]+$') && !(self in ['root', 'mysql.sys', 'mysql.session', 'mysql.infoschema'])",
    "write an account's name of letters, digits and _ . -; root and mysql.… are the server's own",
)

# 32 characters: https://dev.mysql.com/doc/refman/8.4/en/user-names.html
AccountName = Annotated[str, Field(min_length=1, max_length=32, json_schema_extra=ruled(NAME_FITS))]


class MysqlServer(SqlServer):
    """A MySQL server and how the rotator reaches it."""


class MysqlAccounts(TakingTurns):
    """Two accounts that take turns, both with a common role."""

    owner: AccountName = Field(description="The role that holds the rights; it is the default role of both slots.")
    slots: list[AccountName] = Field(
        min_length=2, max_length=2, description="The two accounts that take turns, admitted in the server beforehand."
    )


MYSQL = Backend(
    "mysql",
    MysqlServer,
    "A MySQL server, 8.4 or newer.",
    MysqlAccounts,
    "Two accounts that take turns.",
)

ABLE: Final = Capabilities(
    reversible_disable=True,
    tells_disabled_from_wrong=True,
    sees_refused_attempts=False,  # the server counts them by address, and names nobody
    lists_sessions=True,
)
