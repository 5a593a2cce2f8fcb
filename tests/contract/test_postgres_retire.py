"""Disabling, retiring and adopting roles on real servers, and what a rotator can never do."""

from __future__ import annotations

import psycopg
import pytest

from keyturn.core.model import Existence, Idle, Reach, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, Denied
from support.postgres_plan import (
    CURRENT,
    OWNER,
    ROTATOR,
    ROTATOR_PASSWORD,
    SLOT_A,
    SLOT_B,
    Setting,
    install,
    made,
    make_ready,
    op,
    session,
)
from support.postgres_server import Servers

pytestmark = pytest.mark.contract
PASSWORD = CURRENT.value.reveal_text()


# ---------------------------------------------------------------------------------------------- disable, enable, retire


@pytest.mark.fm(43)
async def test_a_holder_who_changed_his_password_gets_the_escrowed_one_back(setting: Setting):
    provider = setting.open()
    with session(setting, CURRENT) as connection:
        connection.execute("SET ROLE NONE")
        connection.execute("ALTER ROLE orders_a PASSWORD 'changed-by-its-holder'")
    await provider.disable(op("Disable"), SLOT_A)
    await provider.enable(op("Enable"), CURRENT)
    assert await provider.test(CURRENT) is Trial.WORKS


async def test_a_retired_role_cannot_be_enabled_again(setting: Setting):
    provider = setting.open()
    await made(provider)
    await provider.disable(op("Disable"), SLOT_A)
    await provider.delete(op("Delete"), SLOT_A)
    with pytest.raises(Denied) as refused:
        await provider.enable(op("Enable"), CURRENT)
    assert refused.value.reason == "AlreadyRetired"


@pytest.mark.fm(37)
async def test_the_old_value_of_a_retired_role_is_worthless_even_if_somebody_lets_it_log_in(setting: Setting):
    provider = setting.open()
    await made(provider)
    await provider.disable(op("Disable"), SLOT_A)
    await provider.delete(op("Delete"), SLOT_A)
    setting.server.sql("ALTER ROLE orders_a LOGIN")
    assert await provider.test(CURRENT) is Trial.REFUSED


@pytest.mark.fm(40)
async def test_a_prepared_transaction_counts_as_use_and_stops_delete(setting: Setting):
    provider = setting.open()
    new = await made(provider)
    with session(setting, CURRENT) as connection:
        for statement in (
            "SET ROLE NONE",
            "BEGIN",
            "INSERT INTO orders.line VALUES (2, 'x')",
            "PREPARE TRANSACTION 'left'",
        ):
            connection.execute(statement.encode())
    await provider.disable(op("Disable"), SLOT_A)
    assert (await provider.usage([SLOT_A], new))[SLOT_A].idle is Idle.IN_USE
    with pytest.raises(Denied) as refused:
        await provider.delete(op("Delete"), SLOT_A)
    assert refused.value.reason == "StillInUse"


@pytest.mark.fm(32)
async def test_sessions_of_a_dropped_role_make_idle_unknown(setting: Setting):
    provider = setting.open()
    setting.server.sql(
        "CREATE ROLE ghost LOGIN PASSWORD 'ghost-password-of-a-test'", "GRANT CONNECT ON DATABASE shop TO ghost"
    )
    with setting.server.connect("ghost", "ghost-password-of-a-test", "shop"):
        setting.server.sql("REVOKE CONNECT ON DATABASE shop FROM ghost", "DROP ROLE ghost")
        seen = (await provider.usage([SLOT_B], CURRENT))[SLOT_B]
        assert seen.idle is Idle.UNKNOWN
        assert "dropped" in seen.blind


async def test_a_forged_label_does_not_make_a_session_ours(setting: Setting):
    provider = setting.open()
    with setting.server.connect(SLOT_A, PASSWORD, "shop", application_name="keyturn/control"):
        seen = (await provider.usage([SLOT_A], CURRENT))[SLOT_A]
    assert seen.idle is Idle.IN_USE
    assert {session.ours for session in seen.sessions} == {True, False}


@pytest.mark.fm(32)
async def test_a_rotator_that_may_not_see_addresses_says_so(servers: Servers):
    setting = make_ready(servers["15"], "CreateRole")
    setting.server.sql(f"REVOKE pg_read_all_stats FROM {ROTATOR}")
    seen = (await setting.open().usage([SLOT_B], CURRENT))[SLOT_B]
    assert seen.idle is Idle.UNKNOWN
    assert "pg_read_all_stats" in seen.blind


# ------------------------------------------------------------------------------------------------------------ adoption


