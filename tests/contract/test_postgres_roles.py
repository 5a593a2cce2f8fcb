"""What was seen to go wrong with roles on real servers, each as a test."""

from __future__ import annotations

import asyncio

import pytest

from keyturn.core.model import Existence, Trial
from keyturn.ports import Conflict, Credential, Denied, Misconfigured, OutcomeUnknown, Unavailable
from support.postgres_plan import (
    CURRENT,
    OWNER,
    SLOT_A,
    SLOT_B,
    Setting,
    install,
    made,
    op,
    session,
)

pytestmark = pytest.mark.contract
PASSWORD = CURRENT.value.reveal_text()


# ------------------------------------------------------------------------------------------------ rights and settings


async def test_what_new_creates_belongs_to_the_owner_and_old_can_alter_it(setting: Setting):
    new = await made(setting.open())
    with session(setting, new) as connection:
        connection.execute("CREATE TABLE orders.made_by_new (id int)")
    with session(setting, CURRENT) as connection:
        connection.execute("ALTER TABLE orders.made_by_new ADD what text")
    rows = setting.server.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'made_by_new'", database="shop")
    assert rows == [(OWNER,)]


@pytest.mark.parametrize("reset", ["DISCARD ALL", "RESET ALL", "RESET ROLE", "SET SESSION AUTHORIZATION DEFAULT"])
async def test_what_poolers_send_between_clients_keeps_the_role(setting: Setting, reset: str):
    new = await made(setting.open())
    with session(setting, new) as connection:
        connection.execute(reset.encode())
        assert connection.execute("SELECT current_user").fetchone() == (OWNER,)


async def test_a_session_that_gives_its_role_away_keeps_access_and_loses_ownership(setting: Setting):
    new = await made(setting.open())
    with session(setting, new) as connection:
        connection.execute("SET ROLE NONE")
        assert connection.execute("SELECT current_user").fetchone() == (SLOT_B,)
        assert connection.execute("SELECT count(*) FROM orders.line").fetchone() == (1,)
        connection.execute("INSERT INTO orders.line VALUES (2, 'written without the role')")
        connection.execute("CREATE TABLE orders.stray (id int)")
    assert "SlotOwnsObjects" in {problem.reason for problem in (await setting.open().preflight(CURRENT)).problems}


async def test_the_owners_settings_reach_the_next_slot_lists_and_databases_included(setting: Setting):
    path = '"$user", orders, "Odd ""name""", public'
    setting.server.sql(
        f"ALTER ROLE orders_owner SET search_path TO {path}",
        "ALTER ROLE orders_owner SET work_mem TO '7MB'",
        "ALTER ROLE orders_owner IN DATABASE shop SET statement_timeout TO '42s'",
        "ALTER ROLE orders_a SET work_mem TO '9MB'",
        "ALTER ROLE orders_a SET DateStyle TO 'ISO, DMY'",
    )
    new = await made(setting.open())
    with session(setting, new) as connection:
        shown = {name: connection.execute(f"SHOW {name}".encode()).fetchone() for name in
                 ("search_path", "work_mem", "statement_timeout", "DateStyle", "role")}  # fmt: skip
    assert shown == {
        "search_path": (path,), "work_mem": ("9MB",),
        "statement_timeout": ("42s",), "DateStyle": ("ISO, DMY",), "role": (OWNER,),
    }  # fmt: skip


async def test_a_hostile_search_path_cannot_smuggle_statements_into_the_copy(setting: Setting):
    with session(setting, CURRENT) as connection:
        connection.execute("SET ROLE NONE")
        connection.execute("SELECT set_config('search_path', 'a;ALTER/**/ROLE/**/orders_a/**/SUPERUSER', false)")
        connection.execute("ALTER ROLE orders_a SET search_path FROM CURRENT")
    new = await made(setting.open())
    assert setting.server.sql("SELECT count(*) FROM pg_roles WHERE rolsuper") == [(1,)]
    with session(setting, new) as connection:
        assert connection.execute("SHOW search_path").fetchone() == ('"a;alter/**/role/**/orders_a/**/superuser"',)


@pytest.mark.fm(8)
async def test_settings_of_a_former_generation_do_not_stay_on_the_slot(setting: Setting):
    provider = setting.open()
    new = await made(provider)
    setting.server.sql(f"ALTER ROLE {new.id} SET work_mem TO '11MB'")
    await provider.ensure(op(), new, SLOT_A)
    with session(setting, new) as connection:
        assert connection.execute("SHOW work_mem").fetchone() != ("11MB",)


