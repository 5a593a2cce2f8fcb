"""A ring over the real challenge client and the real probe, told where to look by the real injector."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from keyturn.core.delivery import deliveries
from keyturn.core.model import ConsumerRef, ObjectKey, Trial
from keyturn.core.sealed import Sealed
from keyturn.injector.patch import injected, interest_of
from keyturn.kube.probes import open_probes
from keyturn.ports import Awaited, Cluster, Credential, PodRecord, Provider, WorkloadRecord
from keyturn.providers import OpenProviders
from keyturn_probe.answer import Answerer
from keyturn_probe.doors import Door, House, challenges
from keyturn_probe.plans import FOLDER, plans_of
from support.plan_records import Drawer, pod_record
from support.pod_inside import POD, Tree
from support.postgres_plan import op
from support.ring_pods import KEY, SECRET, RingPods
from support.ring_rig import FIRST, RingSetting, setting

pytestmark = pytest.mark.enable_socket

NOW = datetime(2026, 11, 21, tzinfo=UTC)
NEW = Credential("orders-key-1", Sealed("a-fresh-key-of-a-test-0123456789"))
GATE = ConsumerRef("Deployment", "shop", "gate")


class StoppedClock:
    def now(self) -> datetime:
        return NOW


@dataclass
class OneRealPod(RingPods):
    """The pods of a workload are one that has a real probe."""

    real: PodRecord | None = None

    async def pods(self, workloads: Sequence[WorkloadRecord], namespace: str, secret: str) -> Sequence[PodRecord]:
        assert (len(workloads), namespace, secret) == (1, "shop", SECRET)
        assert self.real is not None
        return [self.real]


@dataclass
class Inside:
    """The pod from inside, and the operator's hands."""

    there: RingSetting
    provider: Provider
    tree: Tree
    drawer: Drawer
    plans: Path

    def starts(self, pid: int) -> None:
        """The app reads the ring as it is."""
        self.tree.add(pid, env={"KEYS": self.there.pods.data[KEY].reveal_text()})

    def kubelet_mounts(self) -> None:
        """What the operator made for the probes of the acceptors."""
        for name, content in self.drawer.kept[ObjectKey("shop", "keyturn-acceptors-orders-key")].items():
            (self.plans / name).write_bytes(content)


def probe_of(there: RingSetting) -> tuple[dict[str, str], dict[str, Any]]:
    """The environment that the injector gives the probe of a pod that reads the ring, and the pod's spec."""
    _, plan = there.records()
    document = {"metadata": {"namespace": "shop", "name": plan.key.name}, "spec": plan.spec.model_dump(by_alias=True)}
    variable = {"name": "KEYS", "valueFrom": {"secretKeyRef": {"name": SECRET, "key": KEY}}}
    pod = {"kind": "Pod", "metadata": {}, "spec": {"containers": [{"name": "app", "env": [variable]}]}}
    made, warning = injected(pod, [interest_of(document)], "keyturn/probe:1")
    assert warning == ""
    (probe,) = made["spec"]["initContainers"]
    return {one["name"]: one.get("value", "") for one in probe["env"]}, made["spec"]


@contextmanager
def running(answerer: Answerer) -> Iterator[int]:
    """Its port on the loopback."""
    door = Door(0, challenges(answerer.answer))
    house = House([door], lambda: 0.0, print)
    house.turn(0)
    assert door.sock is not None
    stop = threading.Event()

    def turn() -> None:
        while not stop.is_set():
            house.turn(0.01)

    thread = threading.Thread(target=turn)
    thread.start()
    yield door.sock.getsockname()[1]
    stop.set()
    thread.join()
    house.close()


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    there = setting()
    there.pods = OneRealPod(there.pods.data, values=there.pods.values)
    tree, drawer, folder = Tree(tmp_path / "proc"), Drawer(), tmp_path / "plans"
    environ, spec = probe_of(there)
    (identity,) = [line.split()[1] for line in environ["KEYTURN_WATCH"].splitlines() if line.startswith("plan ")]
    (folder / identity).mkdir(parents=True)
    assert f"{FOLDER}/{identity}" in str(spec)
    client = open_probes(drawer, "keyturn", StoppedClock(), ["keyturn/probe:1"])
    plans = plans_of(environ, str(folder))
    with running(Answerer(plans, tree.proc, POD, NOW.timestamp, lambda: 0.0)) as port:
        made = pod_record(*deliveries(spec, SECRET), uid=POD, address="127.0.0.1", port=port)
        there.pods.real = replace(made, consumer=GATE)
        opened = OpenProviders(StoppedClock(), cast("Cluster", there.pods), client).open(*there.records(), None)
        yield Inside(there, opened, tree, drawer, folder / identity)


async def test_acceptors_prove_the_ring_they_started_with_and_nothing_else(inside: Inside) -> None:
    provider = inside.provider
    inside.starts(7)
    with pytest.raises(Awaited, match="does not hold this plan's key yet"):
        await provider.test(inside.there.current)
    inside.kubelet_mounts()
    assert await provider.test(inside.there.current) is Trial.WORKS
    inside.there.pods.keep(NEW)
    await provider.ensure(op("Create"), NEW, FIRST)
    with pytest.raises(Awaited, match="holds another version"):
        await provider.test(NEW)
    assert inside.there.pods.restarts == [("gate", 1)]
    inside.tree.end(7)
    with pytest.raises(Awaited, match="no process"):
        await provider.test(NEW)
    inside.starts(8)
    assert await provider.test(NEW) is Trial.WORKS
    await provider.disable(op("Disable"), FIRST)
    with pytest.raises(Awaited):
        await provider.test(inside.there.current)
    inside.tree.end(8)
    inside.starts(9)
    assert await provider.test(inside.there.current) is Trial.DISABLED


async def test_one_process_that_kept_the_former_ring_keeps_the_pod_unproven(inside: Inside) -> None:
    inside.starts(7)
    with pytest.raises(Awaited):
        await inside.provider.test(inside.there.current)
    inside.kubelet_mounts()
    inside.there.pods.keep(NEW)
    await inside.provider.ensure(op("Create"), NEW, FIRST)
    inside.starts(8)
    with pytest.raises(Awaited):
        await inside.provider.test(NEW)
