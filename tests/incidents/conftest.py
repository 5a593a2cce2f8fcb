"""What the incidents' stories are played on: real servers, one of each flavour for the whole run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from support import mariadb_plan, rabbitmq_plan, redis_plan
from support.closing import all_closed
from support.mariadb_server import MariadbServer
from support.postgres_plan import OPENED, make_ready
from support.postgres_server import Servers
from support.powers import Thief
from support.powers_mariadb import CreateUserThief, MariadbThief
from support.powers_postgres import PostgresThief
from support.powers_rabbitmq import RabbitmqThief
from support.powers_redis import RedisThief
from support.rabbitmq_server import RabbitmqServer
from support.redis_server import RedisPair

Thieves = dict[str, Callable[[], Thief]]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    started = Servers()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def thieves(servers: Servers) -> Iterator[Thieves]:
    """By backend, in the order of the page: each call finds the server as its documentation makes it."""
    mariadb, rabbitmq, redis = MariadbServer().start(), RabbitmqServer().start(), RedisPair().start()
    found: Thieves = {
        f"postgres-{flavour}-{form}": lambda flavour=flavour, form=form: PostgresThief(
            make_ready(servers[flavour], form)
        )
        for flavour in ("15", "18")
        for form in ("Functions", "CreateRole")
    }
    yield found | {
        "mariadb": lambda: MariadbThief(mariadb_plan.make_ready(mariadb)),
        "mariadb-create-user": lambda: CreateUserThief(mariadb_plan.make_ready(mariadb)),
        "rabbitmq": lambda: RabbitmqThief(rabbitmq_plan.make_ready(rabbitmq)),
        "redis": lambda: RedisThief(redis_plan.make_ready(redis)),
    }
    mariadb.stop()
    rabbitmq.stop()
    redis.stop()


@pytest.fixture
async def providers_closed() -> AsyncIterator[None]:
    yield
    while OPENED:
        await OPENED.pop().close()
    await all_closed()
