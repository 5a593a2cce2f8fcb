"""Code Spaces, June 2014, with real roles at real PostgreSQL servers: three logins of his, and three closed doors."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from keyturn.core.model import Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, Denied
from keyturn.reconciler import checklist
from support.postgres_plan import CURRENT, ROTATOR, SLOT_A, SLOT_B, Setting, make_ready, op, session
from support.postgres_server import Servers

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("providers_closed")]

HIS = (
    Credential("metrics_ro", Sealed("a-password-that-he-has-chosen-1")),
    Credential("backup_tmp", Sealed("a-password-that-he-has-chosen-2")),
)
NAMES = tuple(one.id for one in HIS)


@pytest.fixture(params=[f"{flavour}-{form}" for flavour in ("15", "18") for form in ("Functions", "CreateRole")])
def broken_into(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Setting]:
    """He knows orders_a's password, is a member of the owner under one name, and reads everything under another."""
    flavour, form = request.param.split("-")
    setting = make_ready(servers[flavour], form)
    for one, group in zip(HIS, ("orders_owner", "pg_read_all_data"), strict=True):
        words = f"CREATE ROLE {one.id} LOGIN PASSWORD '{one.value.reveal_text()}'"
        setting.server.sql(words, f"GRANT {group} TO {one.id}", f"GRANT CONNECT ON DATABASE shop TO {one.id}")
    yield setting
    servers[flavour].revive()


def needs_a_grant(setting: Setting) -> bool:
    """On 16 and newer the form CreateRole alters only what somebody has given it; docs/providers/postgres.md."""
    return setting.form == "CreateRole" and setting.server.flavour.name != "15"


def hand_over(setting: Setting) -> None:
    """What an administrator then says, before people approve."""
    if needs_a_grant(setting):
        words = (f"GRANT {name} TO {ROTATOR} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE" for name in NAMES)
        setting.server.sql(*words)


def opens(setting: Setting, credential: Credential) -> bool:
    try:
        session(setting, credential).close()
    except psycopg.OperationalError as error:
        if "not permitted to log in" not in str(error):
            raise
        return False
    return True


async def test_both_are_in_the_inventory_with_the_way_they_came(broken_into: Setting) -> None:
    found = await broken_into.open().inventory()
    problems = checklist.strangers(found)
    assert [problem.reason for problem in problems] == ["StrangerInInventory"] * 2
    assert {one.id for one in found if one.stranger} == set(NAMES)
    assert all(any(name in problem.message for problem in problems) for name in NAMES)


async def test_after_containment_real_logins_with_all_three_are_refused_and_his_sessions_are_over(
    broken_into: Setting,
) -> None:
    hand_over(broken_into)
    provider = broken_into.open()
    new = Credential(SLOT_B, provider.mint())
    held = [session(broken_into, one) for one in (CURRENT, *HIS)]
    assert all(one.execute("SELECT what FROM orders.line").fetchall() == [("tea",)] for one in held)
    await provider.contain(op("Contain"), new, SLOT_A, NAMES)
    for id_ in (SLOT_A, *NAMES):
        await provider.end_sessions(op("EndSessions"), id_)
    for one in held:
        with pytest.raises(psycopg.OperationalError):
            one.execute("SELECT what FROM orders.line")
        one.close()
    assert not any(opens(broken_into, one) for one in (CURRENT, *HIS))
    assert await provider.test(new) is Trial.WORKS
    assert opens(broken_into, new)
    assert not any(one.stranger for one in await provider.inventory())


async def test_one_who_is_not_named_keeps_his_login_and_stays_in_the_inventory(broken_into: Setting) -> None:
    hand_over(broken_into)
    provider = broken_into.open()
    await provider.contain(op("Contain"), Credential(SLOT_B, provider.mint()), SLOT_A, NAMES[:1])
    assert [opens(broken_into, one) for one in HIS] == [False, True]
    assert [one.id for one in await provider.inventory() if one.stranger] == [NAMES[1]]


@pytest.mark.parametrize("broken_into", ["18-CreateRole"], indirect=True)
async def test_out_of_the_rotators_reach_nothing_is_done_by_halves(broken_into: Setting) -> None:
    """He is then still in, and the words say what an administrator must do; the other forms reach him."""
    provider = broken_into.open()
    with pytest.raises(Denied) as refused:
        await provider.contain(op("Contain"), Credential(SLOT_B, provider.mint()), SLOT_A, NAMES)
    assert refused.value.reason == "StrangerOutOfReach"
    assert "WITH ADMIN TRUE" in refused.value.message
    assert all(opens(broken_into, one) for one in (CURRENT, *HIS))
