"""What MariaDB and MySQL share: procedures with a fixed list, several rows a name, statements nobody takes back."""

from __future__ import annotations

from collections.abc import Iterator

import pymysql
import pytest

from keyturn.core.model import Existence, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Conflict, Credential, Denied, Misconfigured, Unavailable
from keyturn.providers.mariadb.provider import DIALECT as MARIADB
from keyturn.providers.mysql.provider import DIALECT as MYSQL
from support.mariadb_plan import (
    CURRENT,
    OWNER,
    ROTATOR,
    ROTATOR_PASSWORD,
    SLOT_A,
    SLOT_B,
    Setting,
    made,
    make_ready,
    problems,
    session,
)
from support.mariadb_server import MariadbServer
from support.postgres_plan import op

pytestmark = pytest.mark.contract


@pytest.fixture(params=["mariadb", pytest.param("mysql", marks=pytest.mark.mysql)])
def setting(request: pytest.FixtureRequest) -> Iterator[Setting]:
    server: MariadbServer = request.getfixturevalue(f"{request.param}_server")
    yield make_ready(server, {"mariadb": MARIADB, "mysql": MYSQL}[request.param])
    server.revive()


# ---------------------------------------------------------------------------------------------------- the rotator


def test_the_rotator_may_call_its_procedures_and_nothing_else(setting: Setting) -> None:
    with setting.server.connect(ROTATOR, ROTATOR_PASSWORD) as rotator, rotator.cursor() as cursor:
        for forbidden in (
            "SELECT * FROM shop.orders",
            "SELECT * FROM mysql.global_priv",
            "UPDATE keyturn.accounts SET epoch = 0",
            "CREATE USER sneaky",
            "ALTER USER root@localhost IDENTIFIED BY 'x'",
            f"ALTER USER {SLOT_A}@'%' IDENTIFIED BY 'x'",
            f"SET PASSWORD FOR {SLOT_A}@'%' = {'PASSWORD' if setting.dialect is MARIADB else ''}('x')",
            "SELECT * FROM mysql.user",
            "CALL keyturn.alter_account('root', 'ACCOUNT LOCK')",
            "CALL keyturn.admit('a/b', 'o', 'root', 'x', 'localhost', 'keyturn_rotator')",
        ):
            with pytest.raises(pymysql.MySQLError):
                cursor.execute(forbidden)
        for account in ("root", "mariadb.sys", OWNER, ROTATOR):
            with pytest.raises(pymysql.MySQLError):
                cursor.execute(f"CALL keyturn.disable_account('shop/orders-db', '{account}', 'r', 1, 1)")
    assert setting.server.sql("SELECT 1")


@pytest.mark.parametrize("value", ["", "password", "*123", "$A$005$123", "{hash}' ACCOUNT UNLOCK --", "{hash}A"])
def test_only_hashes_are_taken(setting: Setting, value: str) -> None:
    value = value.format(hash=setting.dialect.hash_of(SLOT_B, Sealed("some-value")))
    with setting.server.connect(ROTATOR, ROTATOR_PASSWORD) as rotator, rotator.cursor() as cursor:
        words = ("shop/orders-db", SLOT_B, value, SLOT_A, "r", 1, 1)
        with pytest.raises(pymysql.MySQLError) as refused:
            cursor.execute("CALL keyturn.ensure_account(%s, %s, %s, %s, %s, %s, %s)", words)
    assert refused.value.args[0] == 31002


async def test_another_plans_account_is_out_of_reach(setting: Setting) -> None:
    other = setting.but(plan="payroll-db")
    with pytest.raises(Denied, match="OtherPlansAccount"):
        await other.open().enable(op("Enable"), CURRENT)
    with pytest.raises(Denied, match="AccountNotAdmitted"):
        await setting.open().disable(op("Disable"), "root")
    assert await setting.open().test(CURRENT) is Trial.WORKS


