"""The elector: never two that may act at once, whatever network and processes do, and no longer a wait than needed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from keyturn.kube.lease import Elector, LeaseTimes
from keyturn.ports import Misconfigured, Unavailable
from support.lease_store import FakeLease, View
from support.virtual_time import in_virtual_time

TIMES = LeaseTimes(duration=15, renew_deadline=10, retry=2, call=4, longest_act=10)


class LoopClock:
    """Wall time that follows the loop, so that stamps are plausible. The elector may not depend on it."""

    def __init__(self, skew: timedelta = timedelta()) -> None:
        self._skew = skew

    def now(self) -> datetime:
        seconds = asyncio.get_running_loop().time()
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds) + self._skew


class Candidate:
    """One process. ``worked`` holds the spans in which its work ran."""

    def __init__(self, lease: FakeLease, name: str, skew: timedelta = timedelta(), times: LeaseTimes = TIMES) -> None:
        self.view = View(lease)
        jitter = random.Random(name).random
        self.elector = Elector(self.view, name, LoopClock(skew), times=times, jitter=jitter)
        self.worked: list[tuple[float, float]] = []
        self.epochs: list[int] = []
        self._task = asyncio.ensure_future(self.elector.lead(self._work))

    async def _work(self) -> None:
        began = now()
        self.epochs.append(self.elector.epoch)
        try:
            await asyncio.sleep(10**6)
        finally:
            self.worked.append((began, now()))

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def working(self) -> bool:
        return len(self.epochs) > len(self.worked)


def now() -> float:
    return asyncio.get_running_loop().time() - 1000


async def until(happened: Callable[[], bool], limit: float) -> float:
    """When it happened; fails if it does not within so many seconds."""
    began = now()
    while not happened():
        assert now() - began < limit, "it did not happen in time"
        await asyncio.sleep(0.05)
    return now()


def test_the_first_candidate_makes_the_lease_and_leads_at_once():
    async def story() -> None:
        lease = FakeLease()
        first = Candidate(lease, "first")
        await until(lambda: first.working, 1)
        assert lease.stored is not None
        assert lease.stored.holder == "first"
        assert first.elector.epoch == lease.stored.epoch > 0
        await first.stop()

    in_virtual_time(story())


def test_while_one_leads_and_renews_the_other_never_does():
    async def story() -> None:
        lease = FakeLease()
        first = Candidate(lease, "first")
        await until(lambda: first.working, 1)
        second = Candidate(lease, "second")
        await asyncio.sleep(600)
        assert first.working
        assert not second.epochs
        await second.stop()
        await first.stop()

    in_virtual_time(story())


def test_a_leader_that_stops_gives_the_lease_back_and_the_next_one_leads_within_a_retry_under_a_later_epoch():
    async def story() -> None:
        lease = FakeLease()
        first = Candidate(lease, "first")
        await until(lambda: first.working, 1)
        second = Candidate(lease, "second")
        await asyncio.sleep(5)
        stopped = now()
        await first.stop()
        assert await until(lambda: second.working, 3) - stopped < 3
        assert second.elector.epoch == first.epochs[0] + 1
        await second.stop()

    in_virtual_time(story())


@pytest.mark.parametrize("attempts", [1, 2], ids=["acquiring", "renewing"])
def test_a_leader_that_stops_while_its_attempt_is_on_its_way_gives_the_lease_back_too(attempts: int):
    async def story() -> None:
        # Given a lease in use, and one more attempt of its holder that arrived and is not answered yet
        lease = FakeLease()
        first = Candidate(lease, "first")
        first.view.weather = "late"
        await until(lambda: len(lease.writes) == attempts, 10)
        second = Candidate(lease, "second")
        # When the holder stops in that moment
        await first.stop()
        # Then nobody waits for the lease to run out
        assert lease.stored is not None
        assert lease.stored.holder != "first"
        await until(lambda: second.working, 3)
        await second.stop()

    in_virtual_time(story())


def test_a_leader_that_vanishes_is_replaced_after_the_lease_and_what_it_may_have_begun_are_waited_out():
    async def story() -> None:
        lease = FakeLease()
        first = Candidate(lease, "first")
        await until(lambda: first.working, 1)
        second = Candidate(lease, "second")
        await asyncio.sleep(5)
        first.view.weather = "silent"  # killed, for all that others can see
        last = now()
        took = await until(lambda: second.working, 40) - last
        settle = TIMES.longest_act - (TIMES.duration - TIMES.renew_deadline)
        assert TIMES.duration - TIMES.retry + settle <= took <= TIMES.duration + 3 * TIMES.retry + settle
        await second.stop()
        await first.stop()

    in_virtual_time(story())


@pytest.mark.fm(52)
@pytest.mark.parametrize("weather", ["down", "silent", "lost"])
def test_a_leader_that_cannot_renew_stops_before_anybody_else_may_begin(weather: str):
    async def story() -> None:
        lease = FakeLease()
        first = Candidate(lease, "first")
        await until(lambda: first.working, 1)
        second = Candidate(lease, "second")
        await asyncio.sleep(7)
        first.view.weather = weather
        await until(lambda: not first.working, TIMES.renew_deadline + TIMES.call + TIMES.retry)
        ended = now()
        assert not second.working
        with pytest.raises(Unavailable, match="NotLeading"):
            first.elector.fence()
        first.view.weather = "down"
        await until(lambda: second.working, 60)
        assert second.epochs[0] > first.epochs[0]
        assert now() > ended
        await second.stop()
        await first.stop()

    in_virtual_time(story())


@pytest.mark.fm(38, 55)
def test_the_fence_closes_at_the_deadline_even_if_no_task_of_the_process_gets_to_run():
    async def story() -> None:
        lease = FakeLease()
        first = Candidate(lease, "first")
        await until(lambda: first.working, 1)
        first.elector.fence()
        loop = asyncio.get_running_loop()
        loop.now += TIMES.renew_deadline + 0.01  # type: ignore[attr-defined]  # SIGSTOP: time goes on, the process does not
        with pytest.raises(Unavailable, match="NotLeading"):
            first.elector.fence()
        await first.stop()

    in_virtual_time(story())


def test_a_short_outage_does_not_cost_the_lease():
    async def story() -> None:
        lease = FakeLease()
        first = Candidate(lease, "first")
        await until(lambda: first.working, 1)
        first.view.weather = "down"
        await asyncio.sleep(TIMES.renew_deadline - 2 * TIMES.retry)
        first.view.weather = "fine"
        await asyncio.sleep(60)
        assert first.working
        assert len(first.epochs) == 1
        await first.stop()

    in_virtual_time(story())


@pytest.mark.fm(45)
def test_wrong_clocks_change_nothing():
    async def story() -> None:
        lease = FakeLease()
        first = Candidate(lease, "first", skew=timedelta(hours=-5))
        await until(lambda: first.working, 1)
        second = Candidate(lease, "second", skew=timedelta(hours=7))
        await asyncio.sleep(300)
        assert first.working
        assert not second.epochs
        await second.stop()
        await first.stop()

    in_virtual_time(story())


def test_a_lease_deleted_under_its_holder_is_made_anew_under_a_later_epoch():
    async def story() -> None:
        lease = FakeLease()
        first = Candidate(lease, "first")
        await until(lambda: first.working, 1)
        before = first.elector.epoch
        lease.stored = None
        await until(lambda: lease.stored is not None, 10)
        assert first.elector.epoch > before
        assert first.elector.leading()
        await first.stop()

    in_virtual_time(story())


def test_somebody_else_editing_the_lease_costs_one_attempt_and_not_the_lead():
    async def story() -> None:
        lease = FakeLease()
        first = Candidate(lease, "first")
        await until(lambda: first.working, 1)
        assert lease.stored is not None
        lease.write(lease.stored)
        await asyncio.sleep(60)
        assert first.working
        assert len(first.epochs) == 1
        await first.stop()

    in_virtual_time(story())


def test_a_lease_taken_away_ends_the_lead_at_the_next_attempt():
    async def story() -> None:
        lease = FakeLease()
        first = Candidate(lease, "first")
        await until(lambda: first.working, 1)
        assert lease.stored is not None
        lease.write(replace(lease.stored, holder="usurper", epoch=lease.stored.epoch + 1))
        await until(lambda: not first.working, 3 * TIMES.retry)
        assert not first.elector.leading()
        await first.stop()

    in_virtual_time(story())


@pytest.mark.fm(44, 52)
def test_of_many_candidates_whose_network_comes_and_goes_never_two_may_act_at_once():
    async def story() -> None:
        dice = random.Random(7)
        lease = FakeLease()
        candidates = [Candidate(lease, f"candidate-{number}") for number in range(4)]
        changes = 0
        for _ in range(4000):
            await asyncio.sleep(dice.uniform(0.05, 1.5))
            assert sum(candidate.elector.leading() for candidate in candidates) <= 1
            assert sum(candidate.working for candidate in candidates) <= 1
            if dice.random() < 0.2:
                dice.choice(candidates).view.weather = dice.choice(["fine", "fine", "down", "silent", "lost"])
                changes += 1
        own = [set(candidate.epochs) for candidate in candidates]
        assert changes > 500
        assert all(len(epochs) > 3 for epochs in own), "the lead must have changed hands, else nothing was tried"
        assert len(set.union(*own)) == sum(len(epochs) for epochs in own), "an epoch belongs to one candidate"
        for candidate in candidates:
            await candidate.stop()

    in_virtual_time(story())


@pytest.mark.parametrize(
    ("duration", "renew_deadline", "retry"),
    [(15, 12, 2), (15, 15, 2), (3, 1, 1), (15, 3, 2.9), (15, 10, 0)],
    ids=["hardly longer", "not longer", "no time for a call", "one attempt only", "no pause"],
)
def test_times_under_which_two_could_act_or_one_hiccup_ends_a_lead_are_refused(
    duration: int, renew_deadline: float, retry: float
):
    with pytest.raises(Misconfigured, match=r"LeaseTimes: These lease times are not safe.*operator\.lease"):
        LeaseTimes.of(duration, renew_deadline, retry)


def test_the_default_times_are_what_the_arguments_default_to():
    assert LeaseTimes.of(15, 10, 2) == LeaseTimes()
    assert LeaseTimes.of(6, 4, 1).call == 1.5


@pytest.mark.parametrize("times", [LeaseTimes(), LeaseTimes.of(6, 4, 1), LeaseTimes.of(30, 15, 3)])
def test_the_next_one_acts_within_the_stated_bound_after_a_leader_vanished(times: LeaseTimes):
    async def story() -> float:
        lease = FakeLease()
        first = Candidate(lease, "first", times=times)
        await until(lambda: first.working, 1)
        second = Candidate(lease, "second", times=times)
        await asyncio.sleep(60.3)
        vanished = now()
        first.view.weather = "down"
        taken = await until(lambda: second.working, 120)
        await first.stop()
        await second.stop()
        return taken - vanished

    assert in_virtual_time(story()) <= times.takeover + 0.2


def test_who_does_not_lead_gets_no_epoch_to_act_under():
    async def story() -> None:
        lease = FakeLease()
        first = Candidate(lease, "first")
        with pytest.raises(Unavailable, match="NotLeading"):
            first.elector.act()
        await until(lambda: first.working, 1)
        assert first.elector.act() == first.elector.epoch
        first.view.weather = "silent"
        await asyncio.sleep(TIMES.renew_deadline + 0.1)
        with pytest.raises(Unavailable, match="NotLeading"):
            first.elector.act()
        await first.stop()

    in_virtual_time(story())
