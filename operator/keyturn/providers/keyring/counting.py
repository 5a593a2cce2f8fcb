"""What counters of acceptors tell from look to look: who was let in with which key, and who was not. Pure.

    first     gate-1 {old: 7, new: 0}    when those seven were, nobody knows; so for RECENT        UNKNOWN
    then      gate-1 {old: 7, new: 2}    not one more                                              NOT_SEEN
    then      gate-1 {old: 8, new: 5}    one more since; so for RECENT                             IN_USE
    then      gate-2 {old: 0, new: 1}    gate-1 is gone: what it did last, nobody knows            UNKNOWN

A counter only grows while its process lives, so what happens between two looks shows at the second. What falls back has
begun anew. RECENT is longer than the gap at which a soak begins anew: what one look tells is not forgotten if the look
is lost, and a new leader, who has seen nothing, goes on with nobody's soak.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from keyturn.core.model import Idle
from keyturn.ports import Usage
from keyturn.providers.keyring.kinds import Counters
from keyturn.providers.keyring.pages import Unread
from keyturn.providers.telling import listed

RECENT: Final = timedelta(seconds=30)
_PAUSE: Final = timedelta(minutes=1)  # without a look: what happened meanwhile has no date
_MOST_LINES: Final = 2000  # of one counter
_LONGEST: Final = 1024  # signs of such a line
Dated = dict[tuple[str, str], datetime]
"""By key id and pod."""


@dataclass(frozen=True, slots=True)
class Told:
    """One pod at one look. ``being`` is another one when any of its containers was started anew."""

    pod: str  # for people
    being: str
    started: datetime  # before it counted anything
    counts: Mapping[str, float] | None  # by key id; None: it told nothing
    silent: str = ""  # why


@dataclass(frozen=True, slots=True)
class Look:
    """What one look tells, with what those before told."""

    told: Sequence[Told]
    lost: Sequence[str]  # what nobody can know of this look, in words
    undated: Mapping[str, Sequence[str]]  # by key id: pods that used it nobody knows when
    accepted: Mapping[str, Sequence[str]]  # by key id: pods that let somebody in of late

    def usage(self, id_: str, counted: frozenset[str]) -> Usage:
        """Of one key. ``counted``: what every page must show a line for, or nobody knows whether it is counted."""
        if by := self.accepted.get(id_):
            return Usage(Idle.IN_USE, (), f"{id_} was accepted of late by {listed(by)}", tuple(by))
        lineless = [
            f"{one.pod} shows no line for {missing}"
            for one in self.told
            if one.counts is not None and (missing := ", ".join(sorted(counted - one.counts.keys())))
        ]
        undated = [f"when {pod} last accepted {id_} is not known yet" for pod in self.undated.get(id_, ())]
        if not self.told:
            return Usage(Idle.UNKNOWN, (), "no acceptor runs")
        if unknown := (*self.lost, *lineless, *undated):
            return Usage(Idle.UNKNOWN, (), listed(unknown))
        return Usage(Idle.NOT_SEEN)


@dataclass
class Tally:
    """What is remembered of one plan's acceptors."""

    _last: dict[str, Told] = field(default_factory=dict[str, Told])  # by being: what it told last
    _used: Dated = field(default_factory=dict[tuple[str, str], datetime])
    _undated: Dated = field(default_factory=dict[tuple[str, str], datetime])  # and when it was looked at first
    _since: datetime | None = None  # looked at without a pause
    _at: datetime | None = None  # the last look

    def knows(self, being: str) -> bool:
        """Did it tell anything before?"""
        return being in self._last

    def look(self, told: Sequence[Told], now: datetime) -> Look:
        """What they tell now."""
        paused = self._at is None or now - self._at > _PAUSE
        since = self._since = now if paused or self._since is None else self._since
        self._at = now
        here = {one.being for one in told}
        gone = [one.pod for being, one in self._last.items() if being not in here]
        lost = [f"{pod} is gone, and what it accepted last nobody knows" for pod in gone]
        lost += [why for one in told if (why := self._heard(one, since, now))]
        self._last = {being: one for being, one in self._last.items() if being in here}
        self._used, self._undated = _recent(self._used, now), _recent(self._undated, now)
        return Look(tuple(told), tuple(lost), _by_id(self._undated), _by_id(self._used))

    def _heard(self, one: Told, since: datetime, now: datetime) -> str:
        """What is lost of it, in words. Silence loses nothing for good: counters go on, and the next page shows it."""
        if one.counts is None:
            return f"{one.pod}: {one.silent}"
        former, lost = self._last.get(one.being), ""
        before = former.counts or {} if former is not None else {}
        if any(one.counts.get(id_, -1) < count for id_, count in before.items()):
            lost, before = f"{one.pod} counts anew, and what it accepted last nobody knows", {}
        watched = former is not None and since < now  # else it grew nobody knows when
        dated = watched or one.started >= since or now - one.started <= RECENT
        grown = {(id_, one.pod): now for id_, count in one.counts.items() if count > before.get(id_, 0)}
        self._last[one.being] = one
        (self._used if dated else self._undated).update(grown)
        return lost


def _recent(uses: Dated, now: datetime) -> Dated:
    return {use: when for use, when in uses.items() if now - when <= RECENT}


def _by_id(uses: Dated) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for id_, pod in uses:
        found.setdefault(id_, []).append(pod)
    return found


def counts_of(page: bytes, counters: Counters) -> Mapping[str, float]:
    """By key id; lines that differ in other labels are added up. Raises Unread."""
    try:
        return _counts(page.decode(), counters)
    except (ValueError, LookupError, TypeError):  # whatever the parser makes of lines that are none
        raise Unread(f"its page cannot be read as a counter {counters.metric} with a label {counters.label}") from None


def _counts(page: str, counters: Counters) -> Mapping[str, float]:
    ours = [line for line in page.splitlines() if line.startswith((f"{counters.metric}{{", f"{counters.metric} "))]
    if len(ours) > _MOST_LINES or any(len(line) > _LONGEST for line in ours):
        raise Unread(f"its page has more than {_MOST_LINES} lines of {counters.metric}, or longer ones than any honest")
    found: dict[str, float] = {}
    for family in text_string_to_metric_families("\n".join(ours) + "\n"):
        for sample in family.samples:
            if not isfinite(sample.value) or sample.value < 0:
                raise ValueError
            id_ = sample.labels[counters.label]
            found[id_] = found.get(id_, 0) + sample.value
    return found