@pytest.mark.fm(10)
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER ROLE orders_b RESET role",
        "CREATE ROLE extra; GRANT extra TO orders_b",
    ],
)
async def test_a_slot_with_other_rights_or_another_role_is_lacking(setting: Setting, statement: str):
    provider = setting.open()
    new = await made(provider)
    setting.server.sql(*statement.split("; "))
    assert await provider.test(new) is Trial.LACKING


@pytest.mark.fm(10)
async def test_a_slot_that_lost_its_inheritance_is_lacking(setting: Setting):
    provider = setting.open()
    new = await made(provider)
    setting.server.sql("GRANT CONNECT ON DATABASE shop TO PUBLIC")  # else it cannot even connect
    if setting.server.flavour.name == "15":
        setting.server.sql("ALTER ROLE orders_b NOINHERIT")
    else:  # the grant has its grantor's name on it, and another grant would be a second one
        setting.server.sql("UPDATE pg_auth_members SET inherit_option = false WHERE member = 'orders_b'::regrole")
    assert await provider.test(new) is Trial.LACKING


async def test_a_trial_leaves_nothing_behind(setting: Setting):
    provider = setting.open()
    before = setting.server.sql("SELECT count(*) FROM pg_largeobject_metadata", database="shop")
    assert await provider.test(CURRENT) is Trial.WORKS
    assert setting.server.sql("SELECT count(*) FROM pg_largeobject_metadata", database="shop") == before == [(0,)]


async def test_an_expiry_of_infinity_is_no_expiry_and_can_be_read(setting: Setting):
    setting.server.sql("ALTER ROLE orders_a VALID UNTIL 'infinity'")
    assert (await setting.open().preflight(CURRENT)).problems == ()


# ------------------------------------------------------------------------------------------------------- tag and epoch


@pytest.mark.fm(38, 44)
async def test_an_older_leader_is_refused_in_the_same_transaction(setting: Setting):
    provider = setting.open()
    new = Credential(SLOT_B, provider.mint())
    await provider.ensure(op(epoch=7), new, SLOT_A)
    for attempt in (
        provider.ensure(op(epoch=6), Credential(SLOT_B, provider.mint()), SLOT_A),
        provider.disable(op("Disable", epoch=6), SLOT_B),
        provider.enable(op("Enable", epoch=6), Credential(SLOT_B, provider.mint())),
    ):
        with pytest.raises(Denied) as refused:
            await attempt
        assert refused.value.reason == "NewerLeader"
    assert await provider.test(new) is Trial.WORKS


async def test_enabling_what_works_changes_its_tag_and_nothing_else(setting: Setting):
    query = "SELECT rolpassword, rolcanlogin, rolconnlimit FROM pg_authid WHERE rolname = 'orders_a'"
    before = setting.server.sql(query)
    provider = setting.open()
    await provider.enable(op("Enable", 2), CURRENT)
    assert setting.server.sql(query) == before
    await provider.enable(op("Enable", 2), Credential(SLOT_A, provider.mint()))
    assert setting.server.sql(query) != before


async def test_an_owner_that_carries_another_plans_tag_is_no_obstacle_to_a_new_slot(setting: Setting):
    tag = "keyturn:v1 plan=shop/another rotation=rotation-1 gen=9 epoch=9 state=active"
    setting.server.sql(f"COMMENT ON ROLE orders_owner IS '{tag}'")
    provider = setting.open()
    new = Credential(SLOT_B, provider.mint())
    await provider.ensure(op(), new, "")
    assert await provider.test(new) is Trial.WORKS


async def test_a_new_role_is_made_though_somebody_dropped_the_old_one(setting: Setting):
    setting.server.sql("DROP ROLE orders_a")
    provider = setting.open()
    new = Credential(SLOT_B, provider.mint())
    await provider.ensure(op(), new, SLOT_A)
    assert await provider.test(new) is Trial.WORKS


@pytest.mark.fm(44)
async def test_the_way_back_does_not_begin_while_a_create_is_in_the_middle(setting: Setting):
    """Create has locked OLD: either its new role is there to be seen once OLD is tagged, or it is refused."""
    provider = setting.open()
    with setting.server.connect(database="shop") as stopped:
        stopped.execute("BEGIN")
        stopped.execute("ALTER ROLE orders_a")
        with pytest.raises((Conflict, Unavailable)):
            await provider.enable(op("Enable", 2), CURRENT)
        stopped.execute("ROLLBACK")
    await provider.enable(op("Enable", 2), CURRENT)


async def test_functions_of_the_former_version_enable_what_works_too(setting: Setting):
    if setting.form != "Functions":
        return
    former = "CREATE OR REPLACE FUNCTION keyturn.version() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2'"
    setting.server.sql(former, database="shop")
    provider = setting.open()
    await provider.enable(op("Enable", 2), CURRENT)
    assert await provider.test(CURRENT) is Trial.WORKS


