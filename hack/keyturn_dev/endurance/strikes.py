"""Whom to strike, how and when: a seeded plan of blows, and the hand that deals them to the operator that leads.

Needs the operator's processes on this machine, as they are with the local driver.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Event, Thread

from keyturn_dev.cluster.shell import Trouble
from keyturn_dev.demo.killing import Killer, processes_of
from keyturn_dev.demo.kubectl import Kubectl
from keyturn_dev.demo.stage import OPERATOR

EVERY = 20.0  # seconds between two strikes, on average
_LOOK = 0.5  # seconds between two looks at the lease


class Blow(StrEnum):
    """What happens to the one that leads."""

    KILLED = "killed"  # SIGKILL; its pod goes with it, or the kubelet would wait longer before each new start
    FROZEN = "frozen"  # SIGSTOP, and SIGCONT later: it goes on where it stood, whoever leads by then
    STOPPED = "stopped"  # its pod is deleted: SIGTERM, and time to give the lease back


@dataclass(frozen=True, slots=True)
class Strike:
    """One blow, this many seconds after the one before. ``frozen_for``: seconds until it may go on."""

    after: float
    blow: Blow
    frozen_for: float


def plan_of(seed: int, every: float = EVERY) -> Iterator[Strike]:
    """The same strikes for the same seed, without end: every 20 s, half of that more or less."""
    dice = random.Random(seed)
    while True:
        yield Strike(dice.uniform(0.5, 1.5) * every, dice.choice(list(Blow)), dice.uniform(0.25, 1.75) * every)


@dataclass(slots=True)
class Struck:
    """What was done to whom. ``led_again``: seconds until anybody led, the same one included; None if nobody did."""

    blow: Blow
    pod: str
    phase: str
    at: float
    led_again: float | None = None


@dataclass(slots=True)
class Striker:
    """Strikes in a thread of its own until it is told to stop. Strikes nobody who is frozen or gone already."""

    kubectl: Kubectl
    strikes: Iterator[Strike]
    phase: Callable[[], str]
    say: Callable[[str], None]
    struck: list[Struck] = field(default_factory=list[Struck])
    trouble: Exception | None = None
    _frozen: dict[str, float] = field(default_factory=dict[str, float])  # UID of the pod, and when it goes on
    _stop: Event = field(default_factory=Event)
    _thread: Thread | None = None

    def start(self) -> None:
        """From now on."""
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more; nobody stays frozen."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=60)
        self._thaw(float("inf"))

    def _run(self) -> None:
        try:
            for strike in self.strikes:
                if not self._waited(strike.after):
                    return
                found = self._the_leader()
                if found is None:
                    return
                self._strike(strike, *found)
        except Exception as error:  # noqa: BLE001 - whoever waits for the end is told
            self.trouble = error

    def _waited(self, seconds: float) -> bool:
        """False when it is over."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._stop.wait(_LOOK):
                return False
            self._thaw(time.monotonic())
            self._note_who_leads()
        return True

    def _the_leader(self) -> tuple[str, str] | None:
        """Pod and UID of one that leads and can be struck; None when it is over."""
        while not self._stop.is_set():
            self._thaw(time.monotonic())
            found = self._leads()
            if found is not None:
                return found
            self._stop.wait(_LOOK)
        return None

    def _leads(self) -> tuple[str, str] | None:
        name = Killer(self.kubectl).leader()
        if not name:
            return None
        try:
            metadata = self.kubectl.get("pod", name, "-n", OPERATOR)["metadata"]
        except Trouble:
            return None  # gone between the two looks
        alive = metadata["uid"] not in self._frozen and "deletionTimestamp" not in metadata
        return (name, metadata["uid"]) if alive else None

    def _note_who_leads(self) -> None:
        if self.struck and self.struck[-1].led_again is None and self._leads() is not None:
            last = self.struck[-1]
            last.led_again = time.monotonic() - last.at

    def _strike(self, strike: Strike, pod: str, uid: str) -> None:
        processes = processes_of(uid)
        if not processes:
            raise Trouble("the operator's processes are not on this machine", "This needs the local driver.")
        self._note_who_leads()
        self.struck.append(Struck(strike.blow, pod, self.phase(), time.monotonic()))
        lasting = f" for {strike.frozen_for:.0f} s" if strike.blow is Blow.FROZEN else ""
        self.say(f"{pod} {strike.blow}{lasting} in {self.struck[-1].phase or 'no phase'}")
        match strike.blow:
            case Blow.KILLED:
                _signal(processes, signal.SIGKILL)
                self._remove(pod, "--force", "--grace-period=0")
            case Blow.FROZEN:
                _signal(processes, signal.SIGSTOP)
                self._frozen[uid] = time.monotonic() + strike.frozen_for
            case Blow.STOPPED:
                self._remove(pod)

    def _remove(self, pod: str, *how: str) -> None:
        self.kubectl("delete", "pod", pod, "-n", OPERATOR, "--wait=false", "--ignore-not-found", *how)

    def _thaw(self, now: float) -> None:
        for uid, until in list(self._frozen.items()):
            if until <= now:
                _signal(processes_of(uid), signal.SIGCONT)
                del self._frozen[uid]


def _signal(processes: list[int], what: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, what)
