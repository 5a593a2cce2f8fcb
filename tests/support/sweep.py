"""Plays schedules by the thousand, in two processes, and prints how many ran and which promise was broken.

hack/test world                       a sample of every part, within a minute
hack/test world --all                 all of it (of scenarios beyond ``WHOLE`` a third), within twenty minutes
hack/test world --replay 'SCHEDULE'   one of them, told step by step; seed:17 is the seventeenth random one
"""

# ruff: noqa: T201 - a command prints

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from support.pairs import covered, pairs
from support.points import crashes, double_crashes, faults_inside, single_faults, stalls
from support.promises import Broken
from support.scenarios import SCENARIOS
from support.schedules import Schedule, play, prepared
from support.seeds import by_seed
from support.world import START, abandon_loop

WITHIN = 3  # a second crash comes at one of so many writes after the first
ALL_SEEDS = 10_000
PAIRS_UNTIL = {
    True: 18 * 60,
    False: 26,
}  # seconds after the beginning; pairs come last and stop then; with --all, or not
MOST_PAIRS = 40_000
STUCK = 30  # seconds; a schedule takes a thirtieth of one
MOST_TOLD = 20
PAIRS = "pairs of faults"
EVERY_LOOK = ("rotation", "rollback", "half-way")  # of the others, those before which something had changed
WHOLE = ("rotation", "rollback", "half-way", "issued")  # the others are variations of these


@dataclass(frozen=True, slots=True)
class Part:
    """One enumeration: its name, everything in it, and how many of them, drawn once for ever, the default plays."""

    name: str
    tasks: Callable[[], Iterable[str]]
    sample: int

    def chosen(self, *, everything: bool) -> Iterable[str]:
        """All, or so many. Pairs are in the order of their worth already, and too many to play."""
        if self.name == PAIRS:
            return itertools.islice(self.tasks(), MOST_PAIRS if everything else self.sample)
        tasks = list(self.tasks())
        return tasks if everything or len(tasks) <= self.sample else random.Random(self.name).sample(tasks, self.sample)


@dataclass
class Tally:
    """What came of a part."""

    played: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list)


def _of_all(make: Callable[[str], Iterator[Schedule]]) -> Callable[[], Iterable[str]]:
    return lambda: (str(schedule) for scenario in SCENARIOS for schedule in make(scenario))


def _drawn(make: Callable[[str], Iterator[Schedule]]) -> Callable[[], Iterable[str]]:
    """Every one; of variations one in three, drawn once for ever: or pairs would be left no time."""

    def of(scenario: str) -> Iterator[Schedule]:
        coin = random.Random(scenario)
        return (schedule for schedule in make(scenario) if scenario in WHOLE or coin.random() < 1 / 3)

    return _of_all(of)


PARTS = (
    Part("crash points", _of_all(crashes), 240),
    Part("double crashes", lambda: (f"double {text}" for text in _drawn(crashes)()), 15),
    Part("leaders stopped", _of_all(stalls), 120),
    Part("faults at looks", _drawn(lambda s: single_faults(s, every_look=s in EVERY_LOOK)), 400),
    Part("faults at writes", _drawn(faults_inside), 240),
    Part("random seeds", lambda: (f"seed:{n}" for n in range(ALL_SEEDS)), 200),
    Part(PAIRS, lambda: map(str, pairs()), 800),
)


def schedules_of(task: str) -> Iterator[tuple[str, Schedule]]:
    """What one task stands for, each by the name that replays it."""
    if task.startswith("seed:"):
        yield task, by_seed(int(task.removeprefix("seed:")))
    elif task.startswith("double "):
        first = Schedule.parse(task.removeprefix("double "))
        tried = play(first).board.points
        yield from ((str(second), second) for second in double_crashes(first, tried, within=WITHIN))
    else:
        yield task, Schedule.parse(task)


class Stuck(KeyboardInterrupt):
    """A schedule goes round in circles. asyncio would catch any other exception wherever this one strikes."""


def _ring(_signal: int, _frame: object) -> None:
    raise Stuck


def carry_out(task: str) -> tuple[int, list[tuple[str, str]]]:
    """How many were played, and which broke a promise."""
    played, broken = 0, []
    for name, schedule in schedules_of(task):
        played += 1
        signal.alarm(STUCK)
        try:
            play(schedule)
        except Exception as error:  # noqa: BLE001 - a bug of any kind is what we look for
            broken.append((name, f"{type(error).__name__}: {error}"))
        except Stuck:
            abandon_loop()
            broken.append((name, f"it stands still: nothing came of it in {STUCK} s"))
        finally:
            signal.alarm(0)
    return played, broken


def sweep(*, everything: bool, jobs: int) -> int:
    """Play them; the exit status says whether any promise was broken."""
    began, played, failed = time.monotonic(), Counter[str](), 0
    os.nice(5)
    with multiprocessing.get_context("fork").Pool(jobs, signal.signal, (signal.SIGALRM, _ring)) as pool:
        for part in PARTS:
            chosen = list(part.chosen(everything=everything))
            until = began + PAIRS_UNTIL[everything] if part.name == PAIRS else None
            tally = _played(pool.imap_unordered(carry_out, chosen, 8), until)
            print(f"world: {part.name:18} {tally.played:6} played, {len(tally.broken)} violations", flush=True)
            if part.name == PAIRS:
                print(f"world: {covered(chosen[: tally.played])}", flush=True)
            played[part.name] = tally.played
            failed += len(tally.broken)
            for name, words in tally.broken[:MOST_TOLD]:
                print(f"  {words}\n    hack/test world --replay '{name}'")
        pool.terminate()
        pool.join()
    told = f"{sum(played.values())} schedules, {played['crash points']} crash points, {played['random seeds']} seeds"
    cpu = sum(os.times()[:4])
    print(f"world: {told}: {failed} violations, {time.monotonic() - began:.0f} s ({cpu:.0f} s of CPU)")
    return 1 if failed else 0


def _played(results: Iterable[tuple[int, list[tuple[str, str]]]], until: float | None) -> Tally:
    tally = Tally()
    for played, broken in results:
        tally.played += played
        tally.broken += broken
        if until is not None and time.monotonic() > until:
            break
    return tally


def replay(name: str) -> int:
    """One schedule, told step by step."""
    ((_, schedule),) = itertools.islice(schedules_of(name), 1)
    print(f"world: {schedule}")
    world = prepared(schedule)
    told = 0

    def tell(_world: object) -> None:
        nonlocal told
        status = world.rotation_status
        news = ", ".join(world.board.writes[told:])
        told = len(world.board.writes)
        seconds = (world.clock.true - START).total_seconds()
        happened = ", ".join(sorted(world.active))
        print(f"{seconds:8.1f} s  {world.phase or '-':10} {status.blocked_by:24} [{happened}] {news}")

    world.happenings.append(tell)
    try:
        play(schedule, world)
    except Broken as broken:
        print(f"world: {broken}")
        return 1
    print(f"world: ended {world.phase}; people did: {', '.join(world.people.did) or 'nothing'}")
    return 0


def main() -> int:
    """As the first lines of this file say."""
    words = argparse.ArgumentParser(prog="hack/test world", description=__doc__)
    words.add_argument("--all", action="store_true")
    words.add_argument("--replay", default="")
    words.add_argument("--jobs", type=int, default=2)
    asked = words.parse_args()
    return replay(asked.replay) if asked.replay else sweep(everything=asked.all, jobs=asked.jobs)


if __name__ == "__main__":
    sys.exit(main())
