"""The shop's rotator is turned by a break-glass one on real servers, and works on: see docs/providers/postgres.md."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from keyturn.core.model import Existence, Reach, Trial
from keyturn.ports import Credential
from support.postgres_plan import CURRENT, ROTATOR, ROTATOR_PASSWORD, SLOT_A, op
from support.postgres_rotators import GLASS, GLASS_PASSWORD, ROTATOR_A, ROTATOR_B, Glass
from support.postgres_server import Servers

pytestmark = pytest.mark.contract


@pytest.fixture(params=["15-Functions", "18-Functions", "18-CreateRole"])
def glass(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Glass]:
    flavour, form = request.param.split("-")
    with Glass(servers[flavour], form) as made:
        yield made


@pytest.fixture
def plain(servers: Servers) -> Iterator[Glass]:
    with Glass(servers["18"]) as made:
        yield made


async def turned(glass: Glass, name: str = "turn-1") -> None:
    glass.ask(name)
    await glass.run(lambda g: g.ended and name in g.plan.status.ran)
    assert glass.status.phase == "Complete", glass.told()


def refused(glass: Glass, user: str, password: str) -> bool:
    try:
        glass.session(user, password)
    except psycopg.OperationalError as error:
        return any(words in str(error) for words in ("not permitted to log in", "password authentication failed"))
    return False


async def test_it_is_turned_and_the_former_one_can_log_in_no_more(glass: Glass):
    await turned(glass)
    assert glass.held[0] == ROTATOR_A
    assert glass.status.proven == "1/1"
    assert refused(glass, ROTATOR, ROTATOR_PASSWORD)

    former = glass.held
    await turned(glass, "turn-2")
    assert glass.held[0] == ROTATOR_B
    assert refused(glass, *former)


async def test_an_ordinary_rotation_is_carried_out_by_the_new_one(glass: Glass):
    await turned(glass)
    shop = await glass.shop()
    assert await shop.reach() is Reach.UP
    assert (await shop.preflight(CURRENT)).problems == ()
    new = Credential(await shop.next_id(SLOT_A), shop.mint())

    await shop.ensure(op(), new, SLOT_A)
    assert await shop.test(new) is Trial.WORKS
    await shop.disable(op("Disable"), SLOT_A)
    await shop.end_sessions(op("EndSessions"), SLOT_A)
    assert await shop.test(CURRENT) is Trial.DISABLED
    assert (await shop.usage([SLOT_A], new))[SLOT_A].sessions == ()
    await shop.delete(op("Delete"), SLOT_A)

    states = {one.id: one.state for one in await shop.inventory()}
    assert (states[SLOT_A], states[new.id]) == (Existence.RETIRED, Existence.ACTIVE)
    assert not [one for one in await shop.inventory() if one.stranger]
    await shop.close()


async def test_a_new_rotator_that_the_shop_refuses_is_given_up_and_the_old_one_serves(plain: Glass):
    usual = "host all all 127.0.0.1/32 scram-sha-256"
    plain.ask()
    await plain.run(lambda g: g.status.phase == "Create")
    plain.server.hba(f"host shop {ROTATOR_A} all reject", usual)  # earlier, Preflight would have found it
    try:
        await plain.run()
    finally:
        plain.server.hba(usual)
    assert plain.status.phase == "RolledBack"
    assert plain.status.turned_back is not None
    assert plain.status.turned_back.reason == "PodsHoldAnother"
    assert plain.held == (ROTATOR, ROTATOR_PASSWORD)


async def test_a_session_that_another_replica_left_open_is_waited_for_by_name(plain: Glass):
    plain.session(ROTATOR, ROTATOR_PASSWORD)
    plain.ask()
    await plain.run(lambda g: g.status.blocked_by == "OldCredentialInUse")
    assert plain.status.phase == "Soak"
    assert "OldCredentialInUse: keyturn-operator-1" in plain.told()
    plain.others.close()
    await plain.run()
    assert plain.status.phase == "Complete"


async def test_what_this_process_itself_still_does_as_the_old_one_counts_as_use(plain: Glass):
    shop = await plain.shop()
    await shop.identify()  # its session stays open for as long as the step of that plan lasts
    plain.ask()
    await plain.run(lambda g: g.status.blocked_by == "OldCredentialInUse")
    assert "OldCredentialInUse: keyturn-operator-1" in plain.told()
    await shop.close()
    await plain.run()
    assert plain.status.phase == "Complete"


async def test_one_that_may_make_roles_is_not_turned(plain: Glass):
    plain.server.sql(f"ALTER ROLE {ROTATOR} CREATEROLE")
    plain.ask()
    await plain.run(lambda g: bool(g.plan.status.conditions))
    assert {one.reason for one in plain.plan.status.conditions} == {"RoleTooPowerful"}
    assert plain.held == (ROTATOR, ROTATOR_PASSWORD)


async def test_neither_can_do_the_others_work(plain: Glass):
    """The break-glass one cannot touch the shop's roles, and the rotator cannot touch its own."""
    with pytest.raises(psycopg.OperationalError, match="does not have CONNECT privilege"):
        plain.session(GLASS, GLASS_PASSWORD)
    with (
        plain.server.connect(GLASS, GLASS_PASSWORD, "rotators") as glass,
        pytest.raises(psycopg.DatabaseError, match="KT001"),
    ):
        glass.execute("SELECT keyturn.disable('orders_a', 'x')")
    with (
        plain.server.connect(ROTATOR, ROTATOR_PASSWORD, "rotators") as rotator,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        rotator.execute(f"SELECT keyturn.disable('{ROTATOR_A}', 'x')")
