"""A thief with the credential of PostgreSQL's rotator."""

from __future__ import annotations

from typing import Any

import psycopg

from keyturn.providers.postgres.provider import PostgresProvider
from support.postgres_plan import ROTATOR, ROTATOR_PASSWORD, SLOT_A, SLOT_B, Setting, session
from support.powers import BACKUP, FORGOTTEN, TAKEN, THEIR_PASSWORD, as_slot

_REFUSED = ("42501", "0LP01")  # insufficient_privilege, invalid_grant_operation; beside our own functions' KT codes
_TAG = "keyturn:v1 plan=shop/orders-db rotation=r gen=1 epoch=1 state="


class PostgresThief:
    """In one of the rotator's forms."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.server = setting, setting.server
        self.name = (f"PostgreSQL {self.server.flavour.name}", setting.form)
        for name in (BACKUP, FORGOTTEN):
            self.server.sql(
                f"CREATE ROLE {name} LOGIN PASSWORD '{THEIR_PASSWORD}'",
                f"GRANT pg_read_all_data TO {name}",
                f"GRANT CONNECT ON DATABASE shop TO {name}",
            )
        self.server.sql(f"COMMENT ON ROLE {BACKUP} IS 'keyturn:known the nightly backup'")

    async def reads_as_itself(self) -> bool:
        return self._do("SELECT what FROM orders.line") == [("tea",)]

    async def destroys_as_itself(self) -> bool:
        return self._any(self._destroyed, "DROP TABLE orders.line", "TRUNCATE orders.line", "DELETE FROM orders.line",
                         "DROP SCHEMA orders CASCADE")  # fmt: skip

    async def widens(self) -> bool:
        own = "" if self.server.flavour.name == "15" else " WITH INHERIT TRUE, SET TRUE"
        for statement in (f"GRANT orders_owner TO {ROTATOR}{own}", f"GRANT pg_read_all_data TO {ROTATOR}",
                          f"ALTER ROLE {ROTATOR} BYPASSRLS", f"GRANT {BACKUP} TO {ROTATOR}"):  # fmt: skip
            self._do(statement)
            if await self.reads_as_itself():
                return True
        return False

    async def reads_as_slot(self) -> bool:
        made = await as_slot(self._provider(), SLOT_A)
        with session(self.setting, made) as connection:
            return connection.execute("SELECT what FROM orders.line").fetchall() == [("tea",)]

    async def destroys_as_slot(self) -> bool:
        made = await as_slot(self._provider(), SLOT_A)
        with session(self.setting, made) as connection:
            connection.execute("DROP TABLE orders.line")
        return self._destroyed()

    async def sees_hashes(self) -> bool:
        asked = ("SELECT rolpassword FROM pg_authid WHERE rolname = 'backup'",
                 "SELECT passwd FROM pg_shadow WHERE usename = 'backup'")  # fmt: skip
        return any("SCRAM" in str(self._do(question)) for question in asked)

    async def takes_backup(self) -> bool:
        ways = [f"ALTER ROLE {BACKUP} PASSWORD '{TAKEN}'"]
        if self.setting.form == "Functions":
            verifier = self._verifier()
            ways += [f"SELECT keyturn.enable('{BACKUP}', '{verifier}', '{_TAG}active')",
                     f"SELECT keyturn.ensure('{BACKUP}', '{SLOT_A}', '{verifier}', '{_TAG}active')",
                     "UPDATE keyturn.managed SET role = 'backup' WHERE role = 'orders_b'"]  # fmt: skip
        return self._any(lambda: self._opens(BACKUP, TAKEN), *ways)

    async def shuts_backup(self) -> bool:
        return self._shuts(BACKUP)

    async def shuts_forgotten(self) -> bool:
        return self._shuts(FORGOTTEN)

    def _shuts(self, name: str) -> bool:
        ways = [f"ALTER ROLE {name} NOLOGIN", f"ALTER ROLE {name} VALID UNTIL 'yesterday'", f"DROP ROLE {name}"]
        if self.setting.form == "Functions":
            ours = f"'{SLOT_B}', '{self._verifier()}', '{_TAG}active', '{SLOT_A}', '{_TAG}disabled'"
            ways += [f"SELECT keyturn.disable('{name}', '{_TAG}disabled')",
                     f"SELECT keyturn.contain({ours}, ARRAY['{name}']::name[])"]  # fmt: skip
        return self._any(lambda: not self._opens(name, THEIR_PASSWORD), *ways)

    async def rules(self) -> bool:
        ways = ("CREATE ROLE boss LOGIN SUPERUSER", f"ALTER ROLE {ROTATOR} SUPERUSER", f"GRANT postgres TO {ROTATOR}")
        if self._any(self._many_superusers, *ways):
            return True
        self._do(f"GRANT pg_execute_server_program TO {ROTATOR}")
        return self._do("COPY (SELECT 1) TO PROGRAM 'cat'", "SELECT 'it ran'") is not None

    # ------------------------------------------------------------------------------------------------- inside

    def _do(self, *statements: str) -> list[tuple[Any, ...]] | None:
        """As the rotator; None if it may not. Any other error is a mistake of this file."""
        try:
            return self.server.sql(*statements, user=ROTATOR, password=ROTATOR_PASSWORD, database="shop")
        except psycopg.Error as error:
            if error.sqlstate not in _REFUSED and not str(error.sqlstate).startswith("KT"):
                raise
            return None

    def _any(self, succeeded: Any, *ways: str) -> bool:
        for way in ways:
            self._do(way)
            if succeeded():
                return True
        return False

    def _provider(self) -> PostgresProvider:
        return self.setting.open()

    def _destroyed(self) -> bool:
        found = self.server.sql("SELECT to_regclass('orders.line') IS NOT NULL", database="shop") == [(True,)]
        return not found or self.server.sql("SELECT what FROM orders.line", database="shop") != [("tea",)]

    def _opens(self, user: str, password: str) -> bool:
        try:
            self.server.connect(user, password, "shop").close()
        except psycopg.OperationalError:
            return False
        return True

    def _many_superusers(self) -> bool:
        asked = "SELECT rolname FROM pg_roles WHERE pg_has_role(oid, 'postgres', 'MEMBER')"  # a superuser always has
        return self.server.sql(asked) != [("postgres",)]

    def _verifier(self) -> str:
        with self.server.connect() as connection:
            return connection.pgconn.encrypt_password(TAKEN.encode(), BACKUP.encode(), b"scram-sha-256").decode()
