"""The lease at a real API server, with short times: taken, kept, given back, taken over from one that vanished."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from keyturn.core.model import ObjectKey
from keyturn.kube.client import KubeClient
from keyturn.kube.lease import Elector, LeaseTimes
from keyturn.kube.lease_store import KubeLease
from keyturn_dev.cluster.api import Cluster
from support.kubectl import Kubectl, SystemClock

pytestmark = pytest.mark.integration

TIMES = LeaseTimes(duration=3, renew_deadline=2, retry=0.3, call=0.8, longest_act=1)
LEASE = "keyturn-operator"


class Process:
    """A candidate with a connection of its own, which can be cut as by SIGKILL: nothing is given back."""

    def __init__(self, client: KubeClient, namespace: str, name: str) -> None:
        self.elector = Elector(KubeLease(client, ObjectKey(namespace, LEASE)), name, SystemClock(), times=TIMES)
        self.leads = asyncio.Event()
        self._client = client
        self._task = asyncio.ensure_future(self.elector.lead(self._work))

    async def _work(self) -> None:
        self.leads.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.leads.clear()

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def vanish(self) -> None:
        def cut(*_: Any, **__: Any) -> Any:
            raise OSError

        self._client._request = cut  # type: ignore[method-assign]
        await self.stop()


Start = Callable[[str], Any]


@pytest.fixture
async def start(cluster: Cluster, namespace: str) -> AsyncIterator[Start]:
    processes: list[tuple[Process, KubeClient]] = []

    async def started(name: str) -> Process:
        client = await KubeClient.connect(cluster.kubeconfig)
        process = Process(client, namespace, name)
        processes.append((process, client))
        return process

    yield started
    for process, client in processes:
        await process.stop()
        await client.close()


def spec(kubectl: Kubectl) -> dict[str, Any]:
    return kubectl.get("lease", LEASE)["spec"]


async def test_the_lease_is_made_and_says_who_holds_it(start: Start, kubectl: Kubectl):
    first = await start("first")
    async with asyncio.timeout(5):
        await first.leads.wait()

    stored = spec(kubectl)
    assert stored["holderIdentity"] == "first"
    assert stored["leaseTransitions"] == first.elector.epoch
    assert stored["leaseDurationSeconds"] == 3


async def test_a_leader_that_stops_empties_the_holder_and_the_next_one_leads_at_once(start: Start, kubectl: Kubectl):
    first = await start("first")
    await first.leads.wait()
    second = await start("second")
    await asyncio.wait({asyncio.ensure_future(second.leads.wait())}, timeout=4)
    assert not second.leads.is_set()
    epoch = first.elector.epoch

    await first.stop()
    async with asyncio.timeout(TIMES.retry * 1.25 + 1):
        await second.leads.wait()

    assert second.elector.epoch == epoch + 1
    await second.stop()
    assert spec(kubectl).get("holderIdentity", "") == ""


@pytest.mark.fm(52)
async def test_a_leader_that_vanishes_is_replaced_only_after_its_time(start: Start):
    loop = asyncio.get_running_loop()
    first = await start("first")
    await first.leads.wait()
    second = await start("second")
    await asyncio.wait({asyncio.ensure_future(second.leads.wait())}, timeout=1)
    epoch, vanished = first.elector.epoch, loop.time()

    await first.vanish()
    async with asyncio.timeout(15):
        await second.leads.wait()

    assert loop.time() - vanished >= TIMES.duration - TIMES.retry - TIMES.call
    assert second.elector.epoch == epoch + 1


@pytest.mark.fm(44)
async def test_of_many_that_start_at_once_exactly_one_leads(start: Start):
    processes = [await start(f"process-{number}") for number in range(5)]
    waits = [asyncio.ensure_future(process.leads.wait()) for process in processes]

    done, others = await asyncio.wait(waits, timeout=4)

    assert len(done) == 1
    assert len(others) == 4
    for wait in others:
        wait.cancel()
