"""The readiness gate: a new pod that positively holds a wrong value is kept unready, so that its roll-out stops.

It opens once and never closes: a latch file outlives the container. It needs no operator. It never judges proof: what
cannot be seen opens after half a minute and stays unproven for those who ask.
"""

from __future__ import annotations

import os

from keyturn_probe import wire
from keyturn_probe.look import Finding, Look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from keyturn_probe.plans import Accepted, Plan
    from keyturn_probe.proc import Proc

PATIENCE = 30.0  # seconds for which UNKNOWN is waited out, counted from the app's first process
LOOKS = 2  # in a row must agree: a wrapper script may change the environment just before it becomes the app

IDLE, RIGHT, UNKNOWN, WRONG = "idle", "right", "unknown", "wrong"


class Gate:
    """Is this pod ready, as far as its credentials go? ``clock`` counts seconds and never goes back."""

    def __init__(
        self, plans: Iterable[Plan], proc: Proc, latch: str, clock: Callable[[], float], say: Callable[[str], None]
    ) -> None:
        self._plans = tuple(plans)
        self._proc = proc
        self._latch = latch
        self._clock = clock
        self._say = say
        self._app_since: float | None = None
        self._agreed = 0
        self._said = ""
        self.open = _exists(latch)

    def look(self, *, alone: bool = False) -> None:
        """Look once. ``alone``: no other process can be seen, because the pod does not share its processes."""
        if self.open:
            return
        try:
            verdict, why = self._verdict(alone=alone)
        except Exception as failed:  # noqa: BLE001  # its words may hold a value; and a bug of ours must not lock out
            verdict, why = UNKNOWN, f"a bug of the probe, {type(failed).__name__}"
            self._app_since = self._clock() if self._app_since is None else self._app_since
        if why and why != self._said:
            self._say(f"not ready: {why}")
            self._said = why
        self._agreed = self._agreed + 1 if verdict == RIGHT else 0
        waited = self._app_since is not None and self._clock() - self._app_since >= PATIENCE
        if verdict == IDLE:
            self._open("no rotation runs")
        elif self._agreed >= LOOKS:
            self._open("every value is of a live generation")
        elif verdict == UNKNOWN and waited:
            self._open(f"unproven, {why}")

    def _verdict(self, *, alone: bool) -> tuple[str, str]:
        rotating: list[tuple[Plan, Accepted | None]] = []
        for plan in self._plans:
            try:
                accepted = plan.accepted()
            except wire.Malformed:
                rotating.append((plan, None))
            else:
                rotating += [] if accepted is None else [(plan, accepted)]
        if not rotating:
            return IDLE, ""
        look = Look(self._proc)
        watches = [watch for plan in self._plans for watch in plan.watches]
        if self._app_since is None and (alone or look.failed or look.app_seen(watches)):
            self._app_since = self._clock()
        verdicts = [_plan_verdict(plan, accepted, look) for plan, accepted in rotating]
        for wanted in (WRONG, UNKNOWN):
            for verdict, why in verdicts:
                if verdict == wanted:
                    return verdict, why
        return RIGHT, ""

    def _open(self, why: str) -> None:
        try:
            os.close(os.open(self._latch, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError:
            self._say("the latch cannot be written: a restart of this container looks again")
        self.open = True
        self._say(f"ready: {why}")


def _plan_verdict(plan: Plan, accepted: Accepted | None, look: Look) -> tuple[str, str]:
    key = plan.key()
    if accepted is None or key is None:
        return UNKNOWN, f"plan {plan.name}: its probe Secret is not complete"
    if not any(generation >= plan.generation for generation in accepted.generations):
        return UNKNOWN, f"plan {plan.name}: its probe Secret knows no generation as new as this pod's"
    wrong, unknown = _declared(plan, accepted, key, look)
    if not wrong:
        stray = _stray(plan, accepted, key, look)
        if stray is not None:
            wrong = f"container {stray.container}: an undeclared variable holds an older {stray.key}"
    if wrong:
        return WRONG, wrong
    return (UNKNOWN, unknown) if unknown else (RIGHT, "")


def _declared(plan: Plan, accepted: Accepted, key: bytes, look: Look) -> tuple[str, str]:
    """(What is wrong, what is unknown) in the declared places."""
    judged = {of for rows in accepted.known.values() for _, of, _ in rows}
    live: set[int] | None = None  # generations that all values seen so far can be of
    unknown = ""
    for finding in look.findings(watch for watch in plan.watches if watch.key in judged):
        if finding.value is None:
            unknown = unknown or (_words(finding) if finding.code else "")
            continue
        fits = _generations(accepted, wire.accept_mark(key, finding.value), finding.key, plan.generation)
        if not fits:
            return f"container {finding.container}: {finding.key} has a value of no live generation", ""
        live = fits if live is None else live & fits
        if not live:
            return f"container {finding.container}: {finding.key} and others are of different generations", ""
    return "", unknown or ("" if live else f"plan {plan.name}: no process shows a value yet")


def _generations(accepted: Accepted, marked: str, key: str, least: int) -> set[int]:
    rows = accepted.known.get(marked, ())
    return {generation for generation, of, _ in rows if of == key and generation >= least}


def _stray(plan: Plan, accepted: Accepted, key: bytes, look: Look) -> Finding | None:
    """A password-bearing value that is of older generations only, in a place that nobody declared."""

    def older(value: bytes) -> str | None:
        rows = accepted.known.get(wire.accept_mark(key, value), [])
        if not rows or any(generation >= plan.generation for generation, _, _ in rows):
            return None
        return next((of for _, of, secret in rows if secret), None)

    return next(look.strays(plan.watches, older), None)


def _words(finding: Finding) -> str:
    detail = f" ({finding.detail})" if finding.detail else ""
    return f"container {finding.container}: {finding.key} cannot be seen, {finding.code}{detail}"


def _exists(path: str) -> bool:
    try:
        os.stat(path)
    except OSError:
        return False
    return True
