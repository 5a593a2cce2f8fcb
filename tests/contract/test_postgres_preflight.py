"""Preflight on real servers: everything that hangs on the login's name is found before anything is changed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import psycopg
import pytest

from keyturn.core.sealed import Sealed
from keyturn.ports import Credential
from support.postgres_plan import CURRENT, OWNER, ROTATOR, SLOT_A, SLOT_B, Setting, make_ready
from support.postgres_server import Servers, free_port

pytestmark = pytest.mark.contract
PASSWORD = CURRENT.value.reveal_text()
OTHERS_TAG = "keyturn:v1 plan=other/plan rotation=r gen=1 epoch=0 state=active"


@dataclass(frozen=True)
class Case:
    """What an administrator did, and what Preflight must say to it."""

    reason: str
    statements: tuple[str, ...]
    names: str = ""  # must stand in the message

    def __str__(self) -> str:
        return f"{self.reason}-{self.statements[-1][:40]}"


CASES = [
    Case("RoleTooPowerful", ("ALTER ROLE orders_owner CREATEROLE",), OWNER),
    Case("RoleTooPowerful", ("ALTER ROLE orders_a BYPASSRLS",), SLOT_A),
    Case("RoleTooPowerful", ("ALTER ROLE orders_a REPLICATION",), SLOT_A),
    Case("RoleTooPowerful", ("GRANT pg_read_all_data TO orders_owner",), "pg_read_all_data"),
    Case("RoleTooPowerful", ("CREATE ROLE boss SUPERUSER", "CREATE ROLE deputy", "GRANT boss TO deputy",
                             "GRANT deputy TO orders_owner"), "boss"),
    Case("OwnerCanLogin", ("ALTER ROLE orders_owner LOGIN",), "NOLOGIN"),
    Case("OwnerCannotConnect", ("REVOKE CONNECT ON DATABASE shop FROM orders_owner",
                                "GRANT CONNECT ON DATABASE shop TO orders_a"), OWNER),
    Case("ConnectionLimit", ("ALTER ROLE orders_a CONNECTION LIMIT 20",), "-1"),
    Case("RoleExpires", ("ALTER ROLE orders_a VALID UNTIL '2099-01-01'",), "infinity"),
    Case("SlotActsAsItself", ("ALTER ROLE orders_a RESET role",), "SET role"),
    Case("SettingsDiffer", ("ALTER ROLE orders_owner SET work_mem TO '7MB'",), "work_mem"),
    Case("MembershipOutsideOwner", ("CREATE ROLE extra", "GRANT extra TO orders_a"), "extra"),
    Case("RoleCanGrant", ("GRANT orders_owner TO orders_a WITH ADMIN OPTION",), SLOT_A),
    Case("OtherPlansRole", (f"COMMENT ON ROLE orders_a IS '{OTHERS_TAG}'",), "other/plan"),
    Case("NoFreeSlot", ("ALTER ROLE orders_b LOGIN",), "orders_b can still log in"),
    Case("NoFreeSlot", ("COMMENT ON ROLE orders_b IS NULL",), "not ours"),
    Case("SlotOwnsObjects", ("CREATE TABLE mine ()", "ALTER TABLE mine OWNER TO orders_a"), "REASSIGN OWNED"),
    Case("SlotHoldsRights", ("GRANT SELECT ON orders.line TO orders_a",), "shop"),
    Case("SlotInPolicy", ("CREATE POLICY seen ON orders.line TO orders_a USING (true)",), "ALTER POLICY"),
    Case("LoginNameInCode", ("CREATE POLICY seen ON orders.line USING (what = session_user)",), "policy seen"),
    Case("LoginNameInCode", ("CREATE FUNCTION who() RETURNS text LANGUAGE sql AS 'SELECT SESSION_USER::text'",),
         "who()"),
    Case("LoginNameInCode", ("CREATE FUNCTION w() RETURNS text BEGIN ATOMIC SELECT session_user::text; END",),
         "w()"),
    Case("LoginNameInCode", ("CREATE VIEW mine AS SELECT * FROM orders.line WHERE what = 'orders_a'",),
         "view public.mine"),
    Case("LoginNameInCode", ("ALTER TABLE orders.line ADD made_by text DEFAULT session_user",), "made_by"),
    Case("SubscriptionOwned", ("ALTER ROLE orders_a SUPERUSER",
                               ("CREATE SUBSCRIPTION feed CONNECTION 'dbname=none' PUBLICATION p "
                               "WITH (connect = false, slot_name = NONE, enabled = false)"),
                               "ALTER SUBSCRIPTION feed OWNER TO orders_a", "ALTER ROLE orders_a NOSUPERUSER"), "feed"),
    Case("UserMappingOnSlot", ("CREATE FOREIGN DATA WRAPPER w", "CREATE SERVER far FOREIGN DATA WRAPPER w",
                               "CREATE USER MAPPING FOR orders_a SERVER far"), "far"),
    Case("ScheduledJob", ("CREATE SCHEMA cron", "CREATE TABLE cron.job (jobid int, username text)",
                          "INSERT INTO cron.job VALUES (7, 'orders_a')", "GRANT USAGE ON SCHEMA cron TO PUBLIC",
                          "GRANT SELECT ON cron.job TO PUBLIC"), "7"),
    Case("RotatorIsSuperuser", ("ALTER ROLE keyturn_rotator SUPERUSER",), "superuser"),
    Case("FunctionsMissing", ("DROP SCHEMA keyturn CASCADE",), "functions.sql"),
    Case("FunctionsMissing", ("REVOKE USAGE ON SCHEMA keyturn FROM keyturn_rotator",), "functions.sql"),
    Case("FunctionsNotTrusted", ("ALTER FUNCTION keyturn.ensure(name, name, text, text) OWNER TO orders_owner",),
         "superuser"),
    Case("RoleNotManaged", ("DELETE FROM keyturn.managed WHERE role = 'orders_b'",), SLOT_B),
]  # fmt: skip


async def found(setting: Setting, current: Credential = CURRENT) -> dict[str, str]:
    return {problem.reason: problem.message for problem in (await setting.open().preflight(current)).problems}


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_what_would_break_is_named_with_the_way_out(plain: Setting, case: Case):
    plain.server.sql(*case.statements, database="shop")
    problems = await found(plain)
    assert case.reason in problems
    assert case.names in problems[case.reason]


async def test_a_slot_that_does_not_inherit_is_named(plain: Setting):
    if plain.server.flavour.name == "15":
        plain.server.sql("ALTER ROLE orders_a NOINHERIT")
    else:
        plain.server.sql("GRANT orders_owner TO orders_a WITH INHERIT FALSE")
    assert "GRANT orders_owner TO orders_a" in (await found(plain))["SlotDoesNotInherit"]


async def test_code_that_a_person_reviewed_does_not_block(plain: Setting):
    plain.server.sql("CREATE FUNCTION who() RETURNS text LANGUAGE sql AS 'SELECT session_user::text'",
                     "COMMENT ON FUNCTION who() IS 'for the audit log; keyturn:reviewed'", database="shop")  # fmt: skip
    assert await found(plain) == {}


async def test_current_user_in_code_is_safe(plain: Setting):
    plain.server.sql("CREATE POLICY seen ON orders.line USING (current_user = 'orders_owner')", database="shop")
    assert await found(plain) == {}


async def test_prepared_transactions_of_the_login_block(plain: Setting):
    plain.server.sql("BEGIN", "INSERT INTO orders.line VALUES (2, 'x')", "SET ROLE NONE", "PREPARE TRANSACTION 'left'",
                     user=SLOT_A, password=PASSWORD, database="shop")  # fmt: skip
    assert "left" in (await found(plain))["PreparedTransaction"]


async def test_rights_in_another_database_are_found_too(plain: Setting):
    plain.server.sql("CREATE DATABASE archive")
    plain.server.sql("CREATE TABLE mine ()", "ALTER TABLE mine OWNER TO orders_b", database="archive")
    assert "archive" in (await found(plain))["SlotOwnsObjects"]


@pytest.mark.parametrize(
    ("method", "reason"), [("password", "NotScram"), ("reject", "NotAdmitted")], ids=["clear text", "rejected"]
)
async def test_an_endpoint_that_refuses_or_wants_the_password_in_clear_is_named(
    plain: Setting, method: str, reason: str
):
    how = "hostssl" if plain.server.flavour.tls else "host"
    try:
        plain.server.hba(f"{how} all orders_a 127.0.0.1/32 {method}", f"{how} all all 127.0.0.1/32 scram-sha-256")
        assert reason in await found(plain)
    finally:
        plain.server.hba(f"{how} all all 127.0.0.1/32 scram-sha-256")


@pytest.mark.fm(9)
async def test_a_current_credential_that_does_not_log_in_is_told_from_a_disabled_one(plain: Setting):
    assert "CurrentRefused" in await found(plain, Credential(SLOT_A, Sealed("something-else-entirely")))
    plain.server.sql("ALTER ROLE orders_a NOLOGIN")
    assert "CurrentDisabled" in await found(plain)


async def test_a_secret_with_a_role_of_nobodys_plan_blocks(plain: Setting):
    assert "CurrentNotDeclared" in await found(plain, Credential("postgres", Sealed(plain.server.password)))


@pytest.mark.fm(54)
async def test_an_endpoint_that_nobody_listens_on_is_down(plain: Setting):
    server = plain.server
    ends = ({"name": "primary", "host": server.host, "port": server.port}, {"name": "two", "host": server.host,
            "port": free_port()})  # fmt: skip
    assert "two" in (await found(plain.but(endpoints=ends)))["EndpointDown"]


async def test_an_endpoint_on_a_standby_is_named(plain: Setting):
    twin = plain.server.clone(standby=True)
    try:
        ends = ({"name": "replica", "host": twin.host, "port": twin.port},)
        assert "replica" in (await found(plain.but(endpoints=ends)))["EndpointIsStandby"]
    finally:
        twin.stop()


async def test_room_for_both_pools_is_asked_for(plain: Setting):
    plain.server.sql("ALTER DATABASE shop CONNECTION LIMIT 7")
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(plain.server.connect(SLOT_A, PASSWORD, "shop"))
        assert "4 are needed" in (await found(plain))["TooFewConnections"]


async def test_a_replication_connection_of_the_login_blocks(setting: Setting):
    setting.server.sql("ALTER ROLE orders_a REPLICATION")
    with psycopg.connect(host="localhost", port=setting.server.port, user=SLOT_A, password=PASSWORD, dbname="shop",
                         replication="database", autocommit=True):  # fmt: skip
        setting.server.sql("ALTER ROLE orders_a NOREPLICATION")
        problems = await found(setting)
    assert SLOT_A in problems["ReplicationSession"]


class TestCreateRole:
    """What is particular to the convenient form."""

    @pytest.fixture(params=["15", "18"])
    def create_role(self, request: pytest.FixtureRequest, servers: Servers) -> Setting:
        return make_ready(servers[request.param], "CreateRole")

    async def test_on_15_it_must_be_acknowledged(self, create_role: Setting):
        problems = await found(create_role.but(acknowledged=False))
        assert ("CreateRoleOn15" in problems) is (create_role.server.flavour.name == "15")

    @pytest.mark.parametrize(
        "statement",
        [
            f"ALTER ROLE {ROTATOR} NOCREATEROLE",
            f"REVOKE pg_read_all_stats FROM {ROTATOR}",
            f"REVOKE pg_signal_backend FROM {ROTATOR}",
        ],
    )
    async def test_missing_rights_of_the_rotator_are_named(self, create_role: Setting, statement: str):
        create_role.server.sql(statement)
        assert "RotatorLacksRights" in await found(create_role)

    async def test_settings_only_superusers_can_give_are_named(self, create_role: Setting):
        create_role.server.sql("ALTER ROLE orders_owner SET log_min_duration_statement = 100")
        assert "log_min_duration_statement" in (await found(create_role))["SettingNotCopyable"]

    async def test_what_cannot_be_asked_is_said(self, create_role: Setting):
        asked = await create_role.open().preflight(CURRENT)
        assert {note.reason for note in asked.unchecked} >= {"PoolersNotAsked", "HbaNotAsked"}
