"""One open shop for all end-to-end tests, installed by the chart; it logs at DEBUG, and every line is kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from keyturn_dev.cluster.home import DEFAULT_NAME
from keyturn_dev.demo import leaks
from keyturn_dev.demo.leaks import LogKeeper
from keyturn_dev.demo.part import SHOP
from keyturn_dev.demo.play import watching
from keyturn_dev.demo.scene import Play
from keyturn_dev.demo.screen import Check
from keyturn_dev.demo.stage import OPERATOR, WITNESS, close_shop, get_cluster, open_shop
from support.other_backends import OTHERS, Backend
from support.real_shop import Shop

# Ten leaders are killed one after the other: fifteen seconds' wait for each are the endurance run's.
LEASE = ("operator.lease.duration=8", "operator.lease.renewDeadline=5", "operator.lease.retryPeriod=1")


@pytest.fixture(scope="session")
def shop() -> Iterator[Shop]:
    stage = open_shop(get_cluster(DEFAULT_NAME, None), log_level="debug", more=LEASE)
    place = leaks.scratch()
    with watching(stage.kubectl) as seen:
        logs = LogKeeper(stage.kubectl, seen, frozenset({SHOP, WITNESS, OPERATOR}), place)
        logs.start()
        yield Shop(stage, seen, logs)
        logs.finish()
    close_shop(stage.kubectl)
    shutil.rmtree(place)


@pytest.fixture(scope="session", autouse=True)
def backends(shop: Shop, request: pytest.FixtureRequest) -> Iterator[Mapping[str, Backend]]:
    """The other backends' scenes, begun with the first test and judged by the last ones."""
    wanted = any(item.path.name == "test_the_other_backends.py" for item in request.session.items)
    parts = OTHERS if wanted else ()
    for part in parts:
        get_cluster(DEFAULT_NAME, part=part)
    with ThreadPoolExecutor(1) as lane, ExitStack() as ends:
        playing = {part.name: Backend(shop, part, lane) for part in parts}
        for backend in playing.values():
            ends.callback(backend.end)
        yield playing


@pytest.fixture
def plays(shop: Shop) -> Callable[[str, Play], None]:
    """Play a scene; every sentence it promises must hold."""

    def play(name: str, scene: Play) -> None:
        assert_all(scene(shop.scene(name)))

    return play


def assert_all(checks: list[Check]) -> None:
    assert checks
    broken = [f"{check.sentence}: {check.seen}" for check in checks if not check.holds]
    assert not broken, "\n".join(broken)
