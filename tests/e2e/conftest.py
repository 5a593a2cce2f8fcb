"""One open shop for all end-to-end tests, installed by the chart; it logs at DEBUG, and every line is kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from keyturn_dev.cluster.home import DEFAULT_NAME
from keyturn_dev.demo import leaks
from keyturn_dev.demo.leaks import LogKeeper
from keyturn_dev.demo.part import SHOP, Part
from keyturn_dev.demo.play import Seen, watching
from keyturn_dev.demo.props import tidy
from keyturn_dev.demo.scene import Play, Scene, begin
from keyturn_dev.demo.screen import Check, Screen
from keyturn_dev.demo.stage import (
    OPERATOR,
    WITNESS,
    Stage,
    adopted,
    close_shop,
    empty_stage,
    get_cluster,
    open_programs,
    open_server,
    open_shop,
)

# Ten leaders are killed one after the other: fifteen seconds' wait for each are the endurance run's.
LEASE = ("operator.lease.duration=8", "operator.lease.renewDeadline=5", "operator.lease.retryPeriod=1")
SHORT = {"verify": {"soak": "4s"}, "retire": {"watch": "6s"}}  # shorter than the demo's, which people look at


@dataclass(frozen=True)
class Shop:
    stage: Stage
    seen: Seen
    logs: LogKeeper

    def scene(self, name: str, *, hurry: bool = True) -> Scene:
        """A scene on a tidy shop, whatever the one before left behind. ``hurry``: nothing is done in soak and watch."""
        plan = self.stage.part.plan
        tidy(self.stage)
        if hurry:
            spec = json.dumps({"spec": SHORT})
            self.stage.kubectl("patch", f"rotationplan/{plan}", "-n", SHOP, "--type=merge", "-p", spec)
        adopted(self.stage)
        return begin(self.stage, Screen(), self.seen, f"{plan}-{name}")


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


@contextmanager
def beside(shop: Shop, part: Part) -> Iterator[Shop]:
    """Another backend's server, programs and plan, in the same shop with the same Keyturn."""
    kubectl = shop.stage.kubectl
    get_cluster(DEFAULT_NAME, part=part)
    stage = empty_stage(kubectl, part)
    open_server(stage)
    open_programs(stage)
    yield replace(shop, stage=stage)
    kubectl("delete", "rotationplan", part.plan, "-n", SHOP, "--wait=true", timeout=120)
    programs = (f"deployment/{name}" for name in (*part.names, part.decoy))
    kubectl("delete", "-n", SHOP, *programs, f"statefulset/{part.name}", "--wait=true")


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
