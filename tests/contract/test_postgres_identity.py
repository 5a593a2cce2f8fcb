"""Is it the declared system, and is it really the server? On real servers, their clones, and one that lies."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from keyturn.core.model import Reach, Sameness, Trial
from keyturn.ports import Credential, Denied, Misconfigured, Unavailable
from support.postgres_plan import CURRENT, ROTATOR_PASSWORD, SLOT_A, SLOT_B, Setting, make_ready, op
from support.postgres_server import PostgresServer, running
from support.tls import Authority

pytestmark = pytest.mark.contract
PASSWORD = CURRENT.value.reveal()


def at(*servers: PostgresServer) -> tuple[dict[str, object], ...]:
    return tuple({"name": f"e{i}", "host": s.host, "port": s.port} for i, s in enumerate(servers))


# -------------------------------------------------------------------------------------------------------- which system


@pytest.mark.fm(9)
async def test_a_clone_with_the_same_system_identifier_is_another_system(plain: Setting):
    twin = plain.server.clone()
    try:
        query = "SELECT system_identifier FROM pg_control_system()"
        assert twin.sql(query) == plain.server.sql(query)
        assert await plain.but(endpoints=at(twin)).open().same_system(CURRENT) is Sameness.DIFFERENT
        assert await plain.but(endpoints=at(plain.server, twin)).open().same_system(CURRENT) is Sameness.DIFFERENT
        assert await plain.open().same_system(CURRENT) is Sameness.SAME
    finally:
        twin.stop()


@pytest.mark.fm(9)
async def test_another_server_with_the_same_role_names_is_another_system(plain: Setting):
    with running("16") as other:
        make_ready(other, "CreateRole")
        elsewhere = plain.but(endpoints=at(other), insecure=True)
        assert await elsewhere.open().same_system(CURRENT) is Sameness.DIFFERENT
        assert await elsewhere.open().test(CURRENT) is Trial.LACKING


async def test_another_database_of_the_same_server_is_another_system(setting: Setting):
    provider = setting.open()
    name = await provider.identify()
    setting.server.sql(
        "CREATE DATABASE staging OWNER orders_owner", "GRANT CONNECT ON DATABASE staging TO keyturn_rotator"
    )
    assert name.endswith("/shop")
    with pytest.raises(Denied) as refused:
        await setting.but(database="staging", system=name).open().identify()
    assert refused.value.reason == "WrongSystem"


@pytest.mark.fm(9)
async def test_nothing_is_changed_on_a_system_the_plan_was_not_adopted_on(setting: Setting):
    provider = setting.but(system="7000000000000000000/shop").open()
    new = Credential(SLOT_B, provider.mint())
    for attempt in (
        provider.ensure(op(), new, SLOT_A),
        provider.disable(op("Disable"), SLOT_A),
        provider.end_sessions(op("EndSessions"), SLOT_A),
        provider.delete(op("Delete"), SLOT_A),
    ):
        with pytest.raises(Denied) as refused:
            await attempt
        assert refused.value.reason == "WrongSystem"
    assert await provider.same_system(CURRENT) is Sameness.DIFFERENT
    assert await setting.open().test(CURRENT) is Trial.WORKS


async def test_a_standby_cannot_prove_to_be_the_same_and_takes_no_change(plain: Setting):
    twin = plain.server.clone(standby=True)
    try:
        assert await plain.but(endpoints=at(twin)).open().same_system(CURRENT) is Sameness.UNKNOWN
        assert await plain.but(endpoints=at(twin)).open().test(CURRENT) is Trial.DOWN
        moved = plain.but(admin=(("port", str(twin.port)),)).open()
        with pytest.raises(Unavailable) as refused:
            await moved.disable(op("Disable"), SLOT_A)
        assert refused.value.reason == "OnStandby"
    finally:
        twin.stop()


@pytest.mark.fm(9)
async def test_a_credential_that_does_not_log_in_proves_nothing(setting: Setting):
    wrong = Credential(SLOT_A, setting.open().mint())
    assert await setting.open().same_system(wrong) is Sameness.UNKNOWN


@pytest.mark.fm(11, 54)
async def test_a_working_and_a_dead_endpoint_together_are_down(setting: Setting):
    ends = (*at(setting.server), {"name": "dead", "host": "localhost", "port": 1})
    provider = setting.but(endpoints=ends).open()
    assert await provider.test(CURRENT) is Trial.DOWN
    assert await provider.same_system(CURRENT) is Sameness.UNKNOWN
    seen = (await provider.usage([SLOT_B], CURRENT))[SLOT_B]
    assert "localhost:1" in seen.blind


# ------------------------------------------------------------------------------------------------ really the server


async def test_a_certificate_of_another_authority_is_refused(fifteen: Setting):
    provider = fifteen.but(admin=(("ca.crt", Authority().ca_pem.decode()),)).open()
    assert await provider.reach() is Reach.REFUSED
    with pytest.raises(Misconfigured) as refused:
        await provider.inventory()
    assert refused.value.reason == "TlsFailed"
    assert await provider.test(CURRENT) is Trial.DOWN


async def test_a_certificate_for_another_name_is_refused(fifteen: Setting):
    with running("15") as server:
        server.hostnames = ("postgres.elsewhere.example",)
        server.halt()
        server.configure()
        server.launch()
        host = {"host": "localhost", "port": str(server.port), "ca.crt": server.authority.ca_pem.decode()}
        with pytest.raises(Misconfigured) as refused:
            await fifteen.but(admin=tuple(host.items())).open().inventory()
    assert refused.value.reason == "TlsFailed"


async def test_a_server_without_tls_gets_nothing(fifteen: Setting):
    async with liar() as (port, heard):
        provider = fifteen.but(admin=(("port", str(port)),)).open()
        with pytest.raises(Misconfigured) as refused:
            await provider.inventory()
    assert refused.value.reason == "TlsFailed"
    assert b"keyturn_rotator" not in b"".join(heard)


@pytest.mark.parametrize("method", [3, 5], ids=["clear text", "md5"])
async def test_a_server_that_asks_for_the_password_gets_nothing_even_when_insecure(fifteen: Setting, method: int):
    async with liar(method) as (port, heard):
        away = fifteen.but(admin=(("port", str(port)), ("ca.crt", "")), insecure=True)
        ends = ({"name": "primary", "host": "localhost", "port": port},)
        provider = away.but(endpoints=ends).open()
        with pytest.raises(Misconfigured) as refused:
            await provider.inventory()
        assert await provider.same_system(CURRENT) is Sameness.UNKNOWN
        asked = fifteen.but(insecure=True, admin=(("ca.crt", ""),), endpoints=ends).open()
        problems = (await asked.preflight(CURRENT)).problems
    assert refused.value.reason == "NotScram"
    assert "NotScram" in {problem.reason for problem in problems}
    said = b"".join(heard)
    assert b"keyturn_rotator" in said  # it did get as far as asking
    assert not any(message[:1] == b"p" for message in heard)  # PasswordMessage, SASLInitialResponse: none was sent
    assert ROTATOR_PASSWORD.encode() not in said
    assert PASSWORD not in said


@asynccontextmanager
async def liar(method: int = 3) -> AsyncGenerator[tuple[int, list[bytes]]]:
    """Speaks the protocol's first words, without TLS, and asks for the password. Yields its port and what it heard."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (length,) = struct.unpack("!I", await reader.readexactly(4))
                body = await reader.readexactly(length - 4)
                if body == struct.pack("!I", 80877103):  # SSLRequest
                    writer.write(b"N")
                    continue
                heard.append(body)
                salt = b"salt" if method == 5 else b""
                writer.write(b"R" + struct.pack("!II", 8 + len(salt), method) + salt)
                heard.append(await reader.read(4096))
                return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard
