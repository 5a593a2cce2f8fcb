"""Who still tries the old role after Disable: from the server's log, where its owner shows that much of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from keyturn.core.model import Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, Denied, Session
from keyturn.providers.postgres.connections import OwnSessions
from keyturn.providers.postgres.provider import PostgresProvider
from support.postgres_plan import (
    CURRENT,
    OWNER,
    ROTATOR,
    ROTATOR_PASSWORD,
    SLOT_A,
    SLOT_B,
    SQL,
    Setting,
    make_ready,
    op,
)
from support.postgres_server import PostgresServer, running

pytestmark = pytest.mark.contract
LOGS = {"logging_collector": "on", "log_destination": "stderr,jsonlog", "log_statement": "none"}
NAMES = {"rotator": ROTATOR, "owner": OWNER, "slot_a": SLOT_A, "slot_b": SLOT_B}
ENOUGH = 500  # looks at the log, each a question to the server


@pytest.fixture(scope="module", params=["15", "18"])
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    with running(request.param, LOGS) as started:
        yield started


@pytest.fixture(params=["Functions", "CreateRole"])
def watched(request: pytest.FixtureRequest, server: PostgresServer) -> Setting:
    """OLD is disabled, and the tripwire is there."""
    ready = make_ready(server, request.param)
    server.script(SQL / "tripwire.sql", "shop", **NAMES)
    for log in (server.data / "log").glob("*.json"):
        os.truncate(log, 0)  # what earlier tests tried
    return ready


async def disabled(setting: Setting, own: OwnSessions | None = None) -> PostgresProvider:
    provider = setting.open(own)
    await provider.identify()
    await provider.disable(op("Disable"), SLOT_A)
    return provider


def attempt(setting: Setting, value: str = CURRENT.value.reveal_text(), user: str = SLOT_A) -> None:
    with pytest.raises(psycopg.OperationalError):
        setting.server.connect(user, value, "shop")


async def seen(provider: PostgresProvider, count: int, minutes: float = 0.5) -> tuple[Session, ...]:
    """The attempts, once the log has that many of ours or others': it is written by another process."""
    found: tuple[Session, ...] = ()
    for _ in range(ENOUGH):
        found = await provider.refused_attempts(SLOT_A, datetime.now(UTC) - timedelta(minutes=minutes))  # noqa: TID251
        if len(found) >= count:
            break
    return found


async def test_a_correct_login_that_is_refused_is_seen_with_its_source(watched: Setting):
    provider = await disabled(watched)
    assert provider.capabilities.sees_refused_attempts
    attempt(watched)
    (found,) = await seen(provider, 1)
    assert (found.principal, found.client_address, found.ours) == (SLOT_A, "127.0.0.1", False)
    assert found.client_port
    ((now,),) = watched.server.sql("SELECT now()")
    assert found.started is not None
    assert timedelta() <= now - found.started < timedelta(minutes=1)


async def test_a_wrong_password_another_role_and_an_unknown_one_are_not(watched: Setting):
    provider = await disabled(watched)
    attempt(watched, "not-the-value-at-all")
    attempt(watched, "x", user="nobody_of_that_name")
    watched.server.sql("CREATE ROLE other NOLOGIN PASSWORD 'other-password'")
    attempt(watched, "other-password", user="other")
    attempt(watched)
    assert [found.principal for found in await seen(provider, 1)] == [SLOT_A]


async def test_our_own_trial_is_told_from_somebody_elses(watched: Setting):
    own = OwnSessions()
    provider = await disabled(watched, own)
    assert await provider.test(CURRENT) is Trial.DISABLED
    attempt(watched)
    assert [found.ours for found in await seen(provider, 2)] == [True, False]


async def test_attempts_before_the_time_that_is_asked_about_do_not_count(watched: Setting):
    provider = await disabled(watched)
    attempt(watched)
    await seen(provider, 1)
    watched.server.sql("SELECT pg_sleep(3)")
    later = await provider.refused_attempts(SLOT_A, datetime.now(UTC))  # noqa: TID251
    assert later == ()


async def test_a_log_that_was_rotated_meanwhile_is_read_on_both_sides(watched: Setting):
    provider = await disabled(watched)
    attempt(watched)
    await seen(provider, 1)
    ((before,),) = watched.server.sql("SELECT pg_current_logfile('jsonlog')")
    watched.server.sql("SELECT pg_sleep_until(date_trunc('second', clock_timestamp()) + interval '1.1 second')",
                       "SELECT pg_rotate_logfile()")  # fmt: skip
    while watched.server.sql("SELECT pg_current_logfile('jsonlog')") == [(before,)]:
        pass  # each round asks the server anew
    attempt(watched)
    assert len(await seen(provider, 2)) == 2


