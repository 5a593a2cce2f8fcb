"""The sidecar's start: the only file that asks the machine for clocks, environment and process id."""

from __future__ import annotations

import os
import sys
import time

from keyturn_probe import wire
from keyturn_probe.answer import Answerer
from keyturn_probe.doors import Door, House, challenges, readiness
from keyturn_probe.gate import Gate
from keyturn_probe.plans import FOLDER, LATCH, POD_VARIABLE, PORTS_VARIABLE, plans_of
from keyturn_probe.proc import Proc

_GATE_EVERY = 0.5  # seconds between two looks, until it is open
_IDLE = 5.0  # seconds between two tries to open a port that was taken
_PR_SET_DUMPABLE = 4  # https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html


def say(text: str) -> None:
    """One line for whoever reads the container's log."""
    sys.stderr.write(f"keyturn-probe: {text}\n")
    sys.stderr.flush()


def without_words(kind: type[BaseException], _error: BaseException, trace: object) -> None:
    """In place of a traceback: what kind of error, and where. Its words, and the lines around it, may hold a value."""
    place = "?"
    while trace is not None:
        place = f"{getattr(trace, 'tb_frame').f_code.co_filename}:{getattr(trace, 'tb_lineno')}"  # noqa: B009
        trace = getattr(trace, "tb_next")  # noqa: B009  # types.TracebackType is not worth an import
    say(f"ends: {kind.__name__} at {place}")


def hidden() -> bool:
    """Make sure that no other process of the pod can look into this one; False when that cannot be had.

    In our image the interpreter cannot be read by its user, so the kernel starts it non-dumpable. Elsewhere one call of
    prctl does it, through the C half of ctypes. The files in ``/proc`` of a non-dumpable process belong to root.
    """
    if os.getuid() != 0 and os.stat("/proc/self/environ").st_uid == 0:
        return True
    try:
        from _ctypes import call_function, dlopen, dlsym  # noqa: PLC0415  # absent, and not needed, in our image
    except ImportError:
        return os.getuid() == 0  # /proc tells root nothing here; our image's interpreter hides it all the same
    prctl = dlsym(dlopen(None, 2), "prctl")  # pyright: ignore[reportArgumentType]  # None: this program itself
    return call_function(prctl, (_PR_SET_DUMPABLE, 0, 0, 0, 0)) == 0


def _boot_offset() -> float:
    return time.clock_gettime(time.CLOCK_REALTIME) - time.clock_gettime(time.CLOCK_BOOTTIME)


def _wall() -> float:
    return time.clock_gettime(time.CLOCK_REALTIME)


def main() -> None:
    """Serve until killed. Exits with a sentence when the pod's spec is not as the injector writes it."""
    sys.excepthook = without_words
    if not hidden():
        sys.exit("keyturn-probe: other processes of the pod could read this one's key; use the image keyturn/probe")
    pod_uid = os.environ.get(POD_VARIABLE, "")
    try:
        plans = plans_of(os.environ, FOLDER)
        challenge_port, readiness_port = map(int, os.environ.get(PORTS_VARIABLE, "9901 9902").split())
    except (wire.Malformed, ValueError):
        sys.exit("keyturn-probe: KEYTURN_WATCH or KEYTURN_PORTS is not as the injector writes it; inject again")
    ticks = os.sysconf("SC_CLK_TCK")
    proc = Proc("/proc", pod_uid, _boot_offset, ticks, str(os.getpid()))
    gate = Gate(plans, proc, LATCH, time.monotonic, say)
    answerer = Answerer(plans, proc, pod_uid, _wall, time.monotonic)
    house = House(
        [
            Door(challenge_port, challenges(answerer.answer)),
            Door(readiness_port, readiness(lambda: gate.open)),
        ],
        time.monotonic,
        say,
    )
    say(f"watching {sum(len(plan.watches) for plan in plans)} places for {len(plans)} plans")
    alone = os.getpid() == 1
    next_look = time.monotonic()
    while True:
        now = time.monotonic()
        if not gate.open and now >= next_look:
            gate.look(alone=alone)
            next_look = now + _GATE_EVERY
        house.turn(_IDLE if gate.open else max(0.0, next_look - time.monotonic()))
