"""What only MySQL does: second passwords, rights by name, roles for everybody, routines that forget who may call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keyturn.core.model import Idle, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, Denied
from keyturn.providers.mysql.provider import DIALECT
from support.mariadb_plan import (
    CURRENT,
    OWNER,
    PROVIDERS,
    SLOT_A,
    SLOT_B,
    Setting,
    made,
    make_ready,
    problems,
    session,
)
from support.mysql_server import MysqlServer
from support.postgres_plan import op
from support.powers import DEEDS
from support.powers_mariadb import CreateUserThief, MariadbThief

pytestmark = [pytest.mark.contract, pytest.mark.mysql]


@pytest.fixture
def setting(mysql_server: MysqlServer) -> Iterator[Setting]:
    yield make_ready(mysql_server, DIALECT)
    mysql_server.revive()
    mysql_server.sql("SET GLOBAL mandatory_roles = ''", "SET GLOBAL activate_all_roles_on_login = 0")


async def test_what_the_server_keeps_is_what_it_would_have_made_itself(setting: Setting) -> None:
    """It takes the hash for its own: the value logs in when nothing is cached, and the salt is the one it was given."""
    new = await made(setting.open())
    expected = DIALECT.hash_of(new.id, new.value)
    rows = setting.server.sql("FLUSH PRIVILEGES", "SELECT user, authentication_string FROM mysql.user")
    assert (SLOT_B, expected) in rows
    session(setting, new).close()


async def test_a_second_password_blocks_and_none_outlives_a_change(setting: Setting) -> None:
    setting.server.sql(
        f"ALTER USER {SLOT_B}@'%' IDENTIFIED BY 'first-of-two'",
        f"ALTER USER {SLOT_B}@'%' IDENTIFIED BY 'second-of-two' RETAIN CURRENT PASSWORD",
    )
    assert await problems(setting) == {"OtherPlugin"}
    await made(setting.open())
    assert await problems(setting) == set()
    assert (SLOT_B, None) in setting.server.sql("SELECT user, user_attributes FROM mysql.user")


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (f"GRANT CONNECTION_ADMIN ON *.* TO {SLOT_A}@'%'", "OwnRights"),
        (f"GRANT SYSTEM_USER ON *.* TO {OWNER}", "OwnerTooPowerful"),
        (f"GRANT ROLE_ADMIN ON *.* TO {OWNER}", "OwnerTooPowerful"),
        (f"ALTER USER {OWNER} ACCOUNT UNLOCK", "OwnerMissing"),
        (f"ALTER USER {SLOT_A}@'%' PASSWORD HISTORY 5", "LimitsDiffer"),
        (f"ALTER USER {SLOT_A}@'%' FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME 1", "LimitsDiffer"),
        (f"ALTER USER {SLOT_B}@'%' IDENTIFIED WITH sha256_password BY 'another-password'", "OtherPlugin"),
        (f"SET DEFAULT ROLE NONE TO {SLOT_A}@'%'", "RolesDiffer"),
    ],
)
async def test_what_would_make_it_unsafe_blocks(setting: Setting, statement: str, reason: str) -> None:
    setting.server.sql(statement)
    assert await problems(setting) == {reason}


async def test_a_password_history_does_not_stop_what_is_made_again(setting: Setting) -> None:
    setting.server.sql(*(f"ALTER USER {slot}@'%' PASSWORD HISTORY 5" for slot in (SLOT_A, SLOT_B)))
    provider = setting.open()
    new = await made(provider)
    await provider.ensure(op("Create"), new, SLOT_A)
    assert await provider.test(new) is Trial.WORKS


async def test_an_account_that_is_blocked_for_a_while_is_neither_right_nor_wrong(setting: Setting) -> None:
    setting.server.sql(f"ALTER USER {SLOT_A}@'%' FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME 1")
    provider, wrong = setting.open(), Credential(SLOT_A, Sealed("another-password"))
    assert await provider.test(wrong) is not Trial.WORKS
    assert [await provider.test(one) for one in (CURRENT, wrong)] == [Trial.DOWN, Trial.DOWN]


async def test_a_role_that_everybody_has_makes_everybody_a_stranger(setting: Setting) -> None:
    setting.server.sql("CREATE USER sneaky IDENTIFIED BY 'x'", f"SET GLOBAL mandatory_roles = '`{OWNER}`@`%`'")
    assert {one.id for one in await setting.open().inventory() if one.stranger} == {"sneaky"}


@pytest.mark.parametrize("all_roles", [0, 1])
async def test_roles_that_everybody_has_stand_beside_the_owner_and_change_nothing(
    setting: Setting, all_roles: int
) -> None:
    mandatory = ("CREATE ROLE everybodys", "SET GLOBAL mandatory_roles = 'everybodys'")
    setting.server.sql(*mandatory, f"SET GLOBAL activate_all_roles_on_login = {all_roles}")
    provider = setting.open()
    assert await problems(setting) == set()
    assert await provider.test(await made(provider)) is Trial.WORKS


async def test_names_that_differ_in_case_are_different_accounts(setting: Setting) -> None:
    setting.server.sql("CREATE USER ORDERS_A IDENTIFIED BY 'x'", f"GRANT {OWNER} TO ORDERS_A")
    found = {one.id for one in await setting.open().inventory() if one.stranger}
    assert found == {"ORDERS_A"}


async def test_where_no_session_is_listed_no_slot_is_taken_emptied_or_retired(mysql_server: MysqlServer) -> None:
    """An empty list says nothing if our own connection is not in it either."""
    blind = MysqlServer(mysql_server.program, "--performance-schema=OFF").start()
    try:
        setting = make_ready(blind, DIALECT)
        provider = setting.open()
        assert await problems(setting) == {"SessionsHidden"}
        assert (await provider.usage([SLOT_A], CURRENT))[SLOT_A].idle is Idle.UNKNOWN
        await provider.disable(op("Disable"), SLOT_A)
        for blindly in (
            provider.ensure(op("Create"), Credential(SLOT_B, provider.mint()), SLOT_A),
            provider.end_sessions(op("EndSessions"), SLOT_A),
            provider.delete(op("Delete"), SLOT_A),
        ):
            with pytest.raises(Denied, match="SessionsHidden"):
                await blindly
    finally:
        blind.stop()


async def test_the_script_may_be_run_again(setting: Setting) -> None:
    """Routines that are made anew have lost who may call them; the script gives it back."""
    setting.server.script(PROVIDERS / "mysql" / "procedures.sql")
    assert await setting.open().test(await made(setting.open())) is Trial.WORKS


async def test_an_account_with_system_user_is_not_contained(setting: Setting) -> None:
    setting.server.sql(
        "CREATE USER guarded IDENTIFIED BY 'x'",
        "GRANT SELECT ON shop.* TO guarded",
        "GRANT SYSTEM_USER ON *.* TO guarded",
    )
    provider = setting.open()
    new = Credential(await provider.next_id(SLOT_A), provider.mint())
    with pytest.raises(Denied, match="NotContainable"):
        await provider.contain(op("Contain"), new, SLOT_A, ["guarded"])


SLOTS_AND_STRANGERS = {"reads_as_slot", "destroys_as_slot", "shuts_forgotten"}


@pytest.mark.parametrize(
    ("thief", "expected"),
    [
        (MariadbThief, SLOTS_AND_STRANGERS),
        (CreateUserThief, SLOTS_AND_STRANGERS | {"takes_backup", "shuts_backup"}),  # root has SYSTEM_USER
    ],
)
async def test_whoever_holds_the_rotators_credential_can_do_what_the_page_says_and_no_more(
    mysql_server: MysqlServer, thief: type[MariadbThief], expected: set[str]
) -> None:
    could = {deed: await getattr(thief(make_ready(mysql_server, DIALECT)), deed)() for deed in DEEDS}
    assert {deed for deed in could if could[deed]} == expected


async def test_a_routine_that_a_slot_defines_works_for_the_other_one(setting: Setting) -> None:
    """A definer's default roles count here, locked or not."""
    setting.server.sql(f"GRANT CREATE ROUTINE, ALTER ROUTINE, EXECUTE ON shop.* TO {OWNER}")
    with session(setting, CURRENT) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE PROCEDURE recent() SELECT COUNT(*) FROM orders")
    assert await problems(setting) == set()
    provider = setting.open()
    new = await made(provider)
    await provider.disable(op("Disable"), SLOT_A)
    await provider.delete(op("Delete"), SLOT_A)
    with session(setting, new) as connection, connection.cursor() as cursor:
        cursor.execute("CALL recent()")
        assert cursor.fetchall() == ((0,),)
