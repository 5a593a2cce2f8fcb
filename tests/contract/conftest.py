"""Real servers, one of each flavour for the whole run, made clean for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from support.postgres_plan import OPENED, Setting, make_ready
from support.postgres_server import Servers
from support.provider_rig import MemoryRig, PostgresRig, Rig

FORMS = ("Functions", "CreateRole")


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    started = Servers()
    yield started
    started.stop()


@pytest.fixture(params=["memory", *(f"postgres-{f}-{form}" for f in ("15", "18") for form in FORMS)])
def rig(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Rig]:
    """Every backend that must keep the contract."""
    if request.param == "memory":
        yield MemoryRig()
        return
    _, flavour, form = request.param.split("-")
    yield PostgresRig(make_ready(servers[flavour], form))
    servers[flavour].revive()


@pytest.fixture(params=[f"{f}-{form}" for f in ("15", "18") for form in FORMS])
def setting(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Setting]:
    """A plan on each server in each form of the rotator."""
    flavour, form = request.param.split("-")
    yield make_ready(servers[flavour], form)
    servers[flavour].revive()


@pytest.fixture(params=["15", "18"])
def plain(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Setting]:
    """A plan on each server, in the smallest form: for questions that do not depend on the form."""
    yield make_ready(servers[request.param], "Functions")
    servers[request.param].revive()


@pytest.fixture
def fifteen(servers: Servers) -> Iterator[Setting]:
    """The server that speaks TLS."""
    yield make_ready(servers["15"], "Functions")
    servers["15"].revive()


@pytest.fixture(autouse=True)
async def every_provider_is_closed() -> AsyncIterator[None]:
    """As the reconciler does at the end of each tick."""
    yield
    while OPENED:
        await OPENED.pop().close()
