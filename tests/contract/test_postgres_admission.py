"""pg_hba.conf on real servers: whether the next slot gets in where consumers are, before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.postgres_plan import CURRENT, ROTATOR, Setting
from support.postgres_server import PostgresServer

pytestmark = pytest.mark.contract
POD, ELSEWHERE = "10.1.2.3", "10.2.0.9"


def kind(server: PostgresServer) -> str:
    return "hostssl" if server.flavour.tls else "host"


def usual(server: PostgresServer) -> tuple[str, ...]:
    """What the tests themselves come in by: from here, and nobody else."""
    how = kind(server)
    return (f"{how} all,replication all 127.0.0.1/32 scram-sha-256",)


@pytest.fixture(autouse=True)
def rules_as_before(request: pytest.FixtureRequest) -> Iterator[None]:
    given = next(
        request.getfixturevalue(name) for name in ("plain", "setting", "fifteen") if name in request.fixturenames
    )
    yield
    given.server.hba(*usual(given.server))


async def told(setting: Setting, *lines: str, clients: tuple[str, ...] = (POD,)) -> tuple[dict[str, str], set[str]]:
    """What Preflight says with these lines below our own: what blocks, and what it could not tell."""
    setting.server.hba(*usual(setting.server), *lines)
    found = await setting.open().preflight(CURRENT, clients)
    return {p.reason: p.message for p in found.problems}, {p.reason for p in found.unchecked}


@pytest.mark.parametrize("users", ["all", "+orders_owner", "orders_a,orders_b", '"orders_a","orders_b"'])
async def test_a_rule_for_both_slots_admits(plain: Setting, users: str):
    problems, _ = await told(plain, f"{kind(plain.server)} shop {users} 10.0.0.0/8 scram-sha-256")
    assert problems == {}


async def test_the_refusing_line_and_the_address_are_named(plain: Setting):
    how = kind(plain.server)
    lines = (f"{how} all orders_b 10.1.0.0/16 reject", f"{how} all +orders_owner 10.0.0.0/8 scram-sha-256")
    problems, _ = await told(plain, *lines, clients=(POD, ELSEWHERE))
    assert f"orders_b from {POD}" in problems["HbaRefusesSlot"]
    assert "line 2 of pg_hba.conf says reject" in problems["HbaRefusesSlot"]
    assert ELSEWHERE not in problems["HbaRefusesSlot"]


async def test_an_address_no_line_is_about_is_named(plain: Setting):
    problems, _ = await told(plain, f"{kind(plain.server)} all all 10.1.0.0/16 scram-sha-256", clients=(POD, ELSEWHERE))
    assert ELSEWHERE in problems["HbaRefusesSlot"]
    assert "no line of pg_hba.conf matches" in problems["HbaRefusesSlot"]
    assert f"{POD}:" not in problems["HbaRefusesSlot"]


@pytest.mark.parametrize("method", ["trust", "password"])
async def test_another_method_is_named(plain: Setting, method: str):
    problems, _ = await told(plain, f"{kind(plain.server)} all all 10.0.0.0/8 {method}")
    assert f"says {method}" in problems["HbaOtherMethod"]


async def test_a_line_that_names_one_slot_blocks_whatever_the_address(plain: Setting):
    how = kind(plain.server)
    problems, _ = await told(plain, f"{how} shop orders_a 10.0.0.0/8 scram-sha-256", clients=())
    assert "Line 2" in problems["HbaNamesOneRole"]
    problems, _ = await told(plain, f"{how} shop +orders_owner,orders_a 10.0.0.0/8 scram-sha-256", clients=())
    assert problems == {}


async def test_what_only_the_server_can_tell_is_said_and_does_not_block(plain: Setting):
    problems, notes = await told(plain, f"{kind(plain.server)} all all samenet scram-sha-256")
    assert problems == {}
    assert "HbaUncertain" in notes


async def test_a_quoted_all_is_not_taken_for_everybody(plain: Setting):
    how = kind(plain.server)
    problems, notes = await told(plain, f'{how} all "all" 10.0.0.0/8 scram-sha-256  # "everybody"')
    assert problems == {}
    assert "HbaUncertain" in notes
    _, notes = await told(plain, f'{how} all all 10.0.0.0/8 scram-sha-256  # "everybody"')
    assert "HbaUncertain" not in notes


async def test_patterns_mean_what_the_server_means_by_them(plain: Setting):
    line = rf"{kind(plain.server)} all /^orders_[[:alpha:]]$ 10.0.0.0/8 scram-sha-256"
    problems, _ = await told(plain, line)
    known = plain.server.flavour.name != "15"  # before 16 that is a name like any other
    assert ("HbaRefusesSlot" in problems) is not known


async def test_a_file_the_server_has_not_read_yet_says_nothing(plain: Setting):
    lines = (*usual(plain.server), f"{kind(plain.server)} all all 10.0.0.0/8 scram-sha-256")
    plain.server.hba(*lines)
    plain.server.sql("SELECT pg_sleep_until(date_trunc('second', clock_timestamp()) + interval '1 second')")
    plain.server.write_hba(*lines)
    blocked = {p.reason: p.message for p in (await plain.open().preflight(CURRENT, (POD,))).problems}
    assert "pg_reload_conf()" in blocked["HbaNotInForce"]


async def test_a_file_with_an_error_says_nothing(plain: Setting):
    problems, _ = await told(plain, "hostsl all all 10.0.0.0/8 scram-sha-256")
    assert "Line 2" in problems["HbaNotInForce"]


async def test_without_tls_it_matters_only_where_the_current_role_gets_in_without(fifteen: Setting):
    lines = ("hostssl all all 10.0.0.0/8 scram-sha-256",)
    assert (await told(fifteen, *lines))[0] == {}
    lines = ("hostnossl all orders_b 10.0.0.0/8 reject", "host all +orders_owner 10.0.0.0/8 scram-sha-256")
    assert f"{POD} (without TLS)" in (await told(fifteen, *lines))[0]["HbaRefusesSlot"]


async def test_the_server_decides_as_we_say_it_does(plain: Setting):
    how = kind(plain.server)
    plain.server.hba(f"{how} all postgres,{ROTATOR},orders_a 127.0.0.1/32 scram-sha-256",
                     f"{how} all /^x 127.0.0.1/32 scram-sha-256", f'{how} all "all" 127.0.0.1/32 scram-sha-256',
                     f'{how} all "+orders_owner" 127.0.0.1/32 scram-sha-256')  # fmt: skip
    # orders_b is refused by the server itself: no line is about it
    plain.server.sql("ALTER ROLE orders_b LOGIN PASSWORD 'some-password'")
    with pytest.raises(Exception, match=r"no pg_hba\.conf entry"):
        plain.server.connect("orders_b", "some-password", "shop")
    found = await plain.open().preflight(CURRENT, ("127.0.0.1",))
    told_so = {p.reason for p in (*found.problems, *found.unchecked)}
    assert "HbaUncertain" in told_so  # the quotes are seen, what they mean is not guessed at


async def test_the_convenient_form_asks_only_where_it_may(setting: Setting):
    line = f"{kind(setting.server)} all orders_a 10.0.0.0/8 scram-sha-256"
    problems, notes = await told(setting, line)
    if setting.form == "Functions":
        assert "HbaRefusesSlot" in problems
        return
    assert "HbaNotAsked" in notes
    setting.server.sql(f"GRANT SELECT ON pg_hba_file_rules TO {ROTATOR}",
                       f"GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO {ROTATOR}", database="shop")  # fmt: skip
    problems, notes = await told(setting, line)
    assert "HbaRefusesSlot" in problems
    assert "HbaNotAsked" not in notes
