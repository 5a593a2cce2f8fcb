"""What only Redis does: users on every server, tags without a right, a fence in one command, a log that forgets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

import pytest
import redis

from keyturn.core.model import Existence, Idle, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Awaited, Conflict, Credential, Denied, KeyturnError, Misconfigured, Unavailable
from keyturn.providers.redis import changes
from keyturn.providers.redis.connections import Connector, OwnClients
from keyturn.providers.redis.settings import read_settings
from keyturn.providers.redis.tags import Tag
from keyturn.providers.turns import Mark
from support.listening import stop_listening
from support.postgres_plan import op
from support.redis_plan import CURRENT, OWNER, RULES, SLOT_A, SLOT_B, Setting, made, make_ready, problems
from support.redis_server import ROTATOR, ROTATOR_PASSWORD, RedisPair, RedisServer
from support.wire import Wire

pytestmark = pytest.mark.contract
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def setting(redis_pair: RedisPair) -> Iterator[Setting]:
    yield make_ready(redis_pair)
    redis_pair.clean()


def logs_in(server: RedisServer, credential: Credential) -> bool:
    try:
        with server.client(credential.id, credential.value.reveal_text()) as client:
            return bool(client.ping())
    except redis.AuthenticationError:
        return False


# ------------------------------------------------------------------------------------------------ every server


async def test_users_change_on_the_replica_too_though_they_are_not_replicated(setting: Setting) -> None:
    provider = setting.open()
    new = await made(provider)
    assert all(logs_in(server, new) for server in setting.pair.both)
    await provider.disable(op("Disable"), SLOT_A)
    assert not any(logs_in(server, CURRENT) for server in setting.pair.both)
    await provider.enable(op("Enable", generation=2), CURRENT)
    assert all(logs_in(server, CURRENT) for server in setting.pair.both)


async def test_what_is_off_on_one_server_only_is_not_off(setting: Setting) -> None:
    setting.pair.replica.do("ACL", "SETUSER", SLOT_A, "off")
    found = {one.id: one.state for one in await setting.open().inventory()}
    assert found[SLOT_A] is Existence.ACTIVE


async def test_a_session_on_the_replica_is_use(setting: Setting) -> None:
    provider = setting.open()
    new = await made(provider)
    value = CURRENT.value.reveal_text()
    with setting.pair.replica.client(SLOT_A, value, single_connection_client=True) as client:
        client.ping()
        assert (await provider.usage([SLOT_A], new))[SLOT_A].idle is Idle.IN_USE


async def test_what_the_rotator_itself_does_is_a_use_of_its_credential(setting: Setting) -> None:
    """Where another provider turns it, Keyturn is who must be seen to use it no more."""
    found = (await setting.open().usage([ROTATOR, SLOT_A], CURRENT))[ROTATOR]
    assert found.idle is Idle.IN_USE


async def test_while_a_replica_does_not_answer_usage_is_unknown_and_nothing_is_deleted(setting: Setting) -> None:
    provider = setting.open()
    new = await made(provider)
    await provider.disable(op("Disable"), SLOT_A)
    setting.pair.replica.halt()
    assert (await provider.usage([SLOT_A], new))[SLOT_A].idle is Idle.UNKNOWN
    with pytest.raises(Unavailable):
        await provider.delete(op("Delete"), SLOT_A)
    setting.pair.replica.revive()
    assert {one.id: one.state for one in await provider.inventory()}[SLOT_A] is Existence.DISABLED


async def test_the_old_user_is_enabled_on_every_server_that_answers(setting: Setting) -> None:
    """Given a replica that does not answer, when going back, then nobody waits for it to be let in elsewhere."""
    primary, replica = setting.pair.both
    replica_first = setting.but(
        endpoints=({"name": "reads", "host": replica.host, "port": replica.port},),
        nodes=({"name": "primary", "host": primary.host, "port": primary.port},),
    )
    provider = replica_first.open()
    await made(provider)
    await provider.disable(op("Disable"), SLOT_A)
    replica.halt()
    with pytest.raises(Unavailable):
        await provider.enable(op("Enable", generation=2), CURRENT)
    assert logs_in(primary, CURRENT)
    replica.revive()
    assert not logs_in(replica, CURRENT)
    await provider.enable(op("Enable", generation=2), CURRENT)
    assert logs_in(replica, CURRENT)


async def test_users_outlive_a_restart(setting: Setting) -> None:
    new = await made(setting.open())
    for server in setting.pair.both:
        server.halt()
        server.launch()
    assert all(logs_in(server, new) for server in setting.pair.both)
    assert (await setting.open().inventory())[1].state is Existence.ACTIVE


# ----------------------------------------------------------------------------------------------------- rules


async def test_the_new_user_may_do_what_the_owner_may_and_nothing_else(setting: Setting) -> None:
    new = await made(setting.open())
    with setting.pair.primary.client(new.id, new.value.reveal_text()) as client:
        client.set("orders:1", "x")
        for refused in (lambda: client.set("payments:1", "x"), lambda: client.set("catalogue:1", "x"), client.flushall):
            with pytest.raises(redis.exceptions.NoPermissionError):
                refused()
    assert setting.pair.primary.do("GET", "orders:1") == "x"


async def test_the_write_probe_leaves_nothing_behind(setting: Setting) -> None:
    assert await setting.open().test(CURRENT) is Trial.WORKS
    assert setting.pair.primary.do("DBSIZE") == 0


async def test_a_user_with_other_rules_than_the_owner_is_lacking(setting: Setting) -> None:
    setting.pair.primary.do("ACL", "SETUSER", SLOT_A, "-get")
    assert await setting.open().test(CURRENT) is Trial.LACKING


async def test_a_server_that_takes_no_writes_is_down_to_whoever_writes(setting: Setting) -> None:
    setting.pair.primary.do("CONFIG", "SET", "min-replicas-to-write", "3")
    try:
        assert await setting.open().test(CURRENT) is Trial.DOWN
    finally:
        setting.pair.primary.do("CONFIG", "SET", "min-replicas-to-write", "0")


async def test_the_tag_gives_no_right(setting: Setting) -> None:
    new = await made(setting.open())
    with setting.pair.primary.client(new.id, new.value.reveal_text()) as client:
        told = setting.pair.primary.do("ACL", "LIST")
        tag = next(line for line in told if line.startswith(f"user {new.id} "))
        key = tag.partition("(~")[2].partition(" ")[0]
        assert key.startswith("keyturn:v1:plan=shop/orders-cache")
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.get(key)


async def test_an_existing_single_user_becomes_the_owner_and_leaves_after_its_first_rotation(
    redis_pair: RedisPair,
) -> None:
    setting = make_ready(redis_pair, first=OWNER)
    provider, old = setting.open(), Credential(OWNER, CURRENT.value)
    assert (await provider.preflight(old)).problems == ()
    new = Credential(await provider.next_id(OWNER), provider.mint())
    await provider.ensure(op("Create"), new, OWNER)
    await provider.disable(op("Disable"), OWNER)
    await provider.delete(op("Delete"), OWNER)
    assert await provider.test(new) is Trial.WORKS
    assert not logs_in(setting.pair.primary, old)
    assert (await provider.preflight(new)).problems == ()
    assert await provider.next_id(new.id) != new.id


# ------------------------------------------------------------------------------------------------------ fence


async def test_a_change_that_was_prepared_before_somebody_else_wrote_fails_as_a_whole(setting: Setting) -> None:
    """Given a leader stopped between looking and writing, when another turned back, then it comes too late."""
    new = await made(setting.open())
    connector = Connector(read_settings(*setting.records()), OwnClients())
    async with connector.admin() as wire:
        user = (await changes.users(wire))[SLOT_A]
        late = changes.disabled(user, Tag.of("shop/orders-cache", op("Disable"), Mark.DISABLED))
    await setting.open().enable(op("Enable", generation=2, epoch=2), CURRENT)
    with pytest.raises(Conflict):
        async with connector.admin(writing=True) as wire:
            await wire.ask(*late)
    assert logs_in(setting.pair.primary, CURRENT)
    assert logs_in(setting.pair.primary, new)


async def test_old_is_tagged_when_new_is_made_so_that_every_later_change_is_fenced(setting: Setting) -> None:
    provider = setting.open()
    assert next(one.tag for one in await provider.inventory() if one.id == SLOT_A) == ""
    await made(provider)
    assert next(one.tag for one in await provider.inventory() if one.id == SLOT_A) == "rotation-1/1"
    assert logs_in(setting.pair.primary, CURRENT)


async def test_a_free_slot_that_somebody_made_is_not_taken(setting: Setting) -> None:
    setting.pair.everywhere("ACL", "SETUSER", SLOT_B, "off", "~other:*")
    provider = setting.open()
    with pytest.raises(Misconfigured, match="exists and is not ours"):
        await provider.next_id(SLOT_A)
    with pytest.raises(Denied, match="NotOurs"):
        await provider.ensure(op("Create"), Credential(SLOT_B, provider.mint()), SLOT_A)


async def test_a_slot_with_connections_is_not_free(setting: Setting) -> None:
    provider = setting.open()
    new = await made(provider)
    with setting.pair.replica.client(new.id, new.value.reveal_text(), single_connection_client=True) as client:
        client.ping()
        await provider.disable(op("Discard"), new.id)
        with pytest.raises(Misconfigured, match="still has connections"):
            await provider.next_id(SLOT_A)
    await provider.end_sessions(op("EndSessions"), new.id)
    assert await provider.next_id(SLOT_A) == new.id


async def test_empty_and_weak_values_are_refused(setting: Setting) -> None:
    for value in ("", "  ", "REDACTED", "short"):
        with pytest.raises(Denied, match="UnsuitableValue"):
            await setting.open().ensure(op("Create"), Credential(SLOT_B, Sealed(value)), SLOT_A)
    with pytest.raises(Denied, match="UnsuitableValue"):
        await setting.open().enable(op("Enable"), Credential(SLOT_A, Sealed(" ")))


async def test_a_rotator_that_is_the_servers_default_user_hides_nobodys_attempt(setting: Setting) -> None:
    """Given whoever has not logged in yet looks like the rotator, then his refused login still counts."""
    primary, replica = setting.pair.both
    setting.pair.everywhere("ACL", "SETUSER", "default", "on", f">{ROTATOR_PASSWORD}", "+@all")
    try:
        provider = setting.but(admin=(("user", "default"),)).open()
        setting.pair.everywhere("ACL", "SETUSER", SLOT_A, "off")
        assert not logs_in(primary, CURRENT)
        assert await provider.test(CURRENT) is Trial.DISABLED
        assert len(await provider.refused_attempts(SLOT_A, LONG_AGO)) == 1
    finally:
        for server in (primary, replica):
            server.do("ACL", "SETUSER", "default", "off", "resetpass", "-@all")


# ------------------------------------------------------------------------------------------- half a change


@pytest.mark.fm(1, 3, 11)
async def test_a_change_that_has_not_reached_every_server_is_awaited_and_done_again(setting: Setting) -> None:
    """Given the replica is away while the primary is told, when it is back, then no word but Awaited is said of it."""
    provider, replica = setting.open(), setting.pair.replica
    new = Credential(SLOT_B, provider.mint())
    setting.pair.everywhere("ACL", "SAVE")

    async def half(change: Callable[[], Awaitable[object]], credential: Credential, whole: Trial) -> None:
        replica.halt()
        with pytest.raises(KeyturnError):
            await change()
        assert await provider.test(credential) is Trial.DOWN  # nobody can tell
        replica.launch()
        with pytest.raises(Awaited, match="ServersDiffer"):
            await provider.test(credential)
        await change()
        assert await provider.test(credential) is whole

    await half(lambda: provider.ensure(op("Create"), new, SLOT_A), new, Trial.WORKS)
    await half(lambda: provider.disable(op("Disable"), SLOT_A), CURRENT, Trial.DISABLED)
    await half(lambda: provider.enable(op("Enable", 2), CURRENT), CURRENT, Trial.WORKS)


async def test_a_user_that_somebody_set_off_on_one_server_is_lacking(setting: Setting) -> None:
    setting.pair.replica.do("ACL", "SETUSER", SLOT_A, "off")
    assert await setting.open().test(CURRENT) is Trial.LACKING


# --------------------------------------------------------------------------------------------------- tripwire


async def test_somebody_who_still_tries_is_seen_although_we_tried_after_him(setting: Setting) -> None:
    provider = setting.open()
    await made(provider)
    await provider.disable(op("Disable"), SLOT_A)
    assert not logs_in(setting.pair.primary, CURRENT)
    assert await provider.test(CURRENT) is Trial.DISABLED  # ours stands in the log now
    assert [one.principal for one in await provider.refused_attempts(SLOT_A, LONG_AGO)] == [SLOT_A]


async def test_our_own_trial_is_no_attempt(setting: Setting) -> None:
    provider = setting.open()
    await made(provider)
    await provider.disable(op("Disable"), SLOT_A)
    assert await provider.test(CURRENT) is Trial.DISABLED
    assert await provider.refused_attempts(SLOT_A, LONG_AGO) == ()


@pytest.mark.fm(63)
async def test_our_own_trial_is_no_attempt_where_the_network_translates_addresses(setting: Setting) -> None:
    """Given the server sees us come from another address, and then another process of ours asks."""
    primary = setting.pair.primary
    relay = Wire("127.0.0.1", primary.port)
    listener = await asyncio.start_server(relay.take, "127.0.0.1", 0)
    try:
        port = listener.sockets[0].getsockname()[1]
        endpoint = {"name": "primary", "host": primary.host, "port": port}
        behind = setting.but(admin=(("port", str(port)),), endpoints=(endpoint,))
        provider = behind.open()
        await made(provider)
        await provider.disable(op("Disable"), SLOT_A)
        assert await provider.test(CURRENT) is Trial.DISABLED
        assert await provider.refused_attempts(SLOT_A, LONG_AGO) == ()
        assert await behind.open().refused_attempts(SLOT_A, LONG_AGO) == ()
        assert not logs_in(primary, CURRENT)
        assert len(await behind.open().refused_attempts(SLOT_A, LONG_AGO)) == 1
    finally:
        await stop_listening(listener)
        relay.cut()


@pytest.mark.fm(52)
@pytest.mark.parametrize("passes", range(1, 5))
async def test_a_call_that_is_cancelled_ends_wherever_it_was(setting: Setting, passes: int) -> None:
    """Or an operator that shall stop, or has lost its lease, would go on."""
    connector = Connector(read_settings(*setting.records()), OwnClients())
    async with connector.admin() as wire:
        call = asyncio.create_task(wire.ask("PING"))
        for _ in range(passes):  # of the loop
            await asyncio.sleep(0)
        if call.cancel():
            with pytest.raises(asyncio.CancelledError):
                await call


# --------------------------------------------------------------------------------------------------- identity


async def test_another_server_with_the_same_users_and_passwords_is_another_system(setting: Setting) -> None:
    """Given consumers' endpoint leads to a copy, when asked with today's credential, then it is told apart."""
    twin = RedisServer(setting.pair.primary.authority).start()
    try:
        value = CURRENT.value.reveal_text()
        twin.do("ACL", "SETUSER", OWNER, "off", *RULES)
        twin.do("ACL", "SETUSER", SLOT_A, "on", f">{value}", *RULES)
        astray = setting.but(endpoints=({"name": "primary", "host": twin.host, "port": twin.port},))
        assert await astray.open().same_system(CURRENT) is Sameness.DIFFERENT
        assert "NodeOfAnotherSystem" in await problems(astray)
    finally:
        twin.stop()


async def test_a_plan_is_bound_to_the_server_it_was_adopted_on(setting: Setting) -> None:
    name = await setting.open().identify()
    assert await setting.but(system=name).open().identify() == name
    with pytest.raises(Denied, match="WrongSystem"):
        await setting.but(system="redis/elsewhere:6379/0").open().identify()
    with pytest.raises(Denied, match="WrongSystem"):
        await setting.but(system="redis/elsewhere:6379/0").open().disable(op("Disable"), SLOT_A)
    assert logs_in(setting.pair.primary, CURRENT)


async def test_a_server_whose_certificate_another_authority_signed_gets_no_password(setting: Setting) -> None:
    stranger = RedisServer(type(setting.pair.primary.authority)()).start()
    try:
        there = {"name": "primary", "host": stranger.host, "port": stranger.port}
        assert await setting.but(endpoints=(there,)).open().same_system(CURRENT) is Sameness.UNKNOWN
        admin = (("port", str(stranger.port)),)
        assert await setting.but(admin=admin).open().reach() is Reach.REFUSED
        assert not stranger.do("ACL", "LOG")
    finally:
        stranger.stop()


async def test_an_admin_secret_that_names_a_replica_changes_nothing(setting: Setting) -> None:
    astray = setting.but(admin=(("port", str(setting.pair.replica.port)),))
    with pytest.raises(Unavailable, match="OnReplica"):
        await astray.open().disable(op("Disable"), SLOT_A)
    assert all(logs_in(server, CURRENT) for server in setting.pair.both)


async def test_no_value_is_in_the_servers_log_or_its_users(setting: Setting) -> None:
    provider = setting.open()
    new = await made(provider)
    await provider.disable(op("Disable"), SLOT_A)
    await provider.test(CURRENT)
    for server in setting.pair.both:
        seen = "".join((server.home / name).read_text(errors="replace") for name in ("server.log", "users.acl"))
        seen += str(server.do("ACL", "LIST")) + str(server.do("ACL", "LOG")) + str(server.do("CLIENT", "LIST"))
        seen += str(server.do("SLOWLOG", "GET", "128"))
        for credential in (new, CURRENT):
            assert credential.value.reveal_text() not in seen
