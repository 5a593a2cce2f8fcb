"""Somebody else may have the old value: what is cut off at once, and who never is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from keyturn.core.model import Trial
from keyturn.ports import Credential, Denied
from keyturn.providers.postgres.provider import PostgresProvider
from support.postgres_plan import CURRENT, OWNER, ROTATOR, SLOT_A, SLOT_B, Setting, op, session

pytestmark = pytest.mark.contract


async def contain(provider: PostgresProvider, *strangers: str) -> Credential:
    new = Credential(SLOT_B, provider.mint())
    await provider.contain(op("Contain"), new, SLOT_A, strangers)
    return new


def reachable(setting: Setting, name: str) -> None:
    """The rotator may alter it, where its form asks for that."""
    if setting.form == "CreateRole" and setting.server.flavour.name != "15":
        setting.server.sql(f'GRANT "{name}" TO {ROTATOR} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE')


def logins(setting: Setting) -> set[str]:
    return {name for (name,) in setting.server.sql("SELECT rolname FROM pg_roles WHERE rolcanlogin")}


@pytest.mark.parametrize(
    "statements",
    [
        ("CREATE ROLE prey LOGIN SUPERUSER",),
        ("CREATE ROLE prey LOGIN REPLICATION", "GRANT orders_owner TO prey"),
        ("CREATE ROLE prey LOGIN", "GRANT orders_owner TO prey", "COMMENT ON ROLE prey IS 'keyturn:known break-glass'"),
        ("CREATE ROLE prey LOGIN", "GRANT orders_owner TO prey",
         "COMMENT ON ROLE prey IS 'keyturn:v1 plan=a/b rotation=r gen=1 epoch=0 state=active'"),
        ("CREATE ROLE prey LOGIN",),
    ],
    ids=["superuser", "replicates", "declared", "another plan's", "does not reach the data"],
)  # fmt: skip
async def test_whoever_must_not_be_cut_off_stops_all_of_it(setting: Setting, statements: tuple[str, ...]):
    setting.server.sql(*statements)
    reachable(setting, "prey")
    before = logins(setting)
    with pytest.raises(Denied) as refused:
        await contain(setting.open(), "prey")
    assert refused.value.reason == "NotContainable"
    assert logins(setting) == before
    assert await setting.open().test(CURRENT) is Trial.WORKS


@pytest.mark.parametrize("name", [ROTATOR, "postgres", SLOT_A, SLOT_B, OWNER])
async def test_neither_the_rotator_nor_the_plans_own_roles_are_strangers(setting: Setting, name: str):
    before = logins(setting)
    with pytest.raises(Denied) as refused:
        await contain(setting.open(), name)
    assert refused.value.reason == "NotContainable"
    assert logins(setting) == before


async def test_rights_and_settings_come_from_the_owner_and_never_from_old(setting: Setting):
    setting.server.sql("CREATE ROLE extra", "GRANT extra TO orders_a", "ALTER ROLE orders_a SET work_mem TO '7MB'",
                       "ALTER ROLE orders_owner SET statement_timeout TO '9s'")  # fmt: skip
    new = await contain(setting.open())
    with session(setting, new) as connection:
        assert connection.execute("SHOW work_mem").fetchone() != ("7MB",)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("9s",)
    groups = setting.server.sql("SELECT g.rolname FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.member "
                                "JOIN pg_roles g ON g.oid = m.roleid WHERE u.rolname = 'orders_b'")  # fmt: skip
    assert groups == [(OWNER,)]


async def test_old_is_cut_off_even_if_it_was_given_powers(setting: Setting):
    setting.server.sql("GRANT pg_read_all_data TO orders_a")
    await contain(setting.open())
    assert SLOT_A not in logins(setting)
    assert SLOT_B in logins(setting)


async def test_a_stranger_of_any_way_in_is_cut_off_and_marked(setting: Setting):
    setting.server.sql("CREATE ROLE reads LOGIN", "GRANT pg_read_all_data TO reads", "CREATE ROLE grantee LOGIN",
                       "COMMENT ON ROLE grantee IS 'of the reports'")  # fmt: skip
    setting.server.sql("GRANT SELECT (what) ON orders.line TO grantee", database="shop")
    for name in ("reads", "grantee"):
        reachable(setting, name)
    await contain(setting.open(), "reads", "grantee")
    assert not logins(setting) & {"reads", "grantee", SLOT_A}
    comments = dict(setting.server.sql("SELECT rolname, shobj_description(oid, 'pg_authid') FROM pg_roles"))
    assert comments["grantee"] == "of the reports\nkeyturn:contained"
    assert comments["reads"] == "keyturn:contained"


async def test_sessions_of_strangers_that_were_not_contained_are_not_ended(setting: Setting):
    setting.server.sql("CREATE ROLE sneaky NOLOGIN", "GRANT orders_owner TO sneaky")
    with pytest.raises(Denied) as refused:
        await setting.open().end_sessions(op("EndSessions"), "sneaky")
    assert refused.value.reason == "RoleNotManaged"


async def test_a_stranger_out_of_the_rotators_reach_is_said_and_nothing_changes(setting: Setting):
    setting.server.sql("CREATE ROLE sneaky LOGIN", "GRANT orders_owner TO sneaky")
    if setting.form == "CreateRole" and setting.server.flavour.name != "15":
        with pytest.raises(Denied) as refused:
            await contain(setting.open(), "sneaky")
        assert refused.value.reason == "StrangerOutOfReach"
        assert SLOT_A in logins(setting)
    else:
        await contain(setting.open(), "sneaky")
        assert "sneaky" not in logins(setting)


async def test_a_slot_that_somebody_logs_in_with_is_not_taken_over(setting: Setting):
    setting.server.sql("ALTER ROLE orders_b LOGIN") if setting.form == "Functions" else setting.server.sql(
        "CREATE ROLE orders_b LOGIN"
    )
    reachable(setting, SLOT_B)
    with pytest.raises(Denied):
        await contain(setting.open())
    assert SLOT_A in logins(setting)


async def test_how_long_a_login_may_be_under_way_is_what_the_server_says(setting: Setting):
    provider = setting.open()
    assert provider.capabilities.settles == timedelta(minutes=1)  # PostgreSQL's default, until it was asked
    await provider.reach()
    assert provider.capabilities.settles == timedelta(seconds=5)