async def test_a_long_log_is_read_from_its_end_and_lines_across_blocks_are_whole(watched: Setting):
    provider = await disabled(watched)
    attempt(watched)
    await seen(provider, 1)
    noise = "DO $$ BEGIN FOR i IN 1..300 LOOP RAISE LOG '%', repeat('x', 5000); END LOOP; END $$"
    watched.server.sql(noise)
    attempt(watched)
    assert len(await seen(provider, 2)) == 2
    assert {found.principal for found in await seen(provider, 2)} == {SLOT_A}


async def test_more_log_than_can_be_read_concludes_nothing(watched: Setting):
    provider = await disabled(watched)
    watched.server.sql("DO $$ BEGIN FOR i IN 1..20 LOOP RAISE LOG '%', repeat('x', 1000000); END LOOP; END $$")
    attempt(watched)
    while sum(log.stat().st_size for log in (watched.server.data / "log").glob("*.json")) < 20_000_000:
        watched.server.sql("SELECT 1")  # the log is written by another process
    with pytest.raises(Denied) as refused:
        await provider.refused_attempts(SLOT_A, datetime.now(UTC) - timedelta(seconds=30))  # noqa: TID251
    assert refused.value.reason == "LogTooBusy"
    assert await seen(provider, 1, minutes=5)  # after a longer gap the clock starts again anyway: what is seen is told


async def test_lines_that_other_people_wrote_are_not_believed(watched: Setting):
    provider = await disabled(watched)
    words = 'role "orders_a" is not permitted to log in'
    entry = {"timestamp": "2099-01-01 00:00:00.000 UTC", "user": SLOT_A, "remote_host": "10.0.0.9",
             "state_code": "28000", "message": words}  # fmt: skip
    forged = json.dumps(entry, separators=(",", ":"))
    watched.server.sql(f"DO $x$ BEGIN RAISE LOG '%', $y$\n{forged}\n$y$; END $x$")
    with pytest.raises(psycopg.OperationalError):
        watched.server.connect('orders_a" is not permitted to log in', "x", "shop")
    attempt(watched)
    assert [found.client_address for found in await seen(provider, 1)] == ["127.0.0.1"]


async def test_the_rotator_gets_nothing_else_of_the_log(watched: Setting):
    with watched.server.connect(ROTATOR, ROTATOR_PASSWORD, "shop") as rotator:
        for query in ("SELECT pg_read_file('postgresql.auto.conf')", "SELECT * FROM pg_ls_logdir()",
                      "SELECT * FROM keyturn_log.watched",
                      "INSERT INTO keyturn_log.watched VALUES ('postgres')"):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                rotator.execute(query.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER SYSTEM SET log_destination = 'stderr'",
        "ALTER SYSTEM SET log_hostname = on",
        "ALTER SYSTEM SET log_min_messages = 'panic'",
    ],
)
async def test_a_server_that_logs_otherwise_leaves_watch_blind(watched: Setting, statement: str):
    watched.server.sql(statement, "SELECT pg_reload_conf()")
    try:
        provider = watched.open()
        for _ in range(ENOUGH):
            await provider.reach()
            if not provider.capabilities.sees_refused_attempts:
                break
        assert not provider.capabilities.sees_refused_attempts
        assert await provider.refused_attempts(SLOT_A, datetime(2000, 1, 1, tzinfo=UTC)) == ()
    finally:
        watched.server.configure()
        watched.server.sql("SELECT pg_reload_conf()")
        provider = watched.open()
        while not provider.capabilities.sees_refused_attempts:
            await provider.reach()


async def test_a_tripwire_for_other_roles_or_of_somebody_else_is_not_asked(watched: Setting):
    provider = watched.open()
    watched.server.sql("DELETE FROM keyturn_log.watched WHERE role = 'orders_b'", database="shop")
    await provider.reach()
    assert not provider.capabilities.sees_refused_attempts
    watched.server.script(SQL / "tripwire.sql", "shop", **NAMES)
    watched.server.sql("ALTER FUNCTION keyturn_log.refused(interval) OWNER TO orders_owner", database="shop")
    await provider.reach()
    assert not provider.capabilities.sees_refused_attempts


async def test_without_the_tripwire_nothing_is_claimed(watched: Setting):
    watched.server.sql("DROP SCHEMA keyturn_log CASCADE", database="shop")
    provider = await disabled(watched)
    attempt(watched)
    assert not provider.capabilities.sees_refused_attempts
    assert await seen(provider, 0) == ()
    assert await provider.test(Credential(SLOT_A, Sealed("not-the-value-at-all"))) is Trial.REFUSED
