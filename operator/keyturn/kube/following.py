"""Watches the pods and Deployments of plans with an active rotation, as a mere wake-up of the work queue.

Decisions rest on consistent lists and never on what is heard here. So a watch begins at *now*, without a list of its
own; whatever happened before it could hear is made good by one wake-up when it opens. A namespace is watched once,
however many plans are followed in it, and not at all when none is.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

from keyturn.core.model import ConsumerRef, ObjectKey
from keyturn.kube import paths
from keyturn.kube.client import KubeClient
from keyturn.kube.glances import Glances, Interest
from keyturn.kube.raw import Json, mapping, text
from keyturn.ports import KeyturnError

MOST_NAMESPACES: Final = 40  # watched at once, two connections each of the client's hundred; the others are polled
_SECONDS: Final = 300  # then the server ends a watch: bounded staleness
_SILENCE: Final = 70.0  # bookmarks come every minute; a watch without is frozen
_STEADY: Final = 10.0  # a watch that ended sooner has failed
_PAUSES: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # seconds before another attempt
_REST: Final = 0.15  # seconds between two wake-ups of one plan

Wake = Callable[[ObjectKey], None]


class Bursts:
    """Passes on at most one wake-up per plan and 150 ms: the first at once, and none is lost."""

    def __init__(self, wake: Wake) -> None:
        self._wake = wake
        self._resting: dict[ObjectKey, bool] = {}  # was it woken again meanwhile?

    def wake(self, plan: ObjectKey) -> None:
        """Now, or as soon as it has rested."""
        if plan in self._resting:
            self._resting[plan] = True
            return
        self._resting[plan] = False
        self._wake(plan)
        asyncio.get_running_loop().call_later(_REST, self._rested, plan)

    def _rested(self, plan: ObjectKey) -> None:
        if self._resting.pop(plan):
            self.wake(plan)


class Stream:
    """One collection, watched again and again until cancelled."""

    def __init__(
        self,
        client: KubeClient,
        path: str,
        *,
        opened: Callable[[], None],
        hear: Callable[[Json, bool], None],
        silence: float = _SILENCE,
    ) -> None:
        self._client, self._path, self._silence = client, path, silence
        self._opened, self._hear = opened, hear
        self.live = False  # would a change be heard now?

    async def run(self) -> None:
        """For ever. An API server that is away, or refuses, is asked again, ever more rarely."""
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            began = loop.time()
            with suppress(KeyturnError):
                await self._listen()
            if loop.time() - began >= _STEADY:
                failures = 0
            else:
                await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)] * random.uniform(0.5, 1.0))
                failures += 1

    async def _listen(self) -> None:
        since = await self._client.latest(self._path)
        async with self._client.watch(self._path, since=since, seconds=_SECONDS, silence=self._silence) as events:
            self.live = True
            self._opened()
            try:
                async for event in events:
                    kind = text(event, "type")
                    if kind == "ERROR":  # 410: too far behind to be told what happened
                        return
                    if kind != "BOOKMARK":
                        self._hear(mapping(event, "object"), kind == "DELETED")
            finally:
                self.live = False
                await events.aclose()


class Following:
    """Give it a client of its own: its watches hold connections. ``run`` it beside the work queue."""

    def __init__(self, client: KubeClient, wake: Wake, *, silence: float = _SILENCE) -> None:
        self._client, self._silence = client, silence
        self._wake = Bursts(wake).wake
        self._plans: dict[ObjectKey, Interest] = {}
        self._streams: dict[str, tuple[Stream, Stream]] = {}
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._changed = asyncio.Event()

    @property
    def namespaces(self) -> Collection[str]:
        """Those being watched."""
        return self._streams.keys()

    def follow(self, plan: ObjectKey, secret: str, consumers: Collection[ConsumerRef]) -> bool:
        """See ``ports.Cluster``."""
        if plan not in self._plans:
            self._changed.set()
        self._plans[plan] = Interest(secret, frozenset(consumers))
        streams = self._streams.get(plan.namespace, ())
        return bool(streams) and all(stream.live for stream in streams)

    def unfollow(self, plan: ObjectKey) -> None:
        """See ``ports.Cluster``."""
        if self._plans.pop(plan, None) is not None:
            self._changed.set()

    def unfollow_all(self) -> None:
        """This process leads no more."""
        self._plans.clear()
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled: opens and closes watches as plans come and go. Raises what is a mistake of ours."""
        try:
            while True:
                self._changed.clear()
                await self._adjust()
                await self._until_changed()
        finally:
            for namespace in list(self._tasks):
                await self._close(namespace)

    async def _adjust(self) -> None:
        wanted = list(dict.fromkeys(plan.namespace for plan in self._plans))[:MOST_NAMESPACES]
        for namespace in [one for one in self._tasks if one not in wanted]:
            await self._close(namespace)
        for namespace in wanted:
            if namespace not in self._tasks:
                self._open(namespace)

    def _open(self, namespace: str) -> None:
        everything, glances = ObjectKey(namespace, ""), Glances()

        def opened() -> None:
            for plan in self._of(namespace):
                self._wake(plan)

        def pod(found: Json, gone: bool) -> None:  # noqa: FBT001 - a callback of two
            for plan in glances.pod(found, self._of(namespace), gone=gone):
                self._wake(plan)

        def workload(found: Json, gone: bool) -> None:  # noqa: FBT001 - same
            for plan in glances.workload(found, self._of(namespace), gone=gone):
                self._wake(plan)

        pods, deployments = paths.core("pods", everything), paths.apps("deployments", everything)
        streams = (
            Stream(self._client, pods, opened=opened, hear=pod, silence=self._silence),
            Stream(self._client, deployments, opened=opened, hear=workload, silence=self._silence),
        )
        self._streams[namespace] = streams
        self._tasks[namespace] = [asyncio.create_task(stream.run()) for stream in streams]

    async def _close(self, namespace: str) -> None:
        del self._streams[namespace]
        tasks = self._tasks.pop(namespace)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_changed(self) -> None:
        changed = asyncio.ensure_future(self._changed.wait())
        streams = [task for tasks in self._tasks.values() for task in tasks]
        try:
            done, _ = await asyncio.wait([changed, *streams], return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
        for task in done:
            task.result()

    def _of(self, namespace: str) -> dict[ObjectKey, Interest]:
        return {plan: interest for plan, interest in self._plans.items() if plan.namespace == namespace}