async def test_no_value_is_in_any_log_of_the_server(setting: Setting) -> None:
    provider = setting.open()
    new = await made(provider)
    await provider.disable(op("Disable"), SLOT_A)
    await provider.enable(op("Enable", generation=2), CURRENT)
    await provider.test(new)
    seen = "".join((setting.server.home / name).read_text(errors="replace") for name in ("general.log", "server.err"))
    assert "keyturn.ensure_account" in seen
    assert new.value.reveal_text() not in seen


async def test_empty_and_weak_values_are_refused(setting: Setting) -> None:
    for value in ("", "  ", "REDACTED", "short"):
        with pytest.raises(Denied, match="UnsuitableValue"):
            await setting.open().ensure(op("Create"), Credential(SLOT_B, Sealed(value)), SLOT_A)
    with pytest.raises(Denied, match="UnsuitableValue"):
        await setting.open().enable(op("Enable"), Credential(SLOT_A, Sealed(" ")))


# ---------------------------------------------------------------------------------------------------------- rights


async def test_the_new_account_has_the_roles_rights_and_nothing_else(setting: Setting) -> None:
    new = await made(setting.open())
    with session(setting, new) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO orders VALUES (1, 'a')")
        cursor.execute("SELECT CURRENT_ROLE()")
        assert OWNER in str(cursor.fetchall())
        with pytest.raises(pymysql.MySQLError):
            cursor.execute("DROP TABLE orders")
    assert setting.server.sql("SELECT COUNT(*) FROM keyturn.write_probe") == ((0,),)


async def test_an_account_whose_role_was_taken_away_is_lacking(setting: Setting) -> None:
    setting.server.sql(f"REVOKE {OWNER} FROM {SLOT_A}@'%'")
    assert await setting.open().test(CURRENT) is Trial.LACKING
    assert await problems(setting) == {"RolesDiffer"}


async def test_a_read_only_server_is_down_to_whoever_writes(setting: Setting) -> None:
    provider = setting.open()
    setting.server.sql("SET GLOBAL read_only = 1")
    try:
        assert await provider.test(CURRENT) is Trial.DOWN
        with pytest.raises(Unavailable, match="ReadOnly"):
            await provider.disable(op("Disable"), SLOT_A)
    finally:
        setting.server.sql("SET GLOBAL read_only = 0")


async def test_a_password_that_has_expired_is_lacking(setting: Setting) -> None:
    setting.server.sql(f"ALTER USER {SLOT_A}@'%' PASSWORD EXPIRE")
    provider = setting.open()
    assert await provider.test(CURRENT) is Trial.LACKING
    assert await provider.test(Credential(SLOT_A, Sealed("another-password"))) is Trial.REFUSED


# ---------------------------------------------------------------------------------------------------------- fence


async def test_a_leader_of_an_older_epoch_changes_nothing_any_more(setting: Setting) -> None:
    provider = setting.open()
    await made(provider)
    await provider.enable(op("Enable", generation=1, epoch=2, rotation="rotation-2"), CURRENT)
    for late in (
        provider.disable(op("Disable", epoch=1), SLOT_A),
        provider.delete(op("Delete", epoch=1), SLOT_A),
        provider.enable(op("Enable", epoch=1), CURRENT),
    ):
        with pytest.raises(Denied, match="NewerLeader"):
            await late
    assert await provider.test(CURRENT) is Trial.WORKS


async def test_what_somebody_else_changes_at_the_same_time_is_noticed(setting: Setting) -> None:
    setting.server.sql(
        "CREATE TRIGGER keyturn.undo BEFORE UPDATE ON keyturn.accounts FOR EACH ROW SET NEW.rotation = 'somebody-else'"
    )
    with pytest.raises(Conflict, match="AccountChanged"):
        await setting.open().disable(op("Disable"), SLOT_A)


async def test_two_calls_at_once_wait_for_each_other(setting: Setting) -> None:
    with setting.server.connect(ROTATOR, ROTATOR_PASSWORD) as rotator, rotator.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK('keyturn.change', 0)")
        with pytest.raises(Unavailable, match="ServerBusy"):
            await setting.open().disable(op("Disable"), SLOT_A)
    assert await setting.open().test(CURRENT) is Trial.WORKS


