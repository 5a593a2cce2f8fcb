"""A probe's answer, recognised against OLD and NEW. Pure; decides about places, never about pods.

Only the operator knows both values, so only it can tell whose mark a mark is. What was not told is UNKNOWN: a place
that the pod's spec names and the answer does not is reported as not looked at.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence

from keyturn.core.delivery import Delivery, Way, expanded
from keyturn.core.evidence import Connection, RunsAs, Sight, Testimony
from keyturn.core.model import Kind, Side, Verdict
from keyturn.core.sealed import Sealed
from keyturn.ports import PodRecord
from keyturn_probe import wire

Expected = Mapping[str, Mapping[str, Sealed]]
Line = Sequence[str]

_KINDS = {wire.PROCESS: Kind.PROCESS, wire.MOUNTED: Kind.MOUNTED}
_REFUSALS = {
    wire.CLOCK: "its probe's clock and the operator's are more than half a minute apart: look after the node's time",
    wire.OTHER_POD: "another pod answered at its address",
    wire.REPLAY: "its probe has been asked this before",
    wire.BUSY: "its probe is asked too often",
}
_GAPS = {
    wire.OVERWRITTEN: "a process wrote over its environment, as setproctitle does: require Session and Mounted instead",
    wire.TOO_LARGE: "there is more than the probe may read",
    wire.OLDER: "a process is older than this version of the file: it is restarted, or declares `reload`",
    wire.MISSING: "the file is not there",
    wire.NO_PROCESS: "no process of this container runs",
}
_DECLINED = {
    wire.SILENT: "nobody answers where `reloadHttp` says",
    wire.NO_PROCESS: "the container that `reloadSignal` names runs no process",
    wire.DENIED: "its probe runs as another user than the container that `reloadSignal` names",
}
_PLACES = {"val", "gap", "none"}
_WORDS = _PLACES | {"conn", "user", "note", "no"}
_UNTOLD = "the probe was not told to look there: restart the pod, so that it is injected anew"
_NOWHERE = "no variable and no file of this pod holds the Secret: was it overridden?"


class Recogniser:
    """Recognises the marks of one answer. ``remembered``: as whom pods run is kept, for their next probes."""

    def __init__(
        self, key: Sealed, challenge: wire.Challenge, pod: PodRecord, expected: Expected, *, remembered: bool = True
    ) -> None:
        self._remembered = remembered
        self._key = key
        self._challenge = challenge
        self._pod = pod
        self._expected = expected
        self._telling = telling_keys(expected)
        self._users: Mapping[str, RunsAs] = {}

    def testimony(self, lines: Sequence[Line]) -> Testimony:
        """What the pod's probe told. An answer in words we do not know is no answer."""
        try:
            if lines and lines[0][0] == "no":
                return Testimony(silent=_REFUSALS.get(lines[0][1], "its probe refuses to answer"))
            self._users = _certain(lines)
            sights = [sight for line in lines if line[0] in _PLACES for sight in self._sights(line)]
            sights += self._reported([line for line in lines if line[4:5] == [wire.REPORTED]])
            notes = [_note(line[1], line[2]) for line in lines if line[0] == "note"]
            if any(line[0] not in _WORDS for line in lines):
                raise ValueError  # noqa: TRY301  # as for any other word that is not ours
            connections = [
                Connection(line[1], int(line[2]), line[3], int(line[4])) for line in lines if line[0] == "conn"
            ]
        except (IndexError, ValueError, KeyError):
            return Testimony(silent="its probe speaks another version: restart the pod, so that it is injected anew")
        return Testimony((*sights, *self._untold(lines)), tuple(connections), self._users, note="; ".join(notes))

    def _sights(self, line: Line) -> Iterator[Sight]:
        """``val container key way kind mark n`` | ``gap container key way kind code detail n`` | ``none ...``."""
        what, container, key, way, kind = line[:5]
        if kind == wire.REPORTED:
            return
        stray = way == wire.STRAY or not container
        if what == "val":
            verdict = self._verdict(container, key, line[5])
            if verdict is not None and not (stray and verdict is Verdict.OTHER):
                why = "in a variable that nobody declared" if stray else ""
                yield Sight(container, key, _KINDS[kind], verdict, why)
        elif key in self._telling:
            if what == "gap":
                yield Sight(container, key, _KINDS[kind], self._blank(line[5]), self._why(container, line[5], line[6]))
            else:
                yield Sight(container, key, _KINDS[kind], Verdict.NONE)

    def _reported(self, lines: Sequence[Line]) -> Iterator[Sight]:
        """What the app itself said: HMAC-SHA256 of the question, keyed with the value it uses."""
        if self._challenge.errand[:1] != (wire.REPORT,):
            return
        found: list[Sight] = []
        for what, _, key, _, _, said, *_ in lines:
            if what == "gap":
                found.append(Sight("", "", Kind.REPORTED, Verdict.UNKNOWN, _unreported(said)))
            elif key in self._telling:
                matches = {side for side, values in self._expected.items() if self._says(key, values.get(key), said)}
                verdict = Verdict.OTHER if not matches else Verdict.OLD if Side.OLD in matches else Verdict.NEW
                found.append(Sight("", key, Kind.REPORTED, verdict))
        nothing = Sight("", "", Kind.REPORTED, Verdict.UNKNOWN, "its report names no key of the Secret that changes")
        yield from found or [nothing]

    def _says(self, key: str, value: Sealed | None, marked: str) -> bool:
        if value is None:
            return False
        said = hmac.new(value.reveal(), self._challenge.question(), "sha256").hexdigest().encode()
        return wire.same(marked, wire.value_mark(self._key.reveal(), self._challenge, "", key, said))

    def _verdict(self, container: str, key: str, marked: str) -> Verdict | None:
        """None for a key that OLD and NEW share, as long as it holds what they share."""
        matches = {
            side
            for side, values in self._expected.items()
            if key in values and wire.same(marked, self._mark(container, key, values[key]))
        }
        if key not in self._telling:
            known = any(key in values for values in self._expected.values())
            return None if matches or not known else Verdict.OTHER
        if not matches:
            return Verdict.OTHER
        return Verdict.OLD if Side.OLD in matches else Verdict.NEW

    def _mark(self, container: str, key: str, value: Sealed) -> str:
        return wire.value_mark(self._key.reveal(), self._challenge, container, key, value.reveal())

    def _blank(self, code: str) -> Verdict:
        """A terminating pod's container that has ended holds nothing any more."""
        return Verdict.NONE if code == wire.NO_PROCESS and self._pod.terminating else Verdict.UNKNOWN

    def _why(self, container: str, code: str, owner: str) -> str:
        unsaid = self._remembered and container in self._users and container in self._pod.unsaid_users
        if code == wire.DENIED and unsaid:
            return (
                f"container {container} runs as {self._users[container]}, which its template leaves to the image, so "
                f"its probe may not look; Keyturn remembers that, and the next pod's probe may. {self._restarted()}"
            )
        if code == wire.DENIED:
            user, _, group = owner.partition(":")
            return (
                f"container {container} runs as user {user or '?'}, group {group or '?'}, and its probe may not look: "
                "set runAsUser and runAsGroup to these in the pod's spec, unless it says so already; a process that "
                "is just starting is seen at the next look; root, or a process that hides, stays unseen"
            )
        return f"container {container}: {_GAPS.get(code, 'it cannot be seen')}"

    def _restarted(self) -> str:
        """Who makes the next pod: in Preflight nobody but a person, for nothing is changed before OLD is proved."""
        consumer = self._pod.consumer
        if consumer is None:
            return "Replace this pod: Keyturn restarts nothing that has not proved the credential it holds"
        words = f"{consumer.kind.lower()}/{consumer.name} -n {consumer.namespace}"
        return (
            f"Restart it once, `kubectl rollout restart {words}`: Keyturn does not, before it knows what its pods hold"
        )

    def _untold(self, lines: Sequence[Line]) -> Iterator[Sight]:
        """Declared places without a value or a reason, and a pod in which nothing is declared."""
        told = {(line[1], line[2], line[3]) for line in lines if line[0] in {"val", "gap"}}
        absent = {(line[1], line[2], line[3]) for line in lines if line[0] == "none"}
        declared = _lasting(self._pod.deliveries, self._telling)
        for place in declared:
            way = wire.ENV if place.way is Way.ENV else wire.FILE
            seen = (place.container, place.key, way)
            if seen not in told:
                why = "no process has the variable" if seen in absent else _UNTOLD
                yield Sight(place.container, place.key, Kind.PROCESS, Verdict.UNKNOWN, why)
        if not declared:
            yield Sight("", "", Kind.PROCESS, Verdict.UNKNOWN, _NOWHERE)


