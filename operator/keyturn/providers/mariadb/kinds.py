"""What plans and providers say of MariaDB, and what it can do. It touches no server and no driver."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from keyturn.api.backends import Backend, TakingTurns
from keyturn.api.rules import Rule, ruled
from keyturn.ports import Capabilities
from keyturn.providers.role_accounts.kinds import SqlServer

NAME_FITS = Rule(
    "self.matches('^[A-Za-z0-9_.-]+$') && !(self in ['root', 'mariadb.sys', 'mysql'])",
    "write an account's name of letters, digits and _ . -; root and mariadb.sys are the server's own",
)

AccountName = Annotated[str, Field(min_length=1, max_length=80, json_schema_extra=ruled(NAME_FITS))]


class MariadbServer(SqlServer):
    """A MariaDB server and how the rotator reaches it."""


class MariadbAccounts(TakingTurns):
    """Two accounts that take turns, both with a common role."""

    owner: AccountName = Field(description="The role that holds the rights; it is the default role of both slots.")
    slots: list[AccountName] = Field(
        min_length=2, max_length=2, description="The two accounts that take turns, admitted in the server beforehand."
    )


MARIADB = Backend(
    "mariadb",
    MariadbServer,
    "A MariaDB server, 10.11 or newer.",
    MariadbAccounts,
    "Two accounts that take turns.",
)

ABLE: Final = Capabilities(
    reversible_disable=True,
    tells_disabled_from_wrong=True,
    sees_refused_attempts=False,  # the server counts them, and names nobody
    lists_sessions=True,
)
