"""The work queue: nothing told is forgotten, nothing is done twice at once, and time is kept."""

import asyncio
from collections import defaultdict
from datetime import timedelta

import pytest

from keyturn.kube.queue import WorkQueue
from support.virtual_time import in_virtual_time


class Worker:
    """Takes a second for each key, and notes when it began."""

    def __init__(self, *answers: timedelta | Exception | None, seconds: float = 1.0) -> None:
        self.began: defaultdict[str, list[float]] = defaultdict(list)
        self.ended: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self._answers = list(answers)
        self._seconds = seconds

    async def __call__(self, key: str) -> timedelta | None:
        self.began[key].append(asyncio.get_running_loop().time() - 1000)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self._seconds)
        self.at_once -= 1
        self.ended.append(key)
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


async def drained_for(queue: WorkQueue[str], worker: Worker, seconds: float, patience: float = 0.0) -> None:
    drain = asyncio.ensure_future(queue.drain(worker, patience=lambda: patience))
    await asyncio.wait({drain}, timeout=seconds)
    drain.cancel()
    await asyncio.gather(drain, return_exceptions=True)


@pytest.mark.fm(49)
def test_a_key_woken_many_times_before_its_turn_is_worked_on_once():
    async def story() -> Worker:
        queue, worker = WorkQueue[str](), Worker()
        for _ in range(5):
            queue.wake("a")
        await drained_for(queue, worker, 10)
        return worker

    assert in_virtual_time(story()).began == {"a": [0.0]}


@pytest.mark.fm(49)
def test_a_key_woken_while_it_is_worked_on_is_worked_on_once_more_and_never_twice_at_once():
    async def story() -> Worker:
        queue, worker = WorkQueue[str](concurrency=4), Worker()
        queue.wake("a")
        loop = asyncio.get_running_loop()
        for after in (0.2, 0.4, 0.6):
            loop.call_later(after, queue.wake, "a")
        await drained_for(queue, worker, 10)
        return worker

    worker = in_virtual_time(story())
    assert worker.began == {"a": [0.0, 1.0]}
    assert worker.most_at_once == 1


def test_no_more_keys_are_worked_on_at_once_than_was_said():
    async def story() -> Worker:
        queue, worker = WorkQueue[str](concurrency=3), Worker()
        for number in range(10):
            queue.wake(f"plan-{number}")
        await drained_for(queue, worker, 20)
        return worker

    worker = in_virtual_time(story())
    assert worker.most_at_once == 3
    assert len(worker.ended) == 10


def test_a_key_comes_back_after_the_delay_it_asked_for():
    async def story() -> Worker:
        queue, worker = WorkQueue[str](), Worker(timedelta(seconds=30))
        queue.wake("a")
        await drained_for(queue, worker, 60)
        return worker

    assert in_virtual_time(story()).began == {"a": [0.0, 31.0]}


def test_of_two_delays_the_earlier_one_counts():
    async def story() -> Worker:
        queue, worker = WorkQueue[str](), Worker()
        queue.wake_after("a", timedelta(seconds=20))
        queue.wake_after("a", timedelta(seconds=5))
        queue.wake_after("a", timedelta(seconds=40))
        await drained_for(queue, worker, 100)
        return worker

    assert in_virtual_time(story()).began == {"a": [5.0]}


def test_being_woken_replaces_the_delay():
    async def story() -> Worker:
        queue, worker = WorkQueue[str](), Worker()
        queue.wake_after("a", timedelta(seconds=20))
        asyncio.get_running_loop().call_later(3, queue.wake, "a")
        await drained_for(queue, worker, 100)
        return worker

    assert in_virtual_time(story()).began == {"a": [3.0]}


def test_a_wake_during_work_is_not_put_off_by_the_delay_the_work_asks_for():
    async def story() -> Worker:
        queue, worker = WorkQueue[str](), Worker(timedelta(hours=1))
        queue.wake("a")
        asyncio.get_running_loop().call_later(0.5, queue.wake, "a")
        await drained_for(queue, worker, 60)
        return worker

    assert in_virtual_time(story()).began == {"a": [0.0, 1.0]}


@pytest.mark.fm(51)
def test_a_failure_is_told_and_tried_again_later_and_later_until_it_works():
    async def story() -> tuple[Worker, list[tuple[str, Exception]]]:
        told: list[tuple[str, Exception]] = []
        errors = [RuntimeError("one"), RuntimeError("two"), RuntimeError("three")]
        queue, worker = WorkQueue[str](failed=lambda key, error: told.append((key, error))), Worker(*errors)
        queue.wake("a")
        await drained_for(queue, worker, 100)
        return worker, told

    worker, told = in_virtual_time(story())
    assert worker.began == {"a": [0.0, 2.0, 5.0, 11.0]}  # a second of work, then 1, 2 and 5 seconds of waiting
    assert [(key, str(error)) for key, error in told] == [("a", "one"), ("a", "two"), ("a", "three")]


