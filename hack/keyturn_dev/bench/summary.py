"""From runs to numbers and from numbers to a page of 80 columns. Pure: neither measures nor prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from keyturn_dev.bench.audit import APART, EVENTS, counted, minimum
from keyturn_dev.bench.field import Size
from keyturn_dev.bench.rounds import Run

WAITING = ("Soak", "Watch")  # phases in which a plan asks for time to pass
WALL_TARGET, WRITES_TARGET = 1.15, 1.5  # times careful; times the minimum
MEMORY_TARGETS = {"operator": 100.0, "probe": 10.0}  # MiB


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, and the least and most that were measured."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that was measured in one bench, contender by contender. Seconds, times, MiB."""

    size: Size
    repeats: int
    runs: Mapping[str, Sequence[Run]]
    memory: Mapping[str, Spread]

    @classmethod
    def of(cls, size: Size, runs: Sequence[Run], memory: Mapping[str, Sequence[float]]) -> Summary:
        """Sort runs by contender, in the order of the first round."""
        names = dict.fromkeys(run.contender for run in runs)
        sorted_runs = {name: [run for run in runs if run.contender == name] for name in names}
        repeats = min(len(found) for found in sorted_runs.values())
        return cls(size, repeats, sorted_runs, {part: Spread.of(seen) for part, seen in memory.items() if seen})

    def wall(self, name: str) -> Spread:
        """Wall time of a contender, waiting on purpose included."""
        return Spread.of([run.seconds for run in self.runs[name]])

    def moving(self, name: str) -> Spread:
        """Wall time without the phases that only wait."""
        return Spread.of([run.seconds - waited(run) for run in self.runs[name]])

    def ratio(self, other: str) -> Spread:
        """Keyturn's wall time against another's: of medians; least and most round by round."""
        rounds = [ours.seconds / run.seconds for ours, run in zip(self.runs["keyturn"], self.runs[other], strict=False)]
        return Spread(self.wall("keyturn").median / self.wall(other).median, min(rounds), max(rounds))

    def writes(self) -> tuple[Spread, int]:
        """The operator's writes a rotation, and the minimum."""
        ours = self.runs["keyturn"]
        least = minimum(max(run.entered for run in ours), self.size.deployments)
        return Spread.of([counted(run.writes) for run in ours]), least

    def as_json(self) -> dict[str, Any]:
        """Every run as it was measured, and the medians."""
        told: dict[str, Any] = {
            "size": asdict(self.size),
            "wall": {name: asdict(self.wall(name)) for name in self.runs},
            "memory": {part: asdict(spread) for part, spread in self.memory.items()},
            "runs": [asdict(run) for found in self.runs.values() for run in found],
        }
        if "keyturn" in self.runs:
            spread, least = self.writes()
            told["writes"] = asdict(spread) | {"minimum": least}
            told["ratio"] = {name: asdict(self.ratio(name)) for name in self.runs if name != "keyturn"}
        return told


def waited(run: Run) -> float:
    """Seconds in the phases that only wait."""
    return sum(run.phases.get(phase, 0.0) for phase in WAITING)


def page(summary: Summary) -> list[str]:
    """The lines to print; none is longer than 80 columns."""
    size = summary.size
    what = f"{size.deployments} Deployment{'s' if size.deployments > 1 else ''} of {size.pods} pods"
    paces = [
        run.logins / run.watched / (size.deployments * size.pods) for found in summary.runs.values() for run in found
    ]
    rounds = f"{summary.repeats} interleaved round{'s' if summary.repeats > 1 else ''}"
    lines = [
        f"{what}; {rounds}",
        f"new logins a second from each pod: {size.logins} tried for, {median(paces):.1f} seen (pools too)",
        "",
    ]
    lines += _times(summary)
    if "keyturn" in summary.runs:
        lines += ["", *_ratios(summary), "", *_phases(summary), "", *_writes(summary), "", *_memory(summary)]
    return lines


