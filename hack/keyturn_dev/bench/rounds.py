"""Interleaved rounds: each contender once a round, so that a slow minute is everybody's. Judges nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from keyturn_dev.bench import audit
from keyturn_dev.bench.contenders import Contender, Keyturn, Told
from keyturn_dev.bench.field import Size, put_to_work
from keyturn_dev.bench.memory import Memory, ours
from keyturn_dev.cluster.shell import pause, say
from keyturn_dev.demo.database import Line, logins, refusals
from keyturn_dev.demo.stage import OPERATOR, SHOP, Stage, settled

AFTERMATH = 2.0  # seconds for the last reports and log lines, after the last old pod has gone
LOG = "/var/log/postgres/postgres.json"
SAMPLE = 1.0  # seconds between two looks at the operator's memory


@dataclass(frozen=True, slots=True)
class Run:
    """One rotation by one contender, and the logins of pods from a moment before it until its last old pod has gone.

    `refused_*`: those that the server refused, as each of the two witnesses tells. `watched`: seconds of counting.
    """

    contender: str
    seconds: float
    watched: float
    logins: int
    refused_told: int
    refused_logged: int
    unanswered: int
    phases: Mapping[str, float] = field(default_factory=dict[str, float])
    entered: int = 0
    writes: Mapping[str, int] = field(default_factory=dict[str, int])


def played(stage: Stage, contenders: Sequence[Contender], size: Size, repeats: int, memory: Memory) -> Iterator[Run]:
    """Every run, in the order in which they were made. Raises Trouble when a contender fails to rotate."""
    for number in range(1, repeats + 1):
        for contender in contenders:
            say(f"bench: round {number} of {repeats}: {contender.name}")
            put_to_work(stage, contender.crew, size)
            run = _measured(stage, contender, size, memory)
            say(f"bench:   {run.seconds:.1f} s, {run.refused_logged} of {run.logins} logins refused")
            yield run


def _measured(stage: Stage, contender: Contender, size: Size, memory: Memory) -> Run:
    """One rotation, and what it left in the logs. Everything that costs time is done before or after the clock."""
    sampler = _Sampler(stage, memory) if isinstance(contender, Keyturn) else None
    _empty_log(stage)
    before, record = stage.witnesses.count(), audit.open_log(stage.kubectl.cluster.audit_log)
    began = time.monotonic()
    told = contender.rotate(stage, sampler.look if sampler else _look_at_nothing)
    seconds = time.monotonic() - began
    writes = dict(audit.writes(record.entries(), contender.crew.secret)) if sampler else {}
    settled(stage.kubectl, *contender.crew.deployments(size.deployments))
    pause(AFTERMATH)
    if sampler:
        sampler.close()
    watched = time.monotonic() - began
    after, log = stage.witnesses.count(), stage.database.log()
    keyturn = _addresses_of_keyturn(stage)
    return Run(
        contender=contender.name,
        seconds=seconds,
        watched=watched,
        logins=_attempts(log, told, keyturn),
        refused_told=after.refused - before.refused,
        refused_logged=len(refusals(log, told.roles, leave_out=keyturn)),
        unanswered=after.unreachable - before.unreachable,
        phases=told.phases,
        entered=told.entered,
        writes=writes,
    )


def _attempts(log: Sequence[Line], told: Told, keyturn: frozenset[str]) -> int:
    good = sum(len(logins(log, role, leave_out=keyturn)) for role in told.roles)
    return good + len(refusals(log, told.roles, leave_out=keyturn))


def _empty_log(stage: Stage) -> None:
    """The server appends, so it goes on at the beginning; each run reads its own lines only."""
    stage.kubectl.exec(SHOP, stage.database.pod, "postgres", ["sh", "-c", f": > {LOG}"])


def _addresses_of_keyturn(stage: Stage) -> frozenset[str]:
    """Where the operator tries the old credential from, to see it refused: that is no login of a pod."""
    pods = stage.kubectl.items("pods", "-n", OPERATOR) if stage.kubectl.helm("list", "-n", OPERATOR, "-q") else []
    return frozenset(pod["status"].get("podIP", "") for pod in pods) - {""}


def _look_at_nothing() -> None:
    return


class _Sampler:
    """Looks at the memory of operator and injector while a rotation runs, and of all probes when it has ended."""

    def __init__(self, stage: Stage, memory: Memory) -> None:
        self._stage, self._memory = stage, memory
        self._steady = {pid: part for pid, part in ours(stage.kubectl).items() if part != "probe"}
        self._next = time.monotonic()

    def look(self) -> None:
        if time.monotonic() >= self._next:
            self._memory.sample(self._steady)
            self._next = time.monotonic() + SAMPLE

    def close(self) -> None:
        self._memory.sample({pid: part for pid, part in ours(self._stage.kubectl).items() if part == "probe"})