def test_one_key_that_fails_does_not_hold_up_the_others():
    async def story() -> Worker:
        queue, worker = WorkQueue[str](concurrency=1), Worker(RuntimeError("broken"))
        queue.wake("broken")
        queue.wake("well")
        await drained_for(queue, worker, 1.9)
        return worker

    assert in_virtual_time(story()).began == {"broken": [0.0], "well": [1.0]}


def test_work_that_was_cut_off_is_in_the_queue_for_the_next_time():
    async def story() -> tuple[Worker, Worker]:
        queue, cut_off, next_time = WorkQueue[str](), Worker(seconds=60), Worker()
        queue.wake("a")
        await drained_for(queue, cut_off, 5)
        await drained_for(queue, next_time, 5)
        return cut_off, next_time

    cut_off, next_time = in_virtual_time(story())
    assert cut_off.ended == []
    assert next_time.ended == ["a"]


@pytest.mark.parametrize(("patience", "ended"), [(10.0, ["a"]), (0.5, [])], ids=["enough patience", "too little"])
def test_when_stopped_running_work_may_end_within_the_patience_and_nothing_new_begins(
    patience: float, ended: list[str]
):
    async def story() -> Worker:
        queue, worker = WorkQueue[str](concurrency=1), Worker(seconds=4)
        queue.wake("a")
        queue.wake("b")
        await drained_for(queue, worker, 1, patience)
        return worker

    worker = in_virtual_time(story())
    assert worker.ended == ended
    assert "b" not in worker.began


@pytest.mark.fm(62)
def test_what_somebody_waits_for_goes_before_what_nobody_waits_for():
    async def story() -> Worker:
        queue, worker = WorkQueue[str](concurrency=1), Worker()
        for number in range(3):
            queue.wake(f"rests-{number}", behind=True)
        queue.wake("rotates")
        queue.wake("rests-2")  # now somebody does wait for it
        await drained_for(queue, worker, 10)
        return worker

    assert in_virtual_time(story()).ended == ["rotates", "rests-2", "rests-0", "rests-1"]


@pytest.mark.fm(62)
def test_half_of_the_places_stay_free_for_what_somebody_waits_for():
    async def story() -> Worker:
        queue, worker = WorkQueue[str](concurrency=4), Worker(seconds=5)
        for number in range(10):
            queue.wake(f"rests-{number}", behind=True)
        loop = asyncio.get_running_loop()
        loop.call_later(1, queue.wake, "rotates")
        loop.call_later(2, queue.wake, "rotates too")
        await drained_for(queue, worker, 20)
        return worker

    worker = in_virtual_time(story())
    assert (worker.began["rotates"], worker.began["rotates too"]) == ([1.0], [2.0])
    assert [len([k for k, at in worker.began.items() if at == [second]]) for second in (0.0, 5.0)] == [2, 2]


@pytest.mark.fm(62)
def test_many_that_hurry_do_not_keep_the_others_waiting_for_ever():
    async def story() -> Worker:
        queue, worker = WorkQueue[str](concurrency=1), Worker(*[timedelta()] * 1000, seconds=1)
        for name in ("a", "b"):
            queue.wake(name)
        queue.wake("rests", behind=True)
        await drained_for(queue, worker, 10)
        return worker

    assert in_virtual_time(story()).ended.index("rests") == 3


@pytest.mark.parametrize(("delay", "first"), [(5, "comes again"), (60, "waits")])
@pytest.mark.fm(62)
def test_who_comes_again_soon_is_in_a_hurry_and_who_comes_again_late_is_not(delay: int, first: str):
    async def story() -> Worker:
        queue, worker = WorkQueue[str](concurrency=1), Worker(timedelta(seconds=delay), seconds=1)
        queue.wake("comes again")
        await drained_for(queue, worker, delay - 1)
        worker.ended.clear()
        loop = asyncio.get_running_loop()
        loop.call_later(0.5, queue.wake, "busy")
        loop.call_later(0.6, lambda: queue.wake("waits", behind=True))
        busy = Worker(seconds=5)
        await drained_for(queue, busy, 30)
        return busy

    assert in_virtual_time(story()).ended[:2] == ["busy", first]