@pytest.mark.fm(6)
async def test_a_role_of_another_plan_is_not_touched(setting: Setting):
    await made(setting.open())
    other = setting.but(plan="other-plan").open()
    for attempt in (
        other.disable(op("Disable"), SLOT_B),
        other.ensure(op(rotation="rotation-9"), Credential(SLOT_B, other.mint()), SLOT_A),
        other.delete(op("Delete"), SLOT_B),
    ):
        with pytest.raises(Denied) as refused:
            await attempt
        assert refused.value.reason == "OtherPlansRole"
    with pytest.raises(Misconfigured):
        await other.next_id(SLOT_A)


@pytest.mark.fm(6, 8)
async def test_an_existing_role_that_nobody_handed_over_is_not_taken(setting: Setting):
    if setting.form == "CreateRole":
        setting.server.sql("CREATE ROLE orders_b NOLOGIN")
        install(setting.server, "CreateRole")
    else:
        setting.server.sql("COMMENT ON ROLE orders_b IS 'belongs to the finance team'")
    provider = setting.open()
    with pytest.raises(Misconfigured):
        await provider.next_id(SLOT_A)
    with pytest.raises(Denied) as refused:
        await provider.ensure(op(), Credential(SLOT_B, provider.mint()), SLOT_A)
    assert refused.value.reason == "SlotNotOurs"


async def test_what_people_wrote_in_a_roles_comment_stays(setting: Setting):
    setting.server.sql("COMMENT ON ROLE orders_a IS 'owned by the orders team'")
    provider = setting.open()
    await provider.disable(op("Disable"), SLOT_A)
    await provider.enable(op("Enable", 2), CURRENT)
    ((comment,),) = setting.server.sql("SELECT shobj_description('orders_a'::regrole, 'pg_authid')")
    assert comment == (
        "owned by the orders team\nkeyturn:v1 plan=shop/orders-db rotation=rotation-1 gen=2 epoch=1 state=active"
    )


@pytest.mark.fm(8)
async def test_a_slot_that_another_rotation_left_enabled_is_not_overwritten(setting: Setting):
    provider = setting.open()
    new = await made(provider)
    with pytest.raises(Denied) as refused:
        await provider.ensure(op(rotation="rotation-2"), Credential(SLOT_B, provider.mint()), SLOT_A)
    assert refused.value.reason == "SlotInUse"
    assert await provider.test(new) is Trial.WORKS


@pytest.mark.fm(44)
async def test_two_writers_at_once_never_both_succeed_silently(setting: Setting):
    provider = setting.open()
    await made(provider)
    with setting.server.connect(database="shop") as other:
        other.execute("BEGIN")
        other.execute("ALTER ROLE orders_b NOLOGIN")
        with pytest.raises((Conflict, Unavailable)):
            await provider.disable(op("Disable"), SLOT_B)
        other.execute("ROLLBACK")
    await provider.disable(op("Disable"), SLOT_B)


@pytest.mark.fm(7)
async def test_a_change_that_is_refused_at_its_end_leaves_nothing_of_itself(setting: Setting):
    provider = setting.open()
    query = "SELECT rolname, rolcanlogin, rolpassword FROM pg_authid WHERE rolname = 'orders_b'"
    before = setting.server.sql(query)
    setting.server.sql("CREATE ROLE boss SUPERUSER", "GRANT boss TO orders_owner")
    with pytest.raises(Denied) as refused:
        await provider.ensure(op(), Credential(SLOT_B, provider.mint()), SLOT_A)
    assert refused.value.reason == "RoleTooPowerful"
    assert setting.server.sql(query) == before


@pytest.mark.fm(3)
async def test_a_connection_lost_in_mid_write_leaves_the_outcome_unknown_and_the_same_op_repairs_it(setting: Setting):
    provider = setting.open()
    await made(provider)
    waiting = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE usename = 'keyturn_rotator' AND wait_event_type = 'Lock'"
    )
    with setting.server.connect(database="shop") as other:
        other.execute("BEGIN")
        other.execute("ALTER ROLE orders_b CONNECTION LIMIT -1")
        writing = asyncio.create_task(provider.disable(op("Disable"), SLOT_B))
        while not await asyncio.to_thread(setting.server.sql, waiting):
            assert not writing.done()
        with pytest.raises(OutcomeUnknown):
            await writing
        other.execute("ROLLBACK")
    await provider.disable(op("Disable"), SLOT_B)
    states = {principal.id: principal.state for principal in await provider.inventory()}
    assert states[SLOT_B] is Existence.DISABLED