@pytest.mark.parametrize("flavour", ["15", "18"])
@pytest.mark.parametrize("form", ["Functions", "CreateRole"])
async def test_a_single_role_is_adopted_as_the_owner_and_loses_its_login_in_the_first_rotation(
    servers: Servers, flavour: str, form: str
):
    setting = make_ready(servers[flavour], form, first=OWNER)
    old = Credential(OWNER, CURRENT.value)
    provider = setting.open()
    assert await provider.test(old) is Trial.WORKS
    assert (await provider.preflight(old)).problems == ()
    new = Credential(await provider.next_id(OWNER), provider.mint())
    await provider.ensure(op(), new, OWNER)
    assert await provider.test(new) is Trial.WORKS
    await provider.disable(op("Disable"), OWNER)
    assert await provider.test(old) is Trial.DISABLED
    await provider.delete(op("Delete"), OWNER)
    states = {principal.id: principal.state for principal in await provider.inventory()}
    assert states[OWNER] is Existence.RETIRED
    assert states[SLOT_A] is Existence.ACTIVE
    with session(setting, new) as connection:
        connection.execute("ALTER TABLE orders.line ADD more text")
    assert (await provider.preflight(new)).problems == ()
    assert await provider.next_id(SLOT_A) == SLOT_B


# ------------------------------------------------------------------------------------------- what the rotator cannot do


class TestInstalledFunctions:
    """The smallest form: EXECUTE on a few functions, for listed roles."""

    def rotator(self, setting: Setting) -> psycopg.Connection:
        return setting.server.connect(ROTATOR, ROTATOR_PASSWORD, "shop")

    @pytest.mark.parametrize(
        "statement",
        [
            "ALTER ROLE orders_a NOLOGIN",
            "CREATE ROLE mine",
            "GRANT orders_owner TO keyturn_rotator",
            "SET ROLE orders_owner",
            "INSERT INTO keyturn.managed VALUES ('postgres', 'postgres')",
            "SELECT keyturn.put_tag('orders_a', 'x')",
            "CREATE FUNCTION keyturn.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "SELECT * FROM orders.line",
        ],
    )
    def test_the_rotator_may_do_nothing_else(self, plain: Setting, statement: str):
        with self.rotator(plain) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())

    @pytest.mark.parametrize(
        ("call", "code"),
        [
            ("keyturn.disable('postgres', 'keyturn:v1 plan=a rotation=b gen=1 epoch=1 state=disabled')", "KT001"),
            ("keyturn.terminate('postgres')", "KT001"),
            (
                "keyturn.enable('orders_a', 'in-the-clear', 'keyturn:v1 plan=a rotation=b gen=1 epoch=1 state=active')",
                "KT002",
            ),
            ("keyturn.enable('orders_a', '', 'keyturn:v1 plan=a rotation=b gen=1 epoch=1 state=active')", "KT002"),
            ("keyturn.disable('orders_a', 'nonsense')", "KT010"),
            ("keyturn.disable('orders_a', NULL)", "KT010"),
        ],
    )
    def test_what_is_not_for_it_is_refused(self, plain: Setting, call: str, code: str):
        with self.rotator(plain) as connection, pytest.raises(psycopg.Error) as refused:
            connection.execute(f"SELECT {call}".encode())
        assert refused.value.diag.sqlstate == code

    async def test_a_role_that_became_powerful_is_not_handed_out(self, plain: Setting):
        plain.server.sql("ALTER ROLE orders_b SUPERUSER")
        provider = plain.open()
        with pytest.raises(Denied) as refused:
            await provider.ensure(op(), Credential(SLOT_B, provider.mint()), SLOT_A)
        assert refused.value.reason == "RoleTooPowerful"
        assert plain.server.sql("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'orders_b'") == [(False,)]

    async def test_a_dropped_slot_is_named_and_made_again_by_the_script(self, plain: Setting):
        plain.server.sql("DROP ROLE orders_b")
        provider = plain.open()
        with pytest.raises(Denied) as refused:
            await provider.ensure(op(), Credential(SLOT_B, provider.mint()), SLOT_A)
        assert refused.value.reason == "RoleMissing"
        install(plain.server, "Functions")
        await made(provider)

    async def test_installing_again_changes_no_live_login(self, plain: Setting):
        provider = plain.open()
        new = await made(provider)
        install(plain.server, "Functions")
        assert await provider.test(new) is Trial.WORKS
        assert await provider.test(CURRENT) is Trial.WORKS

    def test_a_schema_somebody_else_made_first_stops_the_installation(self, plain: Setting):
        plain.server.sql(
            "DROP SCHEMA keyturn CASCADE", "CREATE SCHEMA keyturn AUTHORIZATION orders_owner", database="shop"
        )
        with pytest.raises(RuntimeError, match="belongs to a role that is no superuser"):
            install(plain.server, "Functions")


async def test_a_wrong_rotator_password_is_refused_not_down(setting: Setting):
    provider = setting.but(admin=(("password", "not-the-password-at-all"),)).open()
    assert await provider.reach() is Reach.REFUSED
    with pytest.raises(Denied) as refused:
        await provider.inventory()
    assert refused.value.reason == "AdminRefused"


async def test_an_unsuitable_value_never_becomes_a_password(setting: Setting):
    provider = setting.open()
    for value in ("", "   ", "***************************", "<redacted>-as-logs-do", "short"):
        with pytest.raises(Denied) as refused:
            await provider.ensure(op(), Credential(SLOT_B, Sealed(value)), SLOT_A)
        assert refused.value.reason == "UnsuitableValue"