# -------------------------------------------------------------------------------------------------- own passwords


async def test_a_slot_could_set_its_own_password_but_not_while_it_is_locked(setting: Setting) -> None:
    """Why the rotator does it: the free slot is locked, and what it last had is gone."""
    with session(setting, CURRENT) as connection, connection.cursor() as cursor:
        cursor.execute(own_password(setting, "password-of-its-own"))
    changed = Credential(SLOT_A, Sealed("password-of-its-own"))
    session(setting, changed).close()
    await setting.open().disable(op("Disable"), SLOT_A)
    with pytest.raises(pymysql.MySQLError):
        session(setting, changed)


async def test_what_a_session_changes_after_its_account_was_locked_goes_with_enable(setting: Setting) -> None:
    provider = setting.open()
    with session(setting, CURRENT) as connection, connection.cursor() as cursor:
        await provider.disable(op("Disable"), SLOT_A)
        cursor.execute(own_password(setting, "password-of-its-own"))
    await provider.enable(op("Enable", generation=2), CURRENT)
    assert await provider.test(CURRENT) is Trial.WORKS
    assert await provider.test(Credential(SLOT_A, Sealed("password-of-its-own"))) is Trial.REFUSED


def own_password(setting: Setting, value: str) -> str:
    return f"SET PASSWORD = PASSWORD('{value}')" if setting.dialect is MARIADB else f"SET PASSWORD = '{value}'"


# ------------------------------------------------------------------------------------------------------- identity


async def test_another_server_with_the_same_accounts_is_another_system(setting: Setting) -> None:
    twin = setting.server.twin()
    try:
        make_ready(twin.start(), setting.dialect)
        astray = setting.but(endpoints=({"name": "primary", "host": twin.host, "port": twin.port},))
        assert await astray.open().same_system(CURRENT) is Sameness.DIFFERENT
        name = await setting.open().identify()
        moved = setting.but(system=name, admin=(("port", str(twin.port)),))
        with pytest.raises(Denied, match="WrongSystem"):
            await moved.open().disable(op("Disable"), SLOT_A)
        assert await Setting(twin, setting.dialect).open().test(CURRENT) is Trial.WORKS
    finally:
        twin.stop()


async def test_a_server_whose_certificate_another_authority_signed_gets_no_password(setting: Setting) -> None:
    stranger = setting.but(admin=(("ca.crt", type(setting.server.authority)().ca_pem.decode()),))
    assert await stranger.open().reach() is Reach.REFUSED
    with pytest.raises(Misconfigured, match="TlsFailed"):
        await stranger.open().identify()


# ------------------------------------------------------------------------------------------------------ preflight


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ((f"CREATE USER {SLOT_A}@'10.0.0.1'",), "SeveralHosts"),
        (("CREATE USER ''@localhost",), "AnonymousAccount"),
        ((f"GRANT SELECT ON shop.* TO {SLOT_A}@'%'",), "OwnRights"),
        ((f"GRANT PROCESS ON *.* TO {SLOT_A}@'%'",), "OwnRights"),
        ((f"GRANT CREATE USER ON *.* TO {OWNER}",), "OwnerTooPowerful"),
        ((f"ALTER USER {SLOT_A}@'%' REQUIRE SSL",), "LimitsDiffer"),
        ((f"ALTER USER {SLOT_A}@'%' WITH MAX_USER_CONNECTIONS 5",), "LimitsDiffer"),
        (("DELETE FROM keyturn.accounts WHERE name = 'orders_b'",), "AccountNotAdmitted"),
        (
            (
                "DROP FUNCTION keyturn.procedures_version",
                "CREATE FUNCTION keyturn.procedures_version() RETURNS int NO SQL RETURN 0",
                f"GRANT EXECUTE ON FUNCTION keyturn.procedures_version TO {ROTATOR}@'%'",
            ),
            "ProceduresOutdated",
        ),
        ((f"DROP ROLE {OWNER}",), "OwnerMissing"),
        (("SET GLOBAL max_connections = 10",), ""),
    ],
)
async def test_what_would_make_it_unsafe_blocks(setting: Setting, statements: tuple[str, ...], reason: str) -> None:
    setting.server.sql(*statements)
    found = await problems(setting)
    assert (reason in found) if reason else not found
    setting.server.sql("SET GLOBAL max_connections = 60")


