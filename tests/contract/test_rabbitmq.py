"""What only RabbitMQ does: one call says all of a user, limits that disable, permissions that are patterns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from aiormq.exceptions import AMQPError, ChannelAccessRefused

from keyturn.core.model import Existence, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Conflict, Credential, Denied, Misconfigured
from keyturn.providers.rabbitmq import changes
from keyturn.providers.rabbitmq.management import rotator
from keyturn.providers.rabbitmq.settings import read_settings
from keyturn.providers.rabbitmq.tags import Tag
from keyturn.providers.turns import Mark
from keyturn_dev.cluster.shell import wait_until
from support.postgres_plan import op
from support.rabbitmq_plan import (
    CURRENT,
    OWNER,
    PERMISSION,
    SLOT_A,
    SLOT_B,
    Setting,
    dial,
    logs_in,
    made,
    make_ready,
    session,
)
from support.rabbitmq_server import RabbitmqServer

pytestmark = pytest.mark.contract
VALUE = CURRENT.value.reveal_text()


@pytest.fixture
def setting(rabbitmq_server: RabbitmqServer) -> Iterator[Setting]:
    yield make_ready(rabbitmq_server)
    rabbitmq_server.clean()


# ----------------------------------------------------------------------------------- what we know of the server


async def test_a_call_without_the_hash_takes_the_password_away_and_tags_that_are_not_sent_are_gone(
    setting: Setting,
) -> None:
    """Why Keyturn sends hash and tags each time, and limits with them, which are merged."""
    server = setting.server
    whole = server.get("users", SLOT_A)
    server.put("users", SLOT_A, password_hash=whole["password_hash"], tags=["a", "b"], limits={"max-channels": 9})
    assert server.get("users", SLOT_A)["tags"] == ["a", "b"]
    server.put("users", SLOT_A, password_hash=whole["password_hash"], tags=["a"], limits={"max-connections": 3})
    assert server.get("users", SLOT_A) == whole | {"tags": ["a"], "limits": {"max-channels": 9, "max-connections": 3}}
    server.put("users", SLOT_A, tags=["a"])
    assert server.get("users", SLOT_A)["password_hash"] == ""
    assert not await logs_in(server, CURRENT)


async def test_a_limit_of_zero_stops_nobody_at_the_management_api(setting: Setting) -> None:
    """Why an owner with such a tag blocks, and a stranger that is cut off loses it."""
    server = setting.server
    server.put("users", "sneaky", password="password-of-a-stranger", tags="management", limits={"max-connections": 0})
    server.put("permissions", "/", "sneaky", **PERMISSION)
    sneaky = ("sneaky", "password-of-a-stranger")
    assert not await logs_in(server, Credential(sneaky[0], Sealed(sneaky[1])))
    assert server.api.put("queues/%2F/orders.sneaky", json={}, auth=sneaky).is_success
    assert [one.id for one in await setting.open().inventory() if one.stranger] == ["sneaky"]
    provider = setting.open()
    new = Credential(await provider.next_id(SLOT_A), provider.mint())
    await provider.contain(op("Contain"), new, SLOT_A, ["sneaky"])
    assert server.api.put("queues/%2F/orders.sneaky", json={}, auth=sneaky).status_code == 401
    assert not [one for one in await provider.inventory() if one.stranger]


@pytest.mark.parametrize("protocol", ["mqtt", "stomp"])
async def test_a_disabled_user_is_refused_in_other_protocols_too_and_its_connections_are_seen(
    setting: Setting, protocol: str
) -> None:
    server = setting.server
    if protocol == "mqtt":
        words = b"\x00\x04MQTT\x04\xc2\x00\x1e" + b"".join(
            len(one).to_bytes(2, "big") + one.encode() for one in ("a-client", SLOT_A, VALUE)
        )
        hello, welcome, port = b"\x10" + bytes([len(words)]) + words, b"\x20\x02\x00\x00", server.mqtt_port
    else:
        hello = f"CONNECT\naccept-version:1.2\nhost:/\nlogin:{SLOT_A}\npasscode:{VALUE}\n\n\0".encode()
        welcome, port = b"CONNECTED", server.stomp_port
    provider = setting.open()
    new = await made(provider)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(hello)
    assert (await reader.read(200)).startswith(welcome)
    (seen,) = (await provider.usage([SLOT_A], new))[SLOT_A].sessions
    assert (seen.client_address, seen.client_port) == writer.get_extra_info("sockname")
    await provider.disable(op("Disable"), SLOT_A)
    assert await provider.end_sessions(op("EndSessions"), SLOT_A) == 1
    assert welcome not in await reader.read()  # it says why, or nothing, and hangs up
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(hello)
    assert not (await reader.read(200)).startswith(welcome)
    writer.close()


# --------------------------------------------------------------------------------------------------- permissions


async def test_the_new_user_may_do_what_the_owner_may_and_nothing_else(setting: Setting) -> None:
    new = await made(setting.open())
    async with session(setting.server, new) as connection:
        channel = await connection.channel()
        await channel.queue_declare("orders.in")
        await channel.exchange_declare("orders.events", exchange_type="topic")
        await channel.basic_publish(b"1", exchange="orders.events", routing_key="eu.placed")
        with pytest.raises(ChannelAccessRefused):
            await (await connection.channel()).queue_declare("payments.in")
        refused = await connection.channel()
        with pytest.raises(AMQPError):
            await refused.basic_publish(b"1", exchange="orders.events", routing_key="us.placed")
    setting.server.drop("exchanges", "/", "orders.events")


async def test_what_a_slot_had_before_and_the_owner_has_not_is_gone(setting: Setting) -> None:
    provider, server = setting.open(), setting.server
    new = await made(provider)
    await provider.disable(op("Discard"), new.id)
    await provider.delete(op("Discard"), new.id)
    server.put("vhosts", "payments")
    server.put("permissions", "payments", SLOT_B, configure=".*", write=".*", read=".*")
    server.put("topic-permissions", "/", SLOT_B, exchange="payments", write=".*", read=".*")
    new = Credential(await provider.next_id(SLOT_A), provider.mint())
    await provider.ensure(op("Create", rotation="rotation-2"), new, SLOT_A)
    told = server.get("users", SLOT_B, "permissions"), server.get("users", SLOT_B, "topic-permissions")
    assert [row["vhost"] for row in told[0]] == ["/"]
    assert [row["exchange"] for row in told[1]] == ["orders.events"]
    assert await provider.test(new) is Trial.WORKS


async def test_the_write_probe_leaves_nothing_behind(setting: Setting) -> None:
    def there() -> set[str]:
        return {row["name"] for what in ("queues", "exchanges") for row in setting.server.get(what, "/")}

    before = there()
    assert await setting.open().test(CURRENT) is Trial.WORKS
    assert there() == before


@pytest.mark.parametrize("who", [SLOT_A, OWNER])
async def test_a_user_with_other_permissions_than_the_owner_is_lacking(setting: Setting, who: str) -> None:
    setting.server.put("permissions", "/", who, **PERMISSION | {"read": "^$"})
    assert await setting.open().test(CURRENT) is Trial.LACKING


async def test_a_user_that_may_declare_nothing_is_tried_as_far_as_it_may_go(setting: Setting) -> None:
    for user in (SLOT_A, OWNER):
        setting.server.put("permissions", "/", user, configure="", write="", read="^orders")
    assert await setting.open().test(CURRENT) is Trial.WORKS


async def test_a_server_that_takes_no_messages_is_down_to_whoever_writes(setting: Setting) -> None:
    setting.server.ctl("set_vm_memory_high_watermark", "0")
    try:
        assert await setting.open().test(CURRENT) is Trial.DOWN
        reasons = {one.reason for one in (await setting.open().preflight(CURRENT)).problems}
        assert reasons == {"ResourceAlarm"}
    finally:
        setting.server.ctl("set_vm_memory_high_watermark", "0.4")
        assert wait_until(lambda: not any(row["mem_alarm"] for row in setting.server.get("nodes")), timeout=20)


async def test_another_virtual_host_is_lacking(setting: Setting) -> None:
    setting.server.put("vhosts", "payments")
    assert await setting.but(vhost="payments").open().test(CURRENT) is Trial.LACKING
    assert await setting.but(vhost="nowhere").open().test(CURRENT) is Trial.LACKING


async def test_an_existing_single_user_becomes_the_owner_and_leaves_after_its_first_rotation(
    rabbitmq_server: RabbitmqServer,
) -> None:
    setting = make_ready(rabbitmq_server, first=OWNER)
    provider, old = setting.open(), Credential(OWNER, CURRENT.value)
    assert (await provider.preflight(old)).problems == ()
    new = Credential(await provider.next_id(OWNER), provider.mint())
    await provider.ensure(op("Create"), new, OWNER)
    await provider.disable(op("Disable"), OWNER)
    await provider.delete(op("Delete"), OWNER)
    assert await provider.test(new) is Trial.WORKS
    assert not await logs_in(setting.server, old)
    assert (await provider.preflight(new)).problems == ()
    assert await provider.next_id(new.id) != new.id


# -------------------------------------------------------------------------------------------------------- limits


async def test_a_limit_of_connections_is_copied_and_given_back(setting: Setting) -> None:
    provider, server = setting.open(), setting.server
    for user in (OWNER, SLOT_A):
        server.put("user-limits", user, "max-connections", value=20)
    new = await made(provider)
    assert server.get("users", new.id)["limits"] == {"max-connections": 20}
    await provider.disable(op("Disable"), SLOT_A)
    await setting.open().disable(op("Disable"), SLOT_A)
    assert server.get("users", SLOT_A)["limits"] == {"max-connections": 0}
    await provider.enable(op("Enable", generation=2), CURRENT)
    assert server.get("users", SLOT_A)["limits"] == {"max-connections": 20}


async def test_going_back_leaves_the_user_as_it_was_but_for_our_tag(setting: Setting) -> None:
    provider, server = setting.open(), setting.server
    before = server.get("users", SLOT_A)
    await provider.disable(op("Disable"), SLOT_A)
    await provider.enable(op("Enable", generation=2), CURRENT)
    after = server.get("users", SLOT_A)
    assert all(tag.startswith("keyturn:v1:") for tag in after["tags"])
    assert after | {"tags": []} == before | {"tags": []}


async def test_a_limit_that_is_reached_is_not_taken_for_disabled(setting: Setting) -> None:
    for user in (OWNER, SLOT_A):
        setting.server.put("user-limits", user, "max-connections", value=1)
    async with session(setting.server, CURRENT):
        assert await setting.open().test(CURRENT) is Trial.DOWN
    for user in (OWNER, SLOT_A):
        setting.server.drop("user-limits", user, "max-connections")
    setting.server.put("vhost-limits", "/", "max-connections", value=0)
    assert await setting.open().test(CURRENT) is Trial.DOWN


# --------------------------------------------------------------------------------------------------------- fence


async def test_a_leader_of_an_older_epoch_changes_nothing_any_more(setting: Setting) -> None:
    provider = setting.open()
    await provider.enable(op("Enable", epoch=2, rotation="rotation-2"), CURRENT)
    for late in (
        provider.disable(op("Disable", epoch=1), SLOT_A),
        provider.delete(op("Delete", epoch=1), SLOT_A),
        provider.contain(op("Contain", epoch=1), Credential(SLOT_B, provider.mint()), SLOT_A, []),
    ):
        with pytest.raises(Denied):
            await late
    assert await provider.test(CURRENT) is Trial.WORKS


async def test_a_writer_that_was_stopped_after_looking_writes_no_more(setting: Setting) -> None:
    async with rotator(read_settings(*setting.records())) as api:
        seen = await changes.look(api)
        late = changes.Look(seen.users, seen.taken - 6)
        body = changes.disabled(seen.users[SLOT_A], Tag.of("shop/orders-queue", op("Disable"), Mark.DISABLED))
        with pytest.raises(Conflict, match="LookTooOld"):
            await changes.write(api, late, SLOT_A, body)
    assert await logs_in(setting.server, CURRENT)


@pytest.mark.parametrize("told", [None, "***", "cmVkYWN0ZWQ="])
async def test_a_hash_that_is_not_told_is_never_written_back(setting: Setting, told: str | None) -> None:
    """Given an API that hides hashes, when a user is changed, then it keeps its password."""
    async with rotator(read_settings(*setting.records())) as api:
        seen = await changes.look(api)
        row = setting.server.get("users", SLOT_A) | {"password_hash": told}
        hidden = changes.Look(changes.read_users([row], [], []), seen.taken)
        body = changes.disabled(hidden.users[SLOT_A], Tag.of("shop/orders-queue", op("Disable"), Mark.DISABLED))
        with pytest.raises(Denied, match="HashHidden"):
            await changes.write(api, hidden, SLOT_A, body)
    assert await logs_in(setting.server, CURRENT)


async def test_a_slot_that_was_half_made_lets_nobody_in_and_is_made_whole(setting: Setting) -> None:
    tag = Tag.of("shop/orders-queue", op("Create"), Mark.RETIRED)
    setting.server.put("users", SLOT_B, password_hash="", tags=list(tag.told), limits={"max-connections": 0})
    provider = setting.open()
    assert {one.id: one.state for one in await provider.inventory()}[SLOT_B] is Existence.RETIRED
    assert await provider.test(await made(provider)) is Trial.WORKS


async def test_a_free_slot_that_somebody_made_is_not_taken(setting: Setting) -> None:
    setting.server.put("users", SLOT_B, password_hash="", tags="")
    provider = setting.open()
    with pytest.raises(Misconfigured, match="exists and is not ours"):
        await provider.next_id(SLOT_A)
    with pytest.raises(Denied, match="NotOurs"):
        await provider.ensure(op("Create"), Credential(SLOT_B, provider.mint()), SLOT_A)


async def test_a_slot_with_connections_is_not_free(setting: Setting) -> None:
    provider = setting.open()
    new = await made(provider)
    connection = await dial(setting.server, new)
    await provider.disable(op("Discard"), new.id)
    with pytest.raises(Misconfigured, match="still has connections"):
        await provider.next_id(SLOT_A)
    assert await provider.end_sessions(op("EndSessions"), new.id) == 1
    async with asyncio.timeout(5):
        while not connection.is_closed:  # noqa: ASYNC110 -- the server says so when it comes to it
            await asyncio.sleep(0.01)
    assert await provider.next_id(SLOT_A) == new.id


async def test_empty_and_weak_values_are_refused(setting: Setting) -> None:
    for value in ("", "  ", "REDACTED", "short"):
        with pytest.raises(Denied, match="UnsuitableValue"):
            await setting.open().ensure(op("Create"), Credential(SLOT_B, Sealed(value)), SLOT_A)
    with pytest.raises(Denied, match="UnsuitableValue"):
        await setting.open().enable(op("Enable"), Credential(SLOT_A, Sealed(" ")))


async def test_no_value_is_in_the_servers_log_or_what_it_exports(setting: Setting) -> None:
    provider = setting.open()
    new = await made(provider)
    assert await provider.same_system(CURRENT) is Sameness.SAME
    await provider.disable(op("Disable"), SLOT_A)
    await provider.test(CURRENT)
    files = [one for one in setting.server.home.rglob("*.log") if one.is_file()]
    seen = "".join(one.read_text(errors="replace") for one in files) + str(setting.server.get("definitions"))
    assert new.id in seen
    for credential in (new, CURRENT):
        assert credential.value.reveal_text() not in seen
