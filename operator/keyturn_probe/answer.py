"""Answers one challenge: what was found, as marks bound to that challenge, and the pod's connections. Sends nothing."""

from __future__ import annotations

from keyturn_probe import wire
from keyturn_probe.look import Finding, Look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from keyturn_probe.errands import Errands
    from keyturn_probe.plans import Plan
    from keyturn_probe.proc import Proc

FARTHEST = 120  # seconds into the future that a challenge may expire
_BURST = 20  # answers at once
_PER_SECOND = 10.0
_REMEMBERED = 2048  # nonces; more than can be answered until they expire


class Answerer:
    """Knows the plans of this pod. ``wall`` is seconds since 1970, ``clock`` counts seconds and never goes back."""

    def __init__(
        self,
        plans: Iterable[Plan],
        proc: Proc,
        pod_uid: str,
        wall: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._plans = {plan.id: plan for plan in plans}
        self._proc = proc
        self._pod_uid = pod_uid
        self._wall = wall
        self._clock = clock
        self._used: dict[str, int] = {}  # nonce -> when it expires
        self._tokens = float(_BURST)
        self._filled = clock()
        self._errands: Errands | None = None

    def answer(self, line: bytes) -> bytes | None:
        """The sealed answer; None for what is not a challenge of a plan of ours: no work, no word."""
        try:
            challenge = wire.read_challenge(line, self._key_of)
        except wire.Malformed:
            return None
        plan = self._plans[challenge.plan]
        key = plan.key()
        if key is None:
            return None
        refused = self._refusal(challenge)
        lines = [f"no {refused}"] if refused else self._lines(plan, key, challenge)
        return wire.sealed_answer(key, challenge, lines)

    def _sent(self) -> Errands:
        """Imported when first needed: most pods' probes are never sent anywhere."""
        if self._errands is None:
            from keyturn_probe.errands import Errands  # noqa: PLC0415

            self._errands = Errands(self._proc, self._clock)
        return self._errands

    def _key_of(self, id_: str) -> bytes | None:
        plan = self._plans.get(id_)
        return None if plan is None else plan.key()

    def _refusal(self, challenge: wire.Challenge) -> str:
        now = self._wall()
        if challenge.pod != self._pod_uid:
            return wire.OTHER_POD
        if not now <= challenge.expires <= now + FARTHEST:
            return wire.CLOCK
        self._used = {nonce: expires for nonce, expires in self._used.items() if expires >= now}
        if challenge.nonce in self._used:
            return wire.REPLAY
        elapsed, self._filled = self._clock() - self._filled, self._clock()
        self._tokens = min(_BURST, self._tokens + elapsed * _PER_SECOND)
        if self._tokens < 1 or len(self._used) >= _REMEMBERED:
            return wire.BUSY
        self._tokens -= 1
        self._used[challenge.nonce] = challenge.expires
        return ""

    def _lines(self, plan: Plan, key: bytes, challenge: wire.Challenge) -> Iterator[str]:
        errand = challenge.errand[:1]
        if errand in ((wire.HTTP,), (wire.SIGNAL,)):
            self._sent().reload(plan, key, challenge)
            return
        if errand == (wire.REPORT,):
            for name, said in self._sent().report(challenge):
                yield _reported(name, said, key, challenge)
        note = None if self._errands is None else self._errands.note(plan.id)
        if note is not None:
            yield f"note {note[0]} {wire.quoted(note[1])}"
        look = Look(self._proc)
        counted: dict[str, int] = {}
        for finding in (*look.findings(plan.watches), *look.strays(plan.watches, _known(plan, key))):
            line = _line(finding, key, challenge)
            counted[line] = counted.get(line, 0) + 1
        for line, count in counted.items():
            yield f"{line} {count}"
        for container, user, group in look.owners(plan.watches):
            yield f"user {wire.quoted(container)} {user} {group}"
        for local, local_port, remote, remote_port in self._proc.connections():
            yield f"conn {local} {local_port} {remote} {remote_port}"


def _reported(name: str, said: str, key: bytes, challenge: wire.Challenge) -> str:
    """What the app said, marked once more: on the wire it would let a weak old value be guessed."""
    if not name:
        return f"gap % % {wire.APP} {wire.REPORTED} {wire.quoted(said)} % 1"
    marked = wire.value_mark(key, challenge, "", name, said.encode())
    return f"val % {wire.quoted(name)} {wire.APP} {wire.REPORTED} {marked} 1"


def _line(finding: Finding, key: bytes, challenge: wire.Challenge) -> str:
    what = "val" if finding.value is not None else "gap" if finding.code else "none"
    line = f"{what} {wire.quoted(finding.container)} {wire.quoted(finding.key)} {finding.way} {finding.kind}"
    if finding.value is not None:
        return f"{line} {wire.value_mark(key, challenge, finding.container, finding.key, finding.value)}"
    return f"{line} {finding.code} {wire.quoted(finding.detail)}" if finding.code else line


def _known(plan: Plan, key: bytes) -> Callable[[bytes], str | None]:
    """Which password-bearing key of the plan has this value in any live generation."""
    try:
        accepted = plan.accepted()
    except wire.Malformed:
        accepted = None

    def known(value: bytes) -> str | None:
        rows = () if accepted is None else accepted.known.get(wire.accept_mark(key, value), ())
        return next((of for _, of, secret in rows if secret), None)

    return known
