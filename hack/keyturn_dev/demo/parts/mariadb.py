"""MariaDB's part: accounts that take turns, and the server's general log, which tells of every login and statement."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keyturn_dev.demo.credentials import Authority
from keyturn_dev.demo.kubectl import Kubectl
from keyturn_dev.demo.part import SHOP, Account, Consumer, Part, Passwords, Trace

PROCEDURES = Path(__file__).resolve().parents[4] / "docs" / "providers" / "mariadb" / "procedures.sql"
HOST = f"mariadb.{SHOP}.svc"
_SHOP = """\
CREATE DATABASE shop;
CREATE TABLE shop.stock (item varchar(40) PRIMARY KEY, pieces bigint NOT NULL);
INSERT INTO shop.stock VALUES ('book', 0), ('pen', 0);
CREATE ROLE stock_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO stock_owner;
"""
_ACCOUNTS = "SELECT user, JSON_COMPACT(priv) FROM mysql.global_priv"
_OFTEN_NEW = ("password_last_changed", "version_id", "account_locked", "authentication_string")  # not what it may do
_SESSIONS = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{name}'"
# A login that the server refuses is told twice, or, because the account is locked, never goes on to say anything; one
# that it took goes on with a statement or a Quit. The last six seconds are left out: it may be about to.
_LOGINS = """
SELECT REGEXP_SUBSTR(MIN(user_host), '[0-9a-f.:]+(?=\\\\]$)'),
       SUM(CONVERT(argument USING utf8mb4) LIKE 'Access denied%') > 0 OR SUM(command_type <> 'Connect') = 0,
       DATE_FORMAT(MAX(event_time), '%Y-%m-%dT%H:%i:%s.%f')
  FROM mysql.general_log
 WHERE event_time >= '{since}' AND user_host REGEXP '\\\\[({names})\\\\] @ '
 GROUP BY thread_id HAVING MAX(event_time) < NOW(6) - INTERVAL 6 SECOND
"""
_DISABLED = """
SELECT COALESCE(DATE_FORMAT(MIN(event_time), '%Y-%m-%dT%H:%i:%s.%f'), '') FROM mysql.general_log
 WHERE event_time >= '{since}' AND command_type IN ('Query', 'Execute')
   AND CONVERT(argument USING utf8mb4) REGEXP '^CALL keyturn.(disable_account|contain)[(].*{name}'
"""


@dataclass(frozen=True, slots=True)
class Login:
    """One connection, by what the general log tells of it."""

    host: str
    refused: bool
    last: datetime


@dataclass(frozen=True, slots=True)
class MariadbServer:
    """One server: a pod of a StatefulSet."""

    kubectl: Kubectl

    def ask(self, sql: str) -> str:
        """One answer, as the administrator over the local socket."""
        command = ["mariadb", "--no-defaults", "--socket=/run/mysqld/sock", "--user=server", "-NBr"]
        return self.kubectl.exec(SHOP, "mariadb-0", "mariadb", command, stdin=sql).strip()

    def accounts(self) -> Mapping[str, Account]:
        """See Server."""
        return {name: account_of(json.loads(kept)) for name, kept in self._rows(_ACCOUNTS)}

    def sessions(self, name: str) -> int:
        """See Server."""
        return int(self.ask(_SESSIONS.format(name=name)))

    def refused(self, names: frozenset[str], since: datetime, leave_out: frozenset[str]) -> list[str]:
        """See Server."""
        return [
            f"from {login.host}"
            for login in self._logins(names, since)
            if login.refused and login.host not in leave_out
        ]

    def trace(self, name: str, since: datetime, leave_out: frozenset[str]) -> Trace | None:
        """See Server. A session that was killed says nothing at its end, so its last word is what counts."""
        logins = self._logins(frozenset({name}), since)
        used = [login.last for login in logins if not login.refused and login.host not in leave_out]
        disabled = self.ask(_DISABLED.format(name=name, since=_written(since)))
        return Trace("last word of its sessions", max(used, default=None), _read(disabled) if disabled else None)

    def take_away(self, name: str) -> None:
        """See Server. Who is connected stays connected."""
        self.ask(f"ALTER USER '{name}'@'%' ACCOUNT LOCK")

    def _logins(self, names: frozenset[str], since: datetime) -> list[Login]:
        rows = self._rows(_LOGINS.format(names="|".join(sorted(names)), since=_written(since)))
        return [Login(host, refused == "1", _read(last)) for host, refused, last in rows]

    def _rows(self, sql: str) -> list[list[str]]:
        return [line.split("\t") for line in self.ask(sql).splitlines()]


def account_of(kept: dict[str, Any]) -> Account:
    """An account of `mysql.global_priv`. Roles cannot log in."""
    locked = bool(kept.get("account_locked")) or bool(kept.get("is_role"))
    rest = {key: value for key, value in kept.items() if key not in _OFTEN_NEW}
    return Account(enabled=not locked, stored=str(kept.get("authentication_string", "")), rest=rest)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _read(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _server(kubectl: Kubectl, _passwords: Passwords) -> MariadbServer:
    return MariadbServer(kubectl)


def _secrets(passwords: Passwords, authority: Authority) -> Mapping[str, Mapping[str, str]]:
    """The server's accounts and procedures, as its page tells to make them, and the Secrets of their credentials."""
    return {
        "mariadb-tls": authority.issue(HOST),
        "mariadb-init": {
            "10-accounts.sql": _accounts_sql(passwords),
            "20-procedures.sql": PROCEDURES.read_text(),
            "30-rotator.sql": _rotator_sql(passwords),
        },
        "mariadb-rotator": {
            "user": "keyturn_rotator",
            "password": passwords.rotator,
            "host": HOST,
            "port": "3306",
            "ca.crt": authority.pem,
        },
        "stock": {"DATABASE_URL": f"mysql://stock_a:{passwords.current}@{HOST}:3306/shop"},
    }


def _accounts_sql(passwords: Passwords) -> str:
    return f"{_SHOP}CREATE USER stock_a@'%' IDENTIFIED BY PASSWORD '{hashed(passwords.current)}' REQUIRE SSL;\n"


def _rotator_sql(passwords: Passwords) -> str:
    return f"""\
CALL keyturn.admit('shop/stock', 'stock_owner', 'stock_a', 'stock_b', '%', 'keyturn_rotator');
ALTER USER stock_b@'%' REQUIRE SSL;
SET PASSWORD FOR keyturn_rotator@'%' = '{hashed(passwords.rotator)}';
"""


def hashed(password: str) -> str:
    """What `mysql_native_password` stores, made here so that no SQL carries a clear one.

    See https://mariadb.com/kb/en/authentication-plugin-mysql_native_password/.
    """
    once = hashlib.sha1(password.encode()).digest()  # noqa: S324 - the plugin's own choice
    return "*" + hashlib.sha1(once).hexdigest().upper()  # noqa: S324 - same


MARIADB = Part(
    name="mariadb",
    title="MariaDB",
    plan="stock",
    key="DATABASE_URL",
    slots=("stock_a", "stock_b"),
    consumers=(Consumer("stock-web"), Consumer("stock-worker", reloads=True)),
    decoy="stock-report",
    server=_server,
    secrets=_secrets,
)
