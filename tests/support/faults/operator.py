"""The API server, and the operator's own process: refusals, conflicts, restarts, sleep, a second leader, clocks."""

from __future__ import annotations

import itertools
from datetime import timedelta

from keyturn.ports import Denied, Unavailable
from support.fault import Act, Fault, lasting
from support.switchboard import Call, Side, Weather
from support.world import World


def weather(name: str, blow: Weather) -> tuple[Act, Act]:
    def begin(world: World) -> None:
        world.board.weather[name] = blow

    def end(world: World) -> None:
        world.board.weather.pop(name, None)

    return begin, end


def _down(call: Call) -> None:
    if call.side is Side.API:
        raise Unavailable("ApiDown", "the API server cannot be reached")


def _read_only(call: Call) -> None:
    if call.side is Side.API and call.writes:
        raise Denied("Forbidden", "the API server refuses the write")


def _stutters() -> tuple[Act, Act]:
    numbers = itertools.count()

    def blow(call: Call) -> None:
        if call.side is Side.API and next(numbers) % 7 == 6:
            raise Unavailable("TooManyRequests", "the API server asks to come back later")

    return weather("api stutters", blow)


def slow(name: str, side: Side, seconds: float) -> tuple[Act, Act]:
    def begin(world: World) -> None:
        def blow(call: Call) -> None:
            if call.side is side:
                world.clock.true += timedelta(seconds=seconds)

        world.board.weather[name] = blow

    def end(world: World) -> None:
        world.board.weather.pop(name, None)

    return begin, end


def _conflicts(world: World) -> None:
    """Somebody annotates everything we write, just before each write."""

    def blow(call: Call) -> None:
        if call.side is Side.API and call.writes:
            world.cluster.touch_plan()
            world.cluster.touch_secret()
            for name in list(world.cluster.the_rotations):
                world.cluster.edit_rotation(name)

    world.board.weather["conflicts"] = blow


def _no_conflicts(world: World) -> None:
    world.board.weather.pop("conflicts", None)


def _restart(world: World) -> None:
    world.cluster.read_back()
    world.restart_operator()


def _restarts_often(world: World) -> None:
    def again(world: World) -> None:
        if "operator restarts 20 times" in world.active:
            world.restart_operator()

    world.happenings.append(again)


def _sleep(world: World) -> None:
    world.operator_down = True


def _wake(world: World) -> None:
    world.operator_down = False
    _restart(world)


def _a_day(world: World) -> None:
    world.clock.true += timedelta(days=1)


def _late(world: World) -> None:
    world.wakes_late = timedelta(seconds=60)


def _in_time(world: World) -> None:
    world.wakes_late = timedelta()


def _rival(world: World) -> None:
    """A second operator, with an older epoch, that believes to lead."""
    world.epoch += 1
    world.rivals = [world.operator]
    world.restart_operator()
    world.board.between_calls = world.take_turns


def _alone(world: World) -> None:
    world.rivals.clear()
    world.board.between_calls = None


def skewed(hours: float) -> Act:
    def begin(world: World) -> None:
        world.clock.skew += timedelta(hours=hours)

    return begin


STALL = Fault("leader stalls", "operator", lambda _world: None, lambda _world: None, lasting(30), fm=(38, 44))

FAULTS = (
    Fault("api down", "api", *weather("api down", _down), lasting(20), fm=(51, 52), alike=True),
    Fault("api down for long", "api", *weather("api down for long", _down), lasting(300), fm=(52,)),
    Fault("api refuses writes", "api", *weather("api refuses writes", _read_only), lasting(20), fm=(51,), alike=True),
    Fault("api stutters", "api", *_stutters(), lasting(30), fm=(51,), alike=True),
    Fault("api slow", "api", *slow("api slow", Side.API, 2), lasting(60), fm=(51,), alike=True),
    Fault("conflicts", "api", _conflicts, _no_conflicts, lasting(10), fm=(12, 49), alike=True),
    Fault("operator restarts", "operator", _restart, fm=(22, 55), alike=True),
    Fault("operator restarts 20 times", "operator", _restarts_often, _restart, lasting(10), fm=(22,), alike=True),
    Fault("operator sleeps", "operator", _sleep, _wake, lasting(90), fm=(55,)),
    Fault("a day passes", "operator", _a_day, fm=(45, 55)),
    Fault("wakes late", "operator", _late, _in_time, lasting(200), fm=(49,)),
    Fault("second operator", "operator", _rival, _alone, lasting(30), fm=(44,)),
    Fault("clock jumps ahead", "operator", skewed(1), skewed(-1), lasting(20), fm=(45,)),
    Fault("clock jumps back", "operator", skewed(-1), skewed(1), lasting(20), fm=(45,)),
)
