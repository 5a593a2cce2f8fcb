"""``watch``: one rotation as a tree of phases, with per-pod proof and sessions under the present one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import groupby

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from keyturn.api.base import format_duration
from keyturn.api.kinds import PodLine, RotationStatus
from keyturn.cli.views.plain import plain
from keyturn.cli.views.spans import ago, span
from keyturn.cli.views.standing import (
    BACK,
    ahead,
    cause,
    finished,
    going_back,
    holders,
    obstacles,
    phase_of,
    swap,
    troubles,
    wanted,
)
from keyturn.core.model import Kind, Phase
from keyturn.ports import PlanRecord, RotationRecord

_DONE, _HERE, _TO_COME, _LEFT = "✓", "▶", "·", "✗"
_STYLES = {_DONE: "green", _HERE: "bold cyan", _TO_COME: "dim", _LEFT: "red"}
_SOME = 12  # lines of pods, sessions or blockers before the rest is only counted


def fitting_tree(
    record: RotationRecord, now: datetime, plan: PlanRecord | None, *, width: int, height: int
) -> RenderableType:
    """The tree with as many pods, sessions and blockers as fit so many lines; what is left out is counted."""
    trees = (rotation_tree(record, now, plan, some) for some in range(_SOME, -1, -1))
    tree = next(trees)
    while plain(tree, width).count("\n") > height and (fewer := next(trees, None)) is not None:
        tree = fewer
    return tree


def rotation_tree(
    record: RotationRecord, now: datetime, plan: PlanRecord | None = None, some: int = _SOME
) -> RenderableType:
    """The whole rotation: what is done, where it is and whom it waits for, what is to come."""
    status = record.status
    tree = Tree(_title(record, now), guide_style="dim")
    for mark, phase, took in _rows(record, now):
        branch = tree.add(Text.assemble((f"{mark} ", _STYLES[mark]), f"{phase:<11}", (took, "dim")))
        if mark == _HERE:
            for line in _present(status, now, some):
                branch.add(line)
            if not finished(status):
                _add_pods(branch, status, some)
    stuck = () if finished(status) else troubles(plan)
    for words in stuck:
        tree.add(Text(f"the plan cannot go on: {words}", style="yellow"))
    if not status.phase and not stuck:
        tree.add(Text("waiting for the operator to begin"))
    if status.phase in {Phase.COMPLETE, Phase.ROLLED_BACK, Phase.REFUSED}:
        tree.add(_ending(status))
    return tree


def _title(record: RotationRecord, now: datetime) -> Text:
    status = record.status
    until = status.completed_at or now
    parts = (f"{record.key.name}", swap(status), phase_of(status), span(until - record.created))
    return Text("   ".join(part for part in parts if part), style="bold")


def _rows(record: RotationRecord, now: datetime) -> Iterator[tuple[str, str, str]]:
    """Mark, phase, and how long it took. A rollback shows how far it came, then the way back."""
    status, forward = record.status, ahead(record)
    entered = _times(status, now)
    back = going_back(status) or any(phase in entered for phase in BACK)
    if back:
        came = [phase for phase in forward if phase in entered]
        for phase in came:
            yield (_LEFT if phase is came[-1] else _DONE), phase, entered[phase]
    for phase in BACK if back else forward:
        mark = _mark(phase, status, entered, BACK if back else forward)
        yield mark, phase, "" if mark == _TO_COME else entered.get(phase, "")


def _times(status: RotationStatus, now: datetime) -> dict[str, str]:
    """How long each phase took, until the next began: of two that were entered in one moment the former took none.

    One that was entered again, because the rotation was reopened, counts anew.
    """
    entries = status.history
    ends = [*(entry.at for entry in entries[1:]), status.completed_at or now]
    return {entry.phase: span(end - entry.at) for entry, end in zip(entries, ends, strict=False)}


def _mark(phase: Phase, status: RotationStatus, entered: Mapping[str, str], table: tuple[Phase, ...]) -> str:
    if phase == status.phase:
        return _HERE
    here = table.index(Phase(status.phase)) if status.phase in table else None
    if here is None:  # over, or going the other way
        return _DONE if phase in entered else _TO_COME
    return _DONE if table.index(phase) < here else _TO_COME


def _present(status: RotationStatus, now: datetime, some: int) -> Iterator[Text]:
    """What is waited for in the present phase."""
    if clock := _clock(status):
        yield Text(clock)
    drawn = {line.pod for line in status.pod_proofs}  # says itself what it lacks
    waited = [blocker for blocker in obstacles(status) if blocker.pod not in drawn]
    for blocker in waited[: max(some, 1)]:
        who = blocker.pod or blocker.consumer
        yield Text.assemble((f"{who}: " if who else "", "bold"), blocker.message, (f" ({blocker.reason})", "dim"))
    yield from _rest(len(waited) - max(some, 1))
    holding = holders(status)
    for holder in holding[:some]:
        open_ = "session" if holder.count == 1 else f"{holder.count} sessions"
        yield Text(
            f"{open_} under {holder.principal} from {holder.client} ({holder.whose}) for {ago(holder.since, now)}"
        )
    yield from _rest(len(holding) - some, "with sessions open")


def _clock(status: RotationStatus) -> str:
    """How much quiet time was seen, of how much."""
    if status.plan is None:
        return ""
    asked: dict[str, timedelta] = {Phase.SOAK: status.plan.verify.soak, Phase.WATCH: status.plan.retire.watch}
    needed = asked.get(status.phase)
    if needed is None:
        return ""
    return f"quiet for {span(status.clock.observed)} of {format_duration(needed)}"


def _add_pods(branch: Tree, status: RotationStatus, some: int) -> None:
    """Pods by consumer, each with its evidence and what it lacks."""
    reasons = {blocker.pod: blocker.message for blocker in status.blockers if blocker.pod}
    shown = sorted(status.pod_proofs, key=lambda line: (line.consumer, line.pod))
    for consumer, lines in groupby(shown[:some], key=lambda line: line.consumer):
        mine = list(lines)
        proven = sum(line.proves == wanted(status) for line in mine)
        twig = branch.add(Text(f"{consumer or 'no known workload'}  {proven}/{len(mine)}"))
        for line in mine:
            leaf = twig.add(_pod(line, status))
            if line.proves != wanted(status) and (lacks := reasons.get(line.pod) or line.why):
                leaf.add(Text(lacks, style="yellow"))
    for text in _rest(max(status.pods.total, len(shown)) - some if shown else 0, "pods"):
        branch.add(text)


def _pod(line: PodLine, status: RotationStatus) -> Text:
    mark = _DONE if line.proves == wanted(status) else _TO_COME
    evidence = " ".join(f"{kind}={line.evidence[kind]}" for kind in Kind if kind in line.evidence)
    ending = " ending" if line.terminating else ""
    return Text.assemble((f"{mark} ", _STYLES[mark]), line.pod, (ending, "yellow"), "  ", (evidence, "dim"))


def _rest(count: int, of: str = "") -> Iterator[Text]:
    if count > 0:
        yield Text(f"and {count} more {of}".rstrip(), style="dim")


def _ending(status: RotationStatus) -> Text:
    if status.phase == Phase.COMPLETE:
        return Text(f"{_DONE} Complete: {status.new_id} is proved in every pod, {status.old_id} is gone", style="green")
    why = cause(status)
    word = "rolled back" if status.phase == Phase.ROLLED_BACK else "refused, nothing was changed"
    return Text(f"{_LEFT} {word}: {why}" if why else f"{_LEFT} {word}", style="red")
