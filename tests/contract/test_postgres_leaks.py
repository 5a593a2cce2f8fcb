"""Every call of the driver fails in turn, with errors that hold every value: what comes out says nothing of them."""

from __future__ import annotations

import itertools
import logging
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import TupleRow

from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, KeyturnError
from keyturn.providers.postgres.connections import OwnSessions
from keyturn.providers.postgres.dialling import dialler
from keyturn.providers.postgres.provider import PostgresProvider
from support.canaries import leaks
from support.postgres_plan import CURRENT, ROTATOR_PASSWORD, SLOT_A, SLOT_B, Setting, make_ready, op
from support.postgres_server import Servers

pytestmark = [pytest.mark.contract, pytest.mark.fm(60)]
MINTED = "minted-value-of-a-test-that-nobody-may-see"
VALUES = (CURRENT.value.reveal_text(), ROTATOR_PASSWORD, MINTED)
WORDS = "postgresql://orders_a:{}@db/shop?password={} verifier={}".format(*VALUES)


def sql_error(state: str) -> Callable[[], Exception]:
    return lambda: psycopg.errors.lookup(state)(WORDS)


ERRORS: dict[str, Callable[[], Exception]] = {
    "connection lost": lambda: psycopg.OperationalError(WORDS),
    "refused": sql_error("42501"),
    "syntax": sql_error("42601"),
    "busy": sql_error("55P03"),
    "ours": sql_error("XX000"),
    "data": lambda: psycopg.DataError(WORDS),
    "interface": lambda: psycopg.InterfaceError(WORDS),
    "os": lambda: OSError(5, WORDS, WORDS),
    "time": lambda: TimeoutError(WORDS),
}


@dataclass
class Saboteur:
    """Lets so many calls of the driver through, then strikes once."""

    error: Callable[[], Exception]
    through: int
    calls: list[str] = field(default_factory=list)

    @property
    def struck(self) -> bool:
        return len(self.calls) > self.through

    def at(self, call: str) -> None:
        self.calls.append(call)
        if len(self.calls) == self.through + 1:
            raise self.error()


def sabotaged(saboteur: Saboteur, own: OwnSessions) -> type[AsyncConnection[TupleRow]]:
    """The driver's own classes, struck from within."""

    class Cursor(AsyncCursor[Any]):
        async def execute(self, *args: Any, **options: Any) -> Any:
            saboteur.at("execute")
            return await super().execute(*args, **options)

        async def fetchone(self) -> Any:
            saboteur.at("fetchone")
            return await super().fetchone()

        async def fetchall(self) -> Any:
            saboteur.at("fetchall")
            return await super().fetchall()

    class Struck(dialler(own.dial)):  # type: ignore[misc]  # a class made at run time
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.cursor_factory = Cursor

        @classmethod
        async def connect(cls, *args: Any, **options: Any) -> Any:
            saboteur.at("connect")
            return await super().connect(*args, **options)

        @asynccontextmanager
        async def transaction(self, *args: Any, **options: Any) -> AsyncGenerator[Any]:
            saboteur.at("begin")
            async with super().transaction(*args, **options) as inner:
                yield inner
                saboteur.at("commit")

    return Struck


NEW = Credential(SLOT_B, Sealed(MINTED))
CALLS: dict[str, Callable[[PostgresProvider], Awaitable[object]]] = {
    "reach": lambda p: p.reach(),
    "identify": lambda p: p.identify(),
    "same_system": lambda p: p.same_system(CURRENT),
    "inventory": lambda p: p.inventory(),
    "preflight": lambda p: p.preflight(CURRENT, ("10.1.2.3",)),
    "next_id": lambda p: p.next_id(SLOT_A),
    "ensure": lambda p: p.ensure(op(), NEW, SLOT_A),
    "test": lambda p: p.test(CURRENT),
    "usage": lambda p: p.usage([SLOT_A, SLOT_B], CURRENT),
    "contain": lambda p: p.contain(op(), NEW, SLOT_A, ()),
    "disable": lambda p: p.disable(op("Disable"), SLOT_B),
    "enable": lambda p: p.enable(op("Enable"), CURRENT),
    "end_sessions": lambda p: p.end_sessions(op("EndSessions"), SLOT_B),
    "delete": lambda p: p.delete(op("Delete"), SLOT_B),
}


async def strike(setting: Setting, call: str, saboteur: Saboteur) -> list[str]:
    """What the call says: its answer, or its error with traceback and all."""
    own = OwnSessions()
    provider = setting.open(own)
    provider._connector._connection = sabotaged(saboteur, own)
    provider._connector._rotators = sabotaged(saboteur, own)
    try:
        said = [repr(await CALLS[call](provider))]
    except KeyturnError as error:
        said = [repr(error), str(error), str(error.problem), *traceback.format_exception(error)]
    await provider.close()
    return said


CHANGES = ("ensure", "contain", "disable", "enable", "end_sessions", "delete")


@pytest.mark.parametrize(
    ("form", "call"), [*(("Functions", call) for call in CALLS), *(("CreateRole", call) for call in CHANGES)]
)
async def test_whatever_the_driver_says_in_whatever_call_nobody_hears_of_it(
    servers: Servers, form: str, call: str, caplog: pytest.LogCaptureFixture
):
    setting = make_ready(servers["18"], form)
    logging.getLogger("psycopg").setLevel(logging.CRITICAL + 1)  # as reporters.log has it: its words are a backend's
    names = list(ERRORS)
    with caplog.at_level(logging.DEBUG):
        for through in itertools.count():
            name = names[through % len(names)]
            saboteur = Saboteur(ERRORS[name], through)
            said = await strike(setting, call, saboteur)
            assert leaks(said, VALUES) == [], f"{name} at {saboteur.calls[-1]}, number {through}"
            if not saboteur.struck:  # it went through: every call before has been struck
                assert through > 2
                break
    assert leaks([caplog.text], VALUES) == []


@pytest.mark.parametrize("name", ERRORS)
async def test_every_kind_of_error_of_the_driver_comes_out_as_one_of_ours(servers: Servers, name: str):
    setting = make_ready(servers["18"], "Functions")
    for through in (0, 1, 7, 8):  # the login, and what is asked in the session
        said = await strike(setting, "inventory", Saboteur(ERRORS[name], through))
        assert len(said) > 1  # an error, with its traceback
        assert leaks(said, VALUES) == []
