"""What only MariaDB does: a definer's role does not count, and accounts may log in by a socket's owner."""

from __future__ import annotations

from collections.abc import Iterator

import pymysql
import pytest

from support.mariadb_plan import CURRENT, OWNER, SLOT_A, SLOT_B, Setting, made, make_ready, problems, session
from support.mariadb_server import MariadbServer
from support.postgres_plan import op

pytestmark = pytest.mark.contract


@pytest.fixture
def setting(mariadb_server: MariadbServer) -> Iterator[Setting]:
    yield make_ready(mariadb_server)
    mariadb_server.revive()


@pytest.mark.parametrize(
    ("routine", "works"),
    [
        ("CREATE PROCEDURE recent() SELECT COUNT(*) FROM orders", False),
        ("CREATE DEFINER = CURRENT_ROLE PROCEDURE recent() SELECT COUNT(*) FROM orders", True),
    ],
)
async def test_a_routine_that_a_slot_defines_blocks_and_one_that_the_role_defines_outlives_the_rotation(
    setting: Setting, routine: str, *, works: bool
) -> None:
    """A definer's role does not count: what a slot made with the role's rights alone is of no use to the other slot."""
    setting.server.sql(f"GRANT CREATE ROUTINE, ALTER ROUTINE, EXECUTE ON shop.* TO {OWNER}")
    with session(setting, CURRENT) as connection, connection.cursor() as cursor:
        cursor.execute(routine)
        cursor.execute("CALL recent()")
    assert await problems(setting) == (set() if works else {"DefinerIsSlot"})
    provider = setting.open()
    new = await made(provider)
    await provider.disable(op("Disable"), SLOT_A)
    await provider.delete(op("Delete"), SLOT_A)
    with session(setting, new) as connection, connection.cursor() as cursor:
        if works:
            cursor.execute("CALL recent()")
            return
        with pytest.raises(pymysql.MySQLError):
            cursor.execute("CALL recent()")


async def test_an_account_that_logs_in_by_the_sockets_owner_blocks(setting: Setting) -> None:
    setting.server.sql(f"ALTER USER {SLOT_B}@'%' IDENTIFIED VIA unix_socket")
    assert "OtherPlugin" in await problems(setting)
