"""Who is connected, and to which system: RabbitMQ lists connections at once by user, and names some seconds later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress

import pytest

from keyturn.core.model import Idle, Reach, Sameness, Trial
from keyturn.ports import Credential, Denied, Usage
from keyturn.providers.rabbitmq import identity
from keyturn.providers.rabbitmq.connections import Connector
from keyturn.providers.rabbitmq.controls import Controls
from keyturn.providers.rabbitmq.provider import RabbitmqProvider
from keyturn.providers.rabbitmq.settings import read_settings
from keyturn_dev.cluster.shell import wait_until
from support.postgres_plan import OPENED, WallClock, op
from support.rabbitmq_plan import CURRENT, SLOT_A, Setting, dial, logs_in, made, make_ready, problems, session
from support.rabbitmq_server import RabbitmqServer
from support.tls import Authority

pytestmark = pytest.mark.contract
PATIENCE = 120.0  # seconds; a busy machine lists names late


@pytest.fixture
def setting(rabbitmq_server: RabbitmqServer) -> Iterator[Setting]:
    yield make_ready(rabbitmq_server)
    rabbitmq_server.clean()


@pytest.fixture(scope="module")
def twin(rabbitmq_server: RabbitmqServer) -> Iterator[RabbitmqServer]:
    started = RabbitmqServer(rabbitmq_server.authority).start()
    make_ready(started)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def node(rabbitmq_server: RabbitmqServer) -> Iterator[RabbitmqServer]:
    """Another node of the same cluster, while these tests run."""
    started = RabbitmqServer(rabbitmq_server.authority, peer=rabbitmq_server).start()
    started.join(rabbitmq_server)
    yield started
    started.stop()
    rabbitmq_server.ctl("forget_cluster_node", started.node)


async def settled(provider: RabbitmqProvider, control: Credential, wanted: Idle) -> Usage:
    """Usage of OLD as soon as it says so; each round asks the server anew."""
    async with asyncio.timeout(PATIENCE):
        while True:
            seen: Mapping[str, Usage] = await provider.usage([SLOT_A], control)
            if seen[SLOT_A].idle is wanted:
                return seen[SLOT_A]


@asynccontextmanager
async def gateway(server: RabbitmqServer) -> AsyncGenerator[int]:
    """A port whose connections reach the server from another address than they began at."""
    tasks: set[asyncio.Task[None]] = set()

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionResetError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", server.port)
        for way in (pour(reader, back), pour(there, writer)):
            tasks.add(asyncio.create_task(way))

    listener = await asyncio.start_server(serve, "127.0.0.1")
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        while OPENED:
            await OPENED.pop().close()
        await asyncio.gather(*tasks)


# ------------------------------------------------------------------------------------------------------ sessions


async def test_one_control_session_serves_all_looks(setting: Setting) -> None:
    provider = setting.open()
    new = await made(provider)
    for _ in range(3):
        assert (await provider.usage([SLOT_A], new))[SLOT_A].idle is Idle.NOT_SEEN
    assert len(setting.server.get("connections", "username", new.id)) == 1


async def test_behind_a_gateway_nobody_knows_until_names_are_listed(setting: Setting) -> None:
    async with gateway(setting.server) as port:
        through = setting.but(endpoints=({"name": "primary", "host": "localhost", "port": port},))
        new = await made(through.open())
        for _ in range(5):  # the server's round, each second, may come right after a connection was opened
            provider = through.open()
            if "not in the list yet" in (await provider.usage([SLOT_A], new))[SLOT_A].blind:
                break
        else:
            pytest.fail("every name was listed at once")
        for _ in range(5):
            if await through.open().same_system(CURRENT) is Sameness.UNKNOWN:
                break
        else:
            pytest.fail("every name was listed at once")
        await settled(provider, new, Idle.NOT_SEEN)
        async with asyncio.timeout(PATIENCE):
            while await provider.same_system(CURRENT) is not Sameness.SAME:
                pass
        assert await provider.test(CURRENT) is Trial.WORKS


async def test_a_connection_tells_its_age_once_it_is_named_and_a_name_of_ours_that_shows_twice_is_forged(
    setting: Setting,
) -> None:
    controls = Controls()
    provider = setting.open(controls)
    new = await made(provider)
    await provider.usage([SLOT_A], new)
    (ours,) = controls.own.labels
    before = WallClock().now()
    somebody = await dial(setting.server, CURRENT, name=ours)
    async with asyncio.timeout(PATIENCE):
        while not (seen := await settled(provider, new, Idle.IN_USE)).sessions[0].started:
            pass
    assert abs((seen.sessions[0].started - before).total_seconds()) < 5  # the server tells whole seconds
    await somebody.close()


async def test_a_shovels_own_connection_is_use_and_is_found_in_preflight(setting: Setting) -> None:
    """Inside the server it needs no password to log in as somebody: only a limit keeps it out."""
    value = {"src-protocol": "amqp091", "src-uri": f"amqp://{SLOT_A}@/%2F", "src-queue": "orders.in",
             "dest-protocol": "amqp091", "dest-uri": "amqp:///%2F", "dest-queue": "orders.out"}  # fmt: skip
    setting.server.put("parameters", "shovel", "/", "move", value=value)
    provider = setting.open()
    new = await made(provider)
    seen = await settled(provider, new, Idle.IN_USE)
    assert {(one.client_address, one.client_port) for one in seen.sessions} == {("", None)}
    assert "CredentialInParameters" in await problems(setting)
    await provider.disable(op("Disable"), SLOT_A)
    await provider.end_sessions(op("EndSessions"), SLOT_A)
    setting.server.drop("parameters", "shovel", "/", "move")
    await settled(provider, new, Idle.NOT_SEEN)


# ------------------------------------------------------------------------------------------------------ identity


async def test_another_server_with_the_same_users_and_passwords_is_another_system(
    setting: Setting, twin: RabbitmqServer
) -> None:
    """Given consumers' endpoint leads to a copy, when asked with today's credential, then it is told apart."""
    there = {"name": "primary", "host": twin.host, "port": twin.port}
    astray = setting.but(endpoints=(there,))
    controls = Controls()
    provider = astray.open(controls)
    assert await provider.same_system(CURRENT) is Sameness.UNKNOWN  # there might be a gateway between
    assert await provider.test(CURRENT) is Trial.DOWN
    connector = Connector(read_settings(*astray.records()), controls.own)
    now = WallClock().now()
    assert await identity.same_system(connector, controls, CURRENT, now, patience=0) is Sameness.DIFFERENT
    assert (await provider.usage([SLOT_A], CURRENT))[SLOT_A].idle is Idle.UNKNOWN
    setting.server.put("cluster-name", name="shop")  # whoever names a cluster is told at once
    assert await provider.same_system(CURRENT) is Sameness.DIFFERENT
    assert await provider.test(CURRENT) is Trial.LACKING
    setting.server.drop("global-parameters", "cluster_name")


async def test_a_plan_is_bound_to_the_cluster_it_was_adopted_on(setting: Setting, twin: RabbitmqServer) -> None:
    name = await setting.open().identify()
    assert await setting.but(system=name).open().identify() == name
    moved = setting.but(system=name, admin=(("port", str(twin.api_port)),))
    with pytest.raises(Denied, match="WrongSystem"):
        await moved.open().disable(op("Disable"), SLOT_A)
    assert await logs_in(twin, CURRENT)


async def test_a_server_whose_certificate_another_authority_signed_gets_no_password(setting: Setting) -> None:
    def logins() -> int:
        return sum(one.read_text(errors="replace").count("authenticated") for one in setting.server.home.rglob("*.log"))

    before = logins()
    stranger = setting.but(admin=(("ca.crt", Authority().ca_pem.decode()),))
    assert await stranger.open().reach() is Reach.REFUSED
    assert await stranger.open().same_system(CURRENT) is Sameness.UNKNOWN
    assert await logs_in(setting.server, CURRENT)
    assert wait_until(lambda: logins() > before, timeout=PATIENCE, every=0.05)  # it writes its log in its own time
    assert logins() == before + 1


async def test_a_rotator_whose_password_is_wrong_or_that_is_no_administrator_says_so(setting: Setting) -> None:
    assert await setting.but(admin=(("password", "not-the-password"),)).open().reach() is Reach.REFUSED
    setting.server.put("users", "monitor", password="password-of-a-monitor", tags="monitoring")
    weak = setting.but(admin=(("user", "monitor"), ("password", "password-of-a-monitor")))
    with pytest.raises(Denied, match="RotatorLacksRights"):
        await weak.open().identify()


# ------------------------------------------------------------------------------------------------------- cluster


async def test_every_node_of_a_cluster_refuses_and_is_looked_at(setting: Setting, node: RabbitmqServer) -> None:
    provider = setting.open()
    new = await made(provider)
    async with session(node, CURRENT):
        assert (await provider.usage([SLOT_A], new))[SLOT_A].idle is Idle.IN_USE
        await provider.disable(op("Disable"), SLOT_A)
        assert not await logs_in(node, CURRENT)
        with pytest.raises(Denied, match="StillInUse"):
            await provider.delete(op("Delete"), SLOT_A)
        assert await provider.end_sessions(op("EndSessions"), SLOT_A) == 1
    await settled(provider, new, Idle.NOT_SEEN)
    both = ({"name": "one", "host": "localhost", "port": setting.server.port},
            {"name": "other", "host": "localhost", "port": node.port})  # fmt: skip
    assert await setting.but(endpoints=both).open().same_system(new) is Sameness.SAME


async def test_while_a_node_is_away_usage_is_unknown_and_a_rotation_does_not_begin(
    setting: Setting, node: RabbitmqServer
) -> None:
    provider = setting.open()
    new = await made(provider)
    node.halt()
    async with asyncio.timeout(PATIENCE):
        while "is not running" not in (await settled(provider, new, Idle.UNKNOWN)).blind:
            pass  # while the node goes, the management API may not answer at all
    assert "NodeDown" in await problems(setting)
    node.revive()
    await settled(provider, new, Idle.NOT_SEEN)
