"""The running operator against a real API server: what happens to our kinds reaches the one replica that leads."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from keyturn.core.model import ObjectKey
from keyturn.kube import handlers, pages, paths
from keyturn.kube.client import KubeClient
from keyturn.kube.cluster import KubeCluster
from keyturn.kube.lease import Elector, LeaseTimes
from keyturn.kube.lease_store import KubeLease
from keyturn.kube.operating import Operation
from keyturn.kube.pages import Heartbeat
from keyturn.kube.queue import WorkQueue
from keyturn.kube.wakeups import Wakeups
from keyturn.ports import Denied
from keyturn_dev.cluster.api import Cluster
from support.kubectl import Kubectl, SystemClock

pytestmark = pytest.mark.integration

TIMES = LeaseTimes(duration=3, renew_deadline=2, retry=0.3, call=0.8, longest_act=1)
Manifest = dict[str, Any]


def ours(kind: str, name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": "keyturn.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


PLAN = ours(
    "RotationPlan",
    "orders-db",
    {
        "providerRef": {"name": "shop-postgres"},
        "postgres": {"owner": "orders_owner", "slots": ["orders_a", "orders_b"]},
        "secret": {"name": "orders-db", "keys": {"URL": "postgresql://{username}:{password}@{host}"}},
    },
)
PROVIDER = ours(
    "CredentialProvider",
    "shop-postgres",
    {
        "postgres": {
            "adminSecretRef": {"name": "rotator"},
            "endpoints": [{"host": "postgres.shop.svc"}],
            "database": "shop",
        }
    },
)


class Replica:
    """An operator without a reconciler: it notes which plans it is asked to look at."""

    def __init__(self, client: KubeClient, namespace: str, name: str) -> None:
        self.looked: list[ObjectKey] = []
        self.epochs: list[int] = []
        self.stop = asyncio.Event()
        self.news = asyncio.Event()
        self.ready = asyncio.Event()
        self.heartbeat = Heartbeat()
        cluster = KubeCluster(client, operator_namespace=namespace, identity=name, clock=SystemClock())
        queue: WorkQueue[ObjectKey] = WorkQueue()

        async def reconcile(key: ObjectKey) -> timedelta | None:
            self.looked.append(key)
            self.news.set()

        async def everything() -> list[ObjectKey]:
            return [plan.key for plan in await cluster.plans(namespace)]

        def leading(epoch: int) -> None:
            self.epochs.append(epoch)
            self.news.set()

        lease = KubeLease(client, ObjectKey(namespace, "keyturn-operator"))
        self.operation = Operation(
            elector=Elector(lease, name, SystemClock(), times=TIMES),
            queue=queue,
            reconcile=reconcile,
            everything=everything,
            background=(
                handlers.watch(
                    Wakeups(queue.wake), [namespace], in_cluster=False, ready=self.ready, heartbeat=self.heartbeat
                ),
            ),
            stop=self.stop,
            leading=leading,
        )

    async def until(self, happened: Callable[[], bool], seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while not happened():
                self.news.clear()
                await self.news.wait()


def open_sockets() -> int:
    return len(asyncio.get_running_loop()._selector.get_map())  # type: ignore[attr-defined]


@pytest.fixture
async def start(cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    running: list[tuple[Replica, asyncio.Task[None], KubeClient]] = []
    sockets_before = open_sockets()

    async def started(name: str) -> Replica:
        client = await KubeClient.connect(cluster.kubeconfig)
        replica = Replica(client, namespace, name)
        running.append((replica, asyncio.ensure_future(replica.operation.run()), client))
        return replica

    yield started
    for replica, task, client in running:
        replica.stop.set()
        await asyncio.wait_for(task, 15)
        await client.close()
    async with asyncio.timeout(10):  # cut-off watches say goodbye over TLS after their tasks have ended
        while open_sockets() > sockets_before:  # noqa: ASYNC110 - nobody tells when the last one is closed
            await asyncio.sleep(0.01)


async def test_plans_that_are_there_already_are_looked_at_when_the_lead_begins(
    start: Any, kubectl: Kubectl, namespace: str
):
    kubectl.apply(PLAN)
    replica = await start("first")

    await replica.until(lambda: ObjectKey(namespace, "orders-db") in replica.looked)
    assert replica.epochs[0] > 0


@pytest.mark.parametrize("happens", ["plan changed", "plan deleted", "rotation made", "provider made"])
async def test_what_happens_to_our_kinds_wakes_the_plan(start: Any, kubectl: Kubectl, namespace: str, happens: str):
    key = ObjectKey(namespace, "orders-db")
    kubectl.apply(PLAN)
    replica = await start("first")
    await asyncio.wait_for(replica.ready.wait(), 10)
    await replica.until(lambda: key in replica.looked)
    await asyncio.wait({asyncio.ensure_future(replica.until(lambda: False))}, timeout=2)  # the first events have come
    replica.looked.clear()

    if happens == "plan changed":
        kubectl("annotate", "rotationplan", "orders-db", "touched=yes")
    elif happens == "plan deleted":
        kubectl("delete", "rotationplan", "orders-db")
    elif happens == "rotation made":
        kubectl.apply(ours("Rotation", "by-hand", {"planRef": {"name": "orders-db"}, "requestedBy": "ann"}))
    else:
        kubectl.apply(PROVIDER)

    await replica.until(lambda: key in replica.looked)


@pytest.mark.fm(44)
async def test_only_the_leader_works_and_the_next_one_knows_everything_when_it_takes_over(
    start: Any, kubectl: Kubectl, namespace: str
):
    first = await start("first")
    await first.until(lambda: bool(first.epochs))
    second = await start("second")
    await asyncio.wait_for(second.ready.wait(), 10)
    kubectl.apply(PLAN)
    key = ObjectKey(namespace, "orders-db")
    await first.until(lambda: key in first.looked)
    assert second.looked == []

    first.stop.set()

    await second.until(lambda: key in second.looked)
    assert second.epochs == [first.epochs[0] + 1]


@pytest.mark.fm(47)
async def test_a_watch_that_is_refused_for_good_ends_the_process_instead_of_leaving_it_blind(
    cluster: Cluster, kubectl: Kubectl, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # kopf forgets the errors of its other watchers. Told when they are collected, in the middle of an import, pytest's
    # rendering of them trips over CPython 3.11 (AST constructor recursion depth mismatch).
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    kubectl("create", "serviceaccount", "nobody")
    token = kubectl("create", "token", "nobody").strip()
    config = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    config["users"][0]["user"] = {"token": token}
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))

    with pytest.raises(Denied, match="WatchEnded"):
        await asyncio.wait_for(
            handlers.watch(Wakeups(print), [namespace], in_cluster=False, ready=asyncio.Event(), heartbeat=Heartbeat()),
            timeout=60,
        )


async def test_every_watch_tells_the_heartbeat_when_it_asks(start: Any, namespace: str):
    began = asyncio.get_running_loop().time()
    replica = await start("first")
    await asyncio.wait_for(replica.ready.wait(), 10)

    async with asyncio.timeout(20):
        while not all(asked > began + 0.01 for asked in replica.heartbeat._asked.values()):  # noqa: ASYNC110 - told to nobody
            await asyncio.sleep(0.05)

    assert {path.rsplit("/", 1)[1] for path in replica.heartbeat._asked} == {
        "rotationplans",
        "rotations",
        "credentialproviders",
    }
    assert replica.heartbeat.trouble == ""


@pytest.mark.fm(47)
async def test_a_watcher_that_silently_died_is_named_to_the_kubelet_and_the_living_ones_are_not(
    cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    monkeypatch.setattr(handlers, "WATCH_SECONDS", 1)  # minutes in seconds
    monkeypatch.setattr(pages, "WATCH_SILENCE", 4.0)
    heartbeat, ready = Heartbeat(), asyncio.Event()
    watching = asyncio.ensure_future(
        handlers.watch(Wakeups(print), [namespace], in_cluster=False, ready=ready, heartbeat=heartbeat)
    )

    def watcher() -> asyncio.Task[Any] | None:
        named = [task for task in asyncio.all_tasks() if "rotationplans" in task.get_name()]
        return next((task for task in named if "watcher" in task.get_name()), None)

    async with asyncio.timeout(20):
        while watcher() is None:  # noqa: ASYNC110 - kopf tells nobody
            await asyncio.sleep(0.05)
    await asyncio.sleep(4.5)
    assert heartbeat.trouble == "", "each of them asks again and again"

    found = watcher()
    assert found is not None
    found.cancel()  # kopf notices exceptions of its watchers, and not this
    async with asyncio.timeout(20):
        while not heartbeat.trouble:  # noqa: ASYNC110 - it is silence that is waited for
            await asyncio.sleep(0.1)

    assert heartbeat.trouble == f"nobody watches {paths.ours(paths.PLANS, namespace)} any more"
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


async def test_the_program_starts_answers_leads_and_gives_the_lease_back_on_sigterm(
    cluster: Cluster, kubectl: Kubectl, namespace: str, tmp_path: Path
):
    health, metrics = free_port(), free_port()
    arguments = ["--operator-namespace", namespace, "--namespace", namespace, "--kubeconfig", str(cluster.kubeconfig)]
    ports = ["--health-port", str(health), "--metrics-port", str(metrics)]
    log = tmp_path / "log"
    with log.open("wb") as written:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from keyturn.main import main; main()",
            "operator",
            *arguments,
            *ports,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stderr=written,
        )
    try:
        async with asyncio.timeout(30):
            while b"leads" not in log.read_bytes() or not answers(f"http://127.0.0.1:{health}/readyz"):
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.1)
        assert answers(f"http://127.0.0.1:{health}/healthz")
        assert b"keyturn_leading 1.0" in page(f"http://127.0.0.1:{metrics}/metrics")
        assert kubectl.get("lease", "keyturn-operator")["spec"]["holderIdentity"]
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 15) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert kubectl.get("lease", "keyturn-operator")["spec"].get("holderIdentity", "") == ""


def page(url: str) -> bytes:
    with urlopen(url, timeout=5) as response:  # noqa: S310 - a loopback address of this test
        return response.read()


def answers(url: str) -> bool:
    try:
        return bool(page(url))
    except OSError:
        return False
