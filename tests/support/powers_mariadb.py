"""A thief with the credential of MariaDB's rotator, or of MySQL's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pymysql

from keyturn.core.sealed import Sealed
from keyturn.providers.mariadb.provider import DIALECT
from support.mariadb_plan import OWNER, ROTATOR, ROTATOR_PASSWORD, SLOT_A, SLOT_B, Setting
from support.mariadb_server import ROOT_PASSWORD
from support.powers import BACKUP, FORGOTTEN, TAKEN, THEIR_PASSWORD, as_slot

# ER_DBACCESS_DENIED, ER_ACCESS_DENIED, ER_TABLEACCESS_DENIED, ER_SPECIFIC_ACCESS_DENIED, ER_PROCACCESS_DENIED,
# ER_CANT_CREATE_USER_WITH_GRANT, ER_ACCESS_DENIED_NO_PASSWORD, ER_INVALID_ROLE, MySQL's ER_ROLE_NOT_GRANTED; beside our
# procedures' 31xxx
# (https://mariadb.com/docs/server/reference/error-codes/mariadb-error-code-reference)
_REFUSED = {1044, 1045, 1142, 1227, 1370, 1410, 1698, 1959, 3530, *range(31000, 31100)}
_ROW = "tea"


class MariadbThief:
    """He may call what the procedures' administrator lets the rotator call."""

    form = "Procedures"

    def __init__(self, setting: Setting) -> None:
        self.setting, self.server = setting, setting.server
        self.name = (setting.dialect.title, self.form)
        self.server.sql(
            "INSERT INTO shop.orders VALUES (1, 'tea')",
            *(f"CREATE USER {name}@'%' IDENTIFIED BY '{THEIR_PASSWORD}'" for name in (BACKUP, FORGOTTEN)),
            f"GRANT SELECT ON *.* TO {BACKUP}@'%', {FORGOTTEN}@'%'",
            "INSERT INTO keyturn.known VALUES ('backup', 'the nightly backup')",
        )

    async def reads_as_itself(self) -> bool:
        return _ROW in str(self._do("SELECT what FROM shop.orders"))

    async def destroys_as_itself(self) -> bool:
        return self._any(self._destroyed, "DROP TABLE shop.orders", "DELETE FROM shop.orders", "DROP DATABASE shop")

    async def widens(self) -> bool:
        me = f"{ROTATOR}@'%'"
        for ways in (
            (f"GRANT SELECT ON shop.* TO {me}",),
            (f"GRANT {OWNER} TO {me}", f"SET ROLE {OWNER}"),
            (f"SET ROLE {OWNER}",),
            ("UPDATE mysql.global_priv SET priv = '{}'",),
            ("UPDATE mysql.user SET select_priv = 'Y'",),
            ("UPDATE mysql.db SET user = CURRENT_USER(), host = '%'",),
        ):
            if _ROW in str(self._do(*ways, "SELECT what FROM shop.orders")):
                return True
        return False

    async def reads_as_slot(self) -> bool:
        made = await as_slot(self.setting.open(), SLOT_A)
        with self._login(made.id, made.value.reveal_text()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT what FROM shop.orders")
            return _ROW in str(cursor.fetchall())

    async def destroys_as_slot(self) -> bool:
        made = await as_slot(self.setting.open(), SLOT_A)
        with self._login(made.id, made.value.reveal_text()) as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM shop.orders")
        return self._destroyed()

    async def sees_hashes(self) -> bool:
        ((kept,),) = self.server.sql("SELECT authentication_string FROM mysql.user WHERE user = 'backup'")
        ways = ("SELECT user, priv FROM mysql.global_priv", "SELECT user, authentication_string FROM mysql.user",
                f"SHOW CREATE USER {BACKUP}@'%'", "CALL keyturn.inventory('shop/orders-db')",
                f"CALL keyturn.strangers('{OWNER}', '{ROTATOR}')",
                "CALL keyturn.preflight('shop/orders-db')")  # fmt: skip
        return any(kept in str(self._do(way)) for way in ways)

    async def takes_backup(self) -> bool:
        hashed = self._hash(BACKUP)
        return self._any(
            lambda: self._opens(BACKUP, TAKEN),
            self._set_password(f"{BACKUP}@'%'"),
            f"ALTER USER {BACKUP}@'%' IDENTIFIED BY '{TAKEN}'",
            f"CALL keyturn.enable_account('shop/orders-db', '{BACKUP}', '{hashed}', 'r', 1, 1)",
            f"CALL keyturn.ensure_account('shop/orders-db', '{BACKUP}', '{hashed}', '', 'r', 1, 1)",
            "UPDATE keyturn.accounts SET name = 'backup' WHERE name = 'orders_b'",
        )

    async def shuts_backup(self) -> bool:
        return self._shuts(BACKUP)

    async def shuts_forgotten(self) -> bool:
        return self._shuts(FORGOTTEN)

    def _shuts(self, name: str) -> bool:
        ours = f"'shop/orders-db', '{SLOT_B}', '{self._hash(SLOT_B)}', '{SLOT_A}'"
        return self._any(
            lambda: not self._opens(name, THEIR_PASSWORD),
            f"ALTER USER {name}@'%' ACCOUNT LOCK",
            f"DROP USER {name}@'%'",
            f"CALL keyturn.disable_account('shop/orders-db', '{name}', 'r', 1, 1)",
            f"CALL keyturn.contain({ours}, JSON_ARRAY('{name}'), '{ROTATOR}', 'r', 1, 1)",
        )

    async def rules(self) -> bool:
        ways = ("CREATE USER boss@'%' IDENTIFIED BY 'x'", f"GRANT ALL ON *.* TO {ROTATOR}@'%' WITH GRANT OPTION",
                "SET GLOBAL read_only = 1", "SELECT 1 INTO OUTFILE '/tmp/keyturn-thief'")  # fmt: skip
        return self._becomes_root() or any(self._do(way) is not None for way in ways)

    # ------------------------------------------------------------------------------------------------- inside

    def _do(self, *statements: str) -> Sequence[tuple[Any, ...]] | None:
        """As the rotator; None if it may not. Any other error is a mistake of this file."""
        with self._login(ROTATOR, ROTATOR_PASSWORD) as connection, connection.cursor() as cursor:
            try:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall()
            except pymysql.err.MySQLError as error:
                if error.args[0] not in _REFUSED:
                    raise
                return None

    def _any(self, succeeded: Callable[[], bool], *ways: str) -> bool:
        for way in ways:
            self._do(way)
            if succeeded():
                return True
        return False

    def _login(self, user: str, password: str) -> pymysql.Connection:
        return self.server.connect(user, password)

    def _opens(self, user: str, password: str) -> bool:
        try:
            self._login(user, password).close()
        except pymysql.err.OperationalError:
            return False
        return True

    def _becomes_root(self) -> bool:
        for way in (self._set_password("root@localhost"), f"ALTER USER root@localhost IDENTIFIED BY '{TAKEN}'"):
            self._do(way)
        try:
            self.server.sql(f"ALTER USER root@localhost IDENTIFIED BY '{ROOT_PASSWORD}'", password=TAKEN)  # given back
        except pymysql.err.OperationalError:
            return False
        return True

    def _destroyed(self) -> bool:
        there = self.server.sql("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'shop'")
        return str(there) == "((0,),)" or _ROW not in str(self.server.sql("SELECT what FROM shop.orders"))

    def _set_password(self, account: str) -> str:
        made = f"PASSWORD('{TAKEN}')" if self.setting.dialect is DIALECT else f"'{TAKEN}'"
        return f"SET PASSWORD FOR {account} = {made}"

    def _hash(self, name: str) -> str:
        return self.setting.dialect.hash_of(name, Sealed(TAKEN))


class CreateUserThief(MariadbThief):
    """He has the server's own right over accounts. Keyturn offers no such form; this shows why."""

    form = "(CREATE USER)"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        kill = "CONNECTION ADMIN" if setting.dialect is DIALECT else "CONNECTION_ADMIN"
        self.server.sql(
            f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {ROTATOR}@'%'",
            f"GRANT CREATE USER, PROCESS, {kill} ON *.* TO {ROTATOR}@'%'",
        )

    async def reads_as_slot(self) -> bool:
        return _ROW in str(self._as_slot("SELECT what FROM shop.orders"))

    async def destroys_as_slot(self) -> bool:
        self._as_slot("DELETE FROM shop.orders")
        return self._destroyed()

    async def rules(self) -> bool:
        return self._becomes_root()

    def _as_slot(self, statement: str) -> Sequence[tuple[Any, ...]]:
        self._do(f"ALTER USER {SLOT_B}@'%' IDENTIFIED BY '{TAKEN}' ACCOUNT UNLOCK")
        with self._login(SLOT_B, TAKEN) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()
