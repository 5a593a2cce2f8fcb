"""Watching while something is under way: begun, ended, cut, frozen, refused, and never a storm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any, Self

import pytest

from keyturn.core.model import ConsumerRef, ObjectKey
from keyturn.kube.following import MOST_NAMESPACES, Bursts, Following
from keyturn.ports import Denied, KeyturnError, Unavailable
from support.virtual_time import in_virtual_time

PLAN = ObjectKey("shop", "orders-db")
API = ConsumerRef("Deployment", "shop", "orders-api")
CUT = object()


class Server:
    """The two calls that a watch needs. What is put into ``tell`` is told to the streams that are open."""

    def __init__(self) -> None:
        self.refuses: KeyturnError | None = None
        self.asked: list[float] = []
        self.streams: dict[str, asyncio.Queue[Any]] = {}

    async def latest(self, path: str) -> str:
        assert path.startswith("/api")
        await asyncio.sleep(0)
        self.asked.append(asyncio.get_running_loop().time() - 1000)
        if self.refuses is not None:
            raise self.refuses
        return "7"

    @asynccontextmanager
    async def watch(
        self, path: str, *, since: str, seconds: int, silence: float
    ) -> AsyncGenerator[AsyncGenerator[dict[str, Any], None]]:
        assert (since, seconds) == ("7", 300)
        mine: asyncio.Queue[Any] = asyncio.Queue()
        self.streams[path] = mine

        async def events() -> AsyncGenerator[dict[str, Any], None]:
            while True:
                try:
                    async with asyncio.timeout(silence):
                        event = await mine.get()
                except TimeoutError:
                    raise Unavailable("WatchEnded", "silent") from None
                if event is CUT:
                    raise Unavailable("WatchEnded", "cut")
                yield event

        try:
            yield events()
        finally:
            if self.streams.get(path) is mine:
                del self.streams[path]

    def tell(self, plural: str, event: Any) -> None:
        for path, stream in self.streams.items():
            if path.endswith(plural):
                stream.put_nowait(event)


def gone(name: str = "one") -> dict[str, Any]:
    owner = {"controller": True, "kind": "ReplicaSet", "name": "orders-api-6f9", "uid": "rs"}
    labels = {"pod-template-hash": "6f9"}
    metadata = {"namespace": "shop", "name": name, "uid": name, "labels": labels, "ownerReferences": [owner]}
    return {"type": "DELETED", "object": {"metadata": metadata, "spec": {}, "status": {}}}


class Story:
    def __init__(self) -> None:
        self.server, self.woken = Server(), list[tuple[float, ObjectKey]]()
        self.following = Following(self.server, self._wake)  # type: ignore[arg-type]  # the two calls it makes

    def _wake(self, plan: ObjectKey) -> None:
        self.woken.append((self.now, plan))

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() - 1000

    def follow(self, plan: ObjectKey = PLAN) -> bool:
        return self.following.follow(plan, "orders-db", [API])

    async def __aenter__(self) -> Self:
        self._task = asyncio.ensure_future(self.following.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def listening(self) -> Story:
        self.follow()
        await asyncio.sleep(1)
        self.woken.clear()
        return self


def test_nothing_is_asked_while_nothing_is_under_way():
    async def story() -> Server:
        async with Story() as it:
            await asyncio.sleep(3600)
            return it.server

    assert in_virtual_time(story()).asked == []


def test_a_followed_plan_is_woken_once_when_its_watch_opens_and_then_by_a_pod_that_is_gone():
    async def story() -> None:
        async with Story() as it:
            assert it.follow() is False, "not heard yet"
            await asyncio.sleep(1)
            assert it.follow() is True
            assert {plan for _, plan in it.woken} == {PLAN}
            it.woken.clear()

            it.server.tell("/pods", gone())
            await asyncio.sleep(0.01)

            assert [plan for _, plan in it.woken] == [PLAN]

    in_virtual_time(story())


def test_the_watch_ends_with_the_last_plan_of_a_namespace():
    async def story() -> None:
        async with Story() as it:
            await it.listening()
            it.follow(ObjectKey("shop", "bills-db"))
            await asyncio.sleep(1)
            assert sorted(it.server.streams) == [
                "/api/v1/namespaces/shop/pods",
                "/apis/apps/v1/namespaces/shop/deployments",
            ]

            it.following.unfollow(PLAN)
            await asyncio.sleep(1)
            assert len(it.server.streams) == 2
            it.following.unfollow(ObjectKey("shop", "bills-db"))
            await asyncio.sleep(1)

            assert it.server.streams == {}
            asked = len(it.server.asked)
            await asyncio.sleep(3600)
            assert len(it.server.asked) == asked

    in_virtual_time(story())


def test_a_burst_of_ten_pods_is_two_wake_ups_the_first_at_once_and_the_last_not_lost():
    async def story() -> list[float]:
        async with Story() as it:
            await it.listening()
            for number in range(10):
                it.server.tell("/pods", gone(str(number)))
                await asyncio.sleep(0.01)
            await asyncio.sleep(1)
            return [at for at, _ in it.woken]

    first, last = in_virtual_time(story())
    assert abs(last - first - 0.15) < 0.001


def test_a_plan_is_never_woken_more_often_than_every_150_milliseconds():
    async def story() -> list[float]:
        loop, woken = asyncio.get_running_loop(), list[float]()
        bursts = Bursts(lambda _: woken.append(loop.time()))
        for _ in range(1000):
            bursts.wake(PLAN)
            await asyncio.sleep(0.003)
        await asyncio.sleep(1)
        return woken

    woken = in_virtual_time(story())
    assert all(later - earlier >= 0.149 for earlier, later in pairwise(woken))
    assert 20 <= len(woken) <= 22


def test_a_watch_that_is_cut_or_too_old_is_opened_anew_and_what_it_missed_is_made_good():
    async def story() -> None:
        for end in (CUT, {"type": "ERROR", "object": {"code": 410}}):
            async with Story() as it:
                await it.listening()

                it.server.tell("/pods", end)
                await asyncio.sleep(0.01)
                assert it.follow() is False, "nobody would hear a change now"
                await asyncio.sleep(0.5)

                assert it.follow() is True
                assert [plan for _, plan in it.woken] == [PLAN]

    in_virtual_time(story())


def test_a_frozen_watch_is_given_up_and_bookmarks_keep_one_alive():
    async def story() -> None:
        async with Story() as it:
            await it.listening()
            asked = len(it.server.asked)
            for _ in range(10):
                await asyncio.sleep(60)
                it.server.tell("s", {"type": "BOOKMARK", "object": {}})
            assert len(it.server.asked) == asked
            assert it.woken == []

            await asyncio.sleep(72)

            assert len(it.server.asked) == asked + 2
            assert [plan for _, plan in it.woken] == [PLAN, PLAN], "one for each stream"

    in_virtual_time(story())


def test_an_api_server_that_refuses_or_is_away_is_asked_ever_more_rarely_and_the_plan_is_polled():
    async def story() -> None:
        for error in (Denied("Forbidden", "no"), Unavailable("ApiServerUnreachable", "away")):
            async with Story() as it:
                it.server.refuses = error
                assert it.follow() is False
                await asyncio.sleep(600)
                assert it.follow() is False
                assert len(it.server.asked) < 2 * 40

                it.server.refuses = None
                await asyncio.sleep(31)
                assert it.follow() is True

    in_virtual_time(story())


def test_a_process_that_leads_no_more_follows_nobody():
    async def story() -> None:
        async with Story() as it:
            await it.listening()
            it.following.unfollow_all()
            await asyncio.sleep(1)
            assert it.server.streams == {}

    in_virtual_time(story())


def test_beyond_so_many_namespaces_plans_are_polled_and_take_a_place_that_becomes_free():
    async def story() -> None:
        async with Story() as it:
            plans = [ObjectKey(f"shop-{number}", "orders-db") for number in range(MOST_NAMESPACES + 1)]
            for plan in plans:
                it.follow(plan)
            await asyncio.sleep(1)
            assert len(it.following.namespaces) == MOST_NAMESPACES
            assert it.follow(plans[0]) is True
            assert it.follow(plans[-1]) is False

            it.following.unfollow(plans[0])
            await asyncio.sleep(1)

            assert it.follow(plans[-1]) is True

    in_virtual_time(story())


def test_a_mistake_of_ours_in_a_watch_is_not_hidden():
    def wake(_: ObjectKey) -> None:
        raise ZeroDivisionError

    async def story() -> None:
        following = Following(Server(), wake)  # type: ignore[arg-type]  # the two calls it makes
        following.follow(PLAN, "orders-db", [API])
        async with asyncio.timeout(5):
            await following.run()

    with pytest.raises(ZeroDivisionError):
        in_virtual_time(story())
