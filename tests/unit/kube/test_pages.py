"""When the kubelet is told to restart the operator, and when not."""

from __future__ import annotations

import asyncio

from keyturn.kube.pages import WATCH_SECONDS, WATCH_SILENCE, Heartbeat
from support.virtual_time import in_virtual_time

PLANS = "/apis/keyturn.dev/v1alpha1/namespaces/shop/rotationplans"
ROTATIONS = "/apis/keyturn.dev/v1alpha1/namespaces/shop/rotations"


def test_a_loop_that_keeps_up_and_watches_nothing_yet_is_well():
    async def story() -> str:
        heartbeat = Heartbeat()
        beating = asyncio.ensure_future(heartbeat.beat())
        await asyncio.sleep(10)
        beating.cancel()
        return heartbeat.trouble

    assert in_virtual_time(story()) == ""


def test_a_loop_that_was_held_up_says_that_it_is_starved_until_it_has_caught_up():
    async def story() -> tuple[str, str]:
        heartbeat, loop = Heartbeat(), asyncio.get_running_loop()
        beating = asyncio.ensure_future(heartbeat.beat())
        await asyncio.sleep(0.5)
        loop.now += 8  # type: ignore[attr-defined]  # something held the loop for that long
        await asyncio.sleep(0.01)
        held_up = heartbeat.trouble
        await asyncio.sleep(2)
        beating.cancel()
        return held_up, heartbeat.trouble

    assert in_virtual_time(story()) == ("the event loop is starved", "")


def test_watches_that_ask_again_and_again_are_alive_and_one_that_does_not_is_named():
    async def story() -> list[str]:
        heartbeat, said = Heartbeat(), list[str]()
        heartbeat.expect(PLANS)
        heartbeat.expect(ROTATIONS)
        for _ in range(4):
            heartbeat.asked(PLANS)
            await asyncio.sleep(WATCH_SECONDS)
            said.append(heartbeat.trouble)
        return said

    well, *dead = in_virtual_time(story())
    assert well == ""
    assert set(dead) == {f"nobody watches {ROTATIONS} any more"}


def test_a_kind_that_is_never_asked_for_at_all_is_noticed_too():
    async def story() -> tuple[str, str]:
        heartbeat = Heartbeat()
        heartbeat.expect(PLANS)
        await asyncio.sleep(WATCH_SILENCE - 1)
        early = heartbeat.trouble
        await asyncio.sleep(2)
        return early, heartbeat.trouble

    assert in_virtual_time(story()) == ("", f"nobody watches {PLANS} any more")


def test_what_nobody_expects_to_be_watched_does_not_matter():
    async def story() -> str:
        heartbeat = Heartbeat()
        heartbeat.asked("/api/v1/namespaces")
        await asyncio.sleep(WATCH_SILENCE * 2)
        return heartbeat.trouble

    assert in_virtual_time(story()) == ""