def _times(summary: Summary) -> list[str]:
    lines = [f"{'':<28}{'wall time, seconds':<22}{'refused logins, a rotation':<30}"]
    lines += [f"{'':<28}{'median':>7}{'least - most':>14} {'witness':>9}{'database log':>14}{'of':>6}"]
    for name, runs in summary.runs.items():
        counts = [
            median(values)
            for values in (
                [run.refused_told for run in runs],
                [run.refused_logged for run in runs],
                [run.logins for run in runs],
            )
        ]
        words = f"{counts[0]:>9.0f}{counts[1]:>14.0f}{counts[2]:>6.0f}"
        lines.append(f"{name:<28}{_seconds(summary.wall(name))} {words}")
        if runs[0].phases:
            lines.append(f"{'  without Soak and Watch':<28}{_seconds(summary.moving(name))}")
    worst = {name: max(run.refused_logged for run in runs) for name, runs in summary.runs.items()}
    lines.append("most refused in one rotation, by the database's log:")
    lines += _folded([f"{name} {number}" for name, number in worst.items()])
    if "keyturn" in worst:
        lines.append(f"  keyturn's target is 0: {_verdict(met=worst['keyturn'] == 0)}")
    return lines


def _seconds(spread: Spread) -> str:
    return f"{spread.median:>7.1f}{f'{spread.least:.1f} - {spread.most:.1f}':>14}"


def _ratios(summary: Summary) -> list[str]:
    others = [name for name in summary.runs if name != "keyturn"]
    lines = [f"{'wall time against':<28}{'ratio':>7}{'by round':>14}  target"] if others else []
    for name in others:
        ratio = summary.ratio(name)
        target = f"<= {WALL_TARGET}: {_verdict(met=ratio.median <= WALL_TARGET)}" if name == "careful" else "none"
        spread = f"{ratio.least:.2f} - {ratio.most:.2f}"
        lines.append(f"{name:<28}{ratio.median:>7.2f}{spread:>14}  {target}")
    return lines


def _phases(summary: Summary) -> list[str]:
    runs = summary.runs["keyturn"]
    names = dict.fromkeys(phase for run in runs for phase in run.phases)
    words = [f"{name} {median([run.phases.get(name, 0.0) for run in runs]):.1f}" for name in names]
    return ["seconds in each phase, median:", *_folded(words)]


def _writes(summary: Summary) -> list[str]:
    runs = summary.runs["keyturn"]
    spread, least = summary.writes()
    ratio = spread.median / least
    entered = max(run.entered for run in runs)
    lines = [
        f"writes to the API, a rotation: {spread.median:.0f} ({spread.least:.0f} - {spread.most:.0f})",
        f"  the minimum is {least}: 1 Secret, {summary.size.deployments} for workloads, {entered} phases",
        f"  {ratio:.2f} times the minimum; target <= {WRITES_TARGET}: {_verdict(met=ratio <= WRITES_TARGET)}",
    ]
    names = sorted({name for run in runs for name in run.writes})
    told = {name: median([run.writes.get(name, 0) for run in runs]) for name in names}
    lines += _folded([f"{name} {number:.0f}" for name, number in told.items() if name not in APART])
    if told.get(EVENTS):
        others = spread.median - told[EVENTS]
        lines.append(f"  without Events {others:.0f}: {others / least:.2f} times the minimum")
    apart = [f"{name} {told.get(name, 0):.0f}" for name in sorted(APART)]
    return [*lines, f"  counted apart: {', '.join(apart)}"]


def _memory(summary: Summary) -> list[str]:
    lines = [f"{'resident memory, MiB':<28}{'median':>7}{'least - most':>14}  target"]
    for part, spread in summary.memory.items():
        limit = MEMORY_TARGETS.get(part)
        target = f"<= {limit:.0f}: {_verdict(met=spread.median <= limit)}" if limit else "none"
        lines.append(f"{part:<28}{_seconds(spread)}  {target}")
    return lines


def _verdict(*, met: bool) -> str:
    return "met" if met else "NOT met"


def _folded(words: Sequence[str], width: int = 78) -> list[str]:
    lines, line = list[str](), ""
    for word in words:
        longer = f"{line}, {word}" if line else word
        if len(longer) > width - 2 and line:
            lines.append(f"  {line},")
            longer = word
        line = longer
    return [*lines, f"  {line}"] if line else lines
