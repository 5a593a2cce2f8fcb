"""Five rotators as people write them, each with one mistake: programs over the same ports, for the promises to catch.

Each is a generator: between its steps the world moves on. None asks a probe, so the promise that every pod was asked is
not what shall catch them: it is the harm they do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta

from keyturn.core.model import ObjectKey, Op
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, WorkloadRecord
from support.memory_cluster import MemoryCluster
from support.world import PLAN, START, World

Rotator = Callable[[World], AsyncIterator[None]]
SECRET = ObjectKey("shop", "orders-db")
OLD, NEW = "orders_a", "orders_b"
TAG = "by-hand/1"
A_ROLLOUT = 90  # seconds: more than a rollout takes, and until the kubelet has renewed every file


def op(step: str) -> Op:
    return Op("by-hand", 1, step, 1)


async def made(world: World) -> Sealed:
    """The new credential, as the Secret wants it."""
    value = world.provider.mint()
    await world.provider.ensure(op("make"), Credential(NEW, value), OLD)
    return Sealed(f"postgresql://{NEW}:{value.reveal_text()}@db.shop.svc:5432/shop")


async def written(cluster: MemoryCluster, url: Sealed) -> None:
    record = await cluster.secret(SECRET)
    assert record is not None
    await cluster.write_secret(record, {"url": url}, TAG)


async def old_retired(world: World) -> None:
    await world.provider.disable(op("disable"), OLD)
    await world.provider.end_sessions(op("end-sessions"), OLD)
    await world.provider.delete(op("delete"), OLD)


async def restarted(world: World, mark: int, wanted: Callable[[WorkloadRecord], bool] = lambda _w: True) -> None:
    for workload in await world.cluster.consumers("shop", "orders-db", (), discover=True):
        if wanted(workload):
            await world.cluster.restart(workload, PLAN, mark)


def _reads_environment(workload: WorkloadRecord) -> bool:
    return workload.ref.name == "api"


async def deletes_first(world: World) -> AsyncIterator[None]:
    """The old credential goes as soon as the Secret holds the new one; the restart comes afterwards."""
    await written(world.cluster, await made(world))
    yield
    await old_retired(world)
    await restarted(world, 1, _reads_environment)
    yield


async def verifies_nothing(world: World) -> AsyncIterator[None]:
    """Restarts what it knows, waits for the rollout, and takes that for proof."""
    await written(world.cluster, await made(world))
    await restarted(world, 1, _reads_environment)
    for _ in range(A_ROLLOUT):
        yield
    await old_retired(world)
    yield


async def writes_elsewhere(world: World) -> AsyncIterator[None]:
    """The right steps, in the namespace of another environment."""
    staging = MemoryCluster(world.board, world.backend, START)
    staging.edit_secret(dict(world.secret_before), "kubectl")
    await written(staging, await made(world))
    await restarted(world, 1, _reads_environment)
    for _ in range(A_ROLLOUT):
        yield
    await old_retired(world)
    yield


async def restarts_everything(world: World) -> AsyncIterator[None]:
    """Whoever references the Secret is restarted, also who reads it anew by himself."""
    await written(world.cluster, await made(world))
    await restarted(world, 1)
    for _ in range(A_ROLLOUT):
        yield
    await world.provider.usage([OLD], Credential(NEW, world.provider.minted[-1]))
    await old_retired(world)
    yield


async def stamps_the_second(world: World) -> AsyncIterator[None]:
    """Marks a restart with the time in whole seconds: of two in one second, the later one is lost."""
    await restarted(world, _second(world), _reads_environment)  # for another Secret of the same pods
    for _ in range(A_ROLLOUT):
        world.cluster.fleet.move()  # still in this second
    await written(world.cluster, await made(world))
    await restarted(world, _second(world), _reads_environment)
    for _ in range(A_ROLLOUT):
        yield
    await old_retired(world)
    yield


def _second(world: World) -> int:
    return int(world.clock.now().timestamp())


async def carried_out(world: World, rotator: Rotator) -> None:
    """To its end; the promises are checked at every write and after every step."""
    world.asks_pods = False
    world.promises.step_begins()
    async for _ in rotator(world):
        world.pass_time(timedelta(seconds=1))
        world.promises.check()
        world.promises.step_begins()


def marks(world: World) -> dict[str, int | None]:
    """What a differential look compares: whose template was changed, and to what."""
    return {ref.name: workload.template.mark for ref, workload in world.cluster.workloads.items()}