def _note(code: str, detail: str) -> str:
    """How its reload went, in words."""
    if code == wire.WAITING:
        return "it is told to reload as soon as its files show the new version"
    return f"it was told to reload and did not: {_DECLINED.get(detail, f'it answered {detail}')}; it is tried again"


def _unreported(code: str) -> str:
    known = {
        wire.SILENT: "the app does not answer where `report` says",
        wire.GARBLED: "the app's report has no line `KEY hex` as docs/reported-evidence.md has it",
    }
    return known.get(code, f"the app answered {code} where `report` says")


def _certain(lines: Sequence[Line]) -> dict[str, RunsAs]:
    """Containers whose processes all run as one user and group, and not as root, whose files hiding processes have."""
    seen: dict[str, set[RunsAs]] = {}
    for line in lines:
        if line[0] == "user":
            seen.setdefault(line[1], set()).add(RunsAs(int(line[2]), int(line[3])))
    return {
        container: one for container, found in seen.items() if len(found) == 1 and (one := next(iter(found))).allowed
    }


def telling_keys(expected: Expected) -> tuple[str, ...]:
    """Secret keys by which OLD and NEW can be told apart."""
    old, new = expected.get(Side.OLD, {}), expected.get(Side.NEW, {})
    return tuple(key for key in {**old, **new} if key not in old or key not in new or old[key] != new[key])


def _lasting(found: Sequence[Delivery], keys: Sequence[str]) -> tuple[Delivery, ...]:
    return tuple(one for one in expanded(found, keys) if not one.init)