async def test_room_for_both_pools_at_once_is_asked_for(setting: Setting) -> None:
    setting.server.sql("SET GLOBAL max_connections = 10")
    sessions = [session(setting, CURRENT) for _ in range(6)]
    try:
        assert await problems(setting) == {"TooFewConnections"}
    finally:
        for one in sessions:
            one.close()
        setting.server.sql("SET GLOBAL max_connections = 60")


async def test_a_server_without_the_procedures_says_what_to_run(setting: Setting) -> None:
    setting.server.sql("DROP DATABASE keyturn")
    with pytest.raises(Misconfigured, match="NotInstalled"):
        await setting.open().preflight(CURRENT)


async def test_a_free_slot_that_somebody_opened_is_not_taken(setting: Setting) -> None:
    setting.server.sql(f"ALTER USER {SLOT_B}@'%' ACCOUNT UNLOCK")
    provider = setting.open()
    with pytest.raises(Misconfigured, match="can still log in"):
        await provider.next_id(SLOT_A)
    with pytest.raises(Denied, match="SlotInUse"):
        await provider.ensure(op("Create"), Credential(SLOT_B, provider.mint()), SLOT_A)


# ------------------------------------------------------------------------------------------------------ strangers


@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        ("GRANT SELECT ON shop.* TO sneaky", True),
        ("GRANT SELECT ON shop.orders TO sneaky", True),
        ("GRANT SELECT ON `sh%`.* TO sneaky", True),
        ("GRANT SELECT ON *.* TO sneaky", True),
        (f"GRANT {OWNER} TO sneaky", True),
        ("GRANT SELECT ON payroll.* TO sneaky", False),
        ("GRANT PROCESS ON *.* TO sneaky", False),
        ("GRANT CREATE USER, SELECT ON *.* TO sneaky", False),  # may become anybody, as the next
        ("GRANT ALL ON *.* TO sneaky", False),  # an administrator: the server's own business
    ],
)
async def test_whoever_reaches_the_owners_databases_is_a_stranger(
    setting: Setting, grant: str, *, expected: bool
) -> None:
    setting.server.sql("CREATE DATABASE payroll", "CREATE USER sneaky IDENTIFIED BY 'x'", grant)
    found = {one.id for one in await setting.open().inventory() if one.stranger}
    assert found == ({"sneaky"} if expected else set())
    setting.server.sql("INSERT INTO keyturn.known VALUES ('sneaky', 'reporting')")
    assert not [one for one in await setting.open().inventory() if one.stranger]


@pytest.mark.parametrize("name", [ROTATOR, "root", OWNER, "elsewhere", "declared", "administrator"])
async def test_whom_containment_may_not_touch_it_refuses_before_any_change(setting: Setting, name: str) -> None:
    setting.server.sql(
        "CREATE USER elsewhere", "CREATE USER declared", "GRANT SELECT ON shop.* TO declared",
        "INSERT INTO keyturn.known VALUES ('declared', 'break-glass')",
        "CREATE USER administrator", "GRANT ALL ON *.* TO administrator",
    )  # fmt: skip
    provider = setting.open()
    new = Credential(await provider.next_id(SLOT_A), provider.mint())
    with pytest.raises(Denied, match="NotContainable"):
        await provider.contain(op("Contain"), new, SLOT_A, [name])
    assert await provider.test(CURRENT) is Trial.WORKS
    assert {one.id: one.state for one in await provider.inventory()}[SLOT_B] is Existence.RETIRED
