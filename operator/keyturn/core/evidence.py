r"""How sightings and session lists become "this pod proves NEW". Pure.

      probe of the pod                         backend
   Sight(container, key) --.              .-- Session(principal, address, port)
                            \            /
                        one verdict a kind            Process  New
   Connection(port) ------------ join ----            Session  New
                                 |                    Mounted  New
                          judge(): proof = every required kind agrees, none disagrees

What was not seen is UNKNOWN, and UNKNOWN never proves anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from keyturn.core.model import Kind, PodProof, Side, Verdict

LARGEST_ID = 2**31 - 1  # what Kubernetes takes for runAsUser and runAsGroup


@dataclass(frozen=True, slots=True)
class Sight:
    """One place in one pod where the credential was looked for, already recognised against OLD and NEW."""

    container: str
    key: str  # Secret key
    kind: Kind  # PROCESS (environment, or a file the process is younger than), MOUNTED (file as it is now), REPORTED
    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, slots=True)
class Connection:
    """An ESTABLISHED connection of the pod."""

    local_address: str
    local_port: int
    remote_address: str
    remote_port: int


@dataclass(frozen=True, slots=True)
class RunsAs:
    """User and group that a container's processes run as. A probe sees only into processes of its own."""

    user: int
    group: int

    def __str__(self) -> str:
        return f"user {self.user}, group {self.group}"

    @property
    def allowed(self) -> bool:
        """May a probe be told to run so? Never as root; within what Kubernetes takes."""
        return 0 < self.user <= LARGEST_ID and 0 <= self.group <= LARGEST_ID


@dataclass(frozen=True, slots=True)
class Testimony:
    """What the probe of one pod answered to one challenge, MAC checked; or why it did not."""

    sights: tuple[Sight, ...] = ()
    connections: tuple[Connection, ...] = ()
    users: Mapping[str, RunsAs] = field(default_factory=dict[str, RunsAs])  # by container; only where it is certain
    silent: str = ""  # why there is no answer, in words; empty when there is one
    note: str = ""  # what helps a person to understand a pod that is not proven


@dataclass(frozen=True, slots=True)
class Session:
    """One open session, by the principal that authenticated."""

    principal: str
    client_address: str  # "" when the backend hides it
    client_port: int | None
    started: datetime | None
    ours: bool = False  # opened by Keyturn itself


@dataclass(frozen=True, slots=True)
class Subject:
    """The pod to judge, and what its consumer declares."""

    namespace: str
    name: str
    uid: str
    address: str
    consumer: str
    reload: bool  # re-reads the credential: Mounted plus a session stand for Process
    was_connected: bool  # its consumer was seen connected before Stage
    terminating: bool = False
    ready: bool = True
    created: datetime | None = None
    host_network: bool = False
    told: bool = False  # re-reads it only when told to: its file says little of what it holds


def combine(verdicts: Iterable[Verdict], wanted: Verdict) -> Verdict:
    """Several sights of one kind as one verdict: whatever objects to the wanted one first, then what is unknown."""
    seen = set(verdicts)
    if Verdict.MIXED in seen or {Verdict.OLD, Verdict.NEW} <= seen:
        return Verdict.MIXED
    unwanted = Verdict.NEW if wanted is Verdict.OLD else Verdict.OLD
    for verdict in (unwanted, Verdict.OTHER, Verdict.UNKNOWN, wanted, Verdict.NONE):
        if verdict in seen:
            return verdict
    return Verdict.UNKNOWN


def same_address(left: str, right: str) -> bool:
    """Equal addresses, an IPv4-mapped IPv6 address included. False when either is not one."""
    plain = _plain(left)
    return plain is not None and plain == _plain(right)


@lru_cache(maxsize=8192)  # every session is compared with every pod, look after look
def _plain(address: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def session_verdict(
    subject: Subject,
    testimony: Testimony,
    sessions: Sequence[Session],
    principals: Mapping[Side, str],
) -> Verdict:
    """As which principal this pod is connected.

    NEW needs the join by address *and* port with the pod's own connections; any OLD rests on the address alone, because
    a port seen twice may name the wrong principal (conntrack rewrites it). That a session of NEW is younger than Stage
    needs no clock of the backend's: nobody but Keyturn knew the value before, and the slot was without sessions.
    """
    theirs = [s for s in sessions if not s.ours and same_address(s.client_address, subject.address)]
    old = any(s.principal == principals[Side.OLD] for s in theirs)
    if subject.host_network or any(s.client_address == "" and not s.ours for s in sessions):
        return Verdict.OLD if old else Verdict.UNKNOWN
    new = _joined(testimony, [s for s in theirs if s.principal == principals[Side.NEW]])
    if old:
        return Verdict.MIXED if new is Verdict.NEW else Verdict.OLD
    return Verdict.UNKNOWN if testimony.silent else new


def _joined(testimony: Testimony, sessions: Sequence[Session]) -> Verdict:
    ports = Counter(c.local_port for c in testimony.connections)
    mine = [s for s in sessions if s.client_port is not None and ports[s.client_port]]
    if any(ports[s.client_port or 0] > 1 for s in mine):
        return Verdict.UNKNOWN
    return Verdict.NEW if mine else Verdict.NONE


def judge(
    subject: Subject,
    testimony: Testimony,
    session: Verdict,
    *,
    required: frozenset[Kind],
    target: Side,
) -> PodProof:
    """What this pod proves. ``proves`` is the target's verdict only if every required kind says so and none objects."""
    wanted = Verdict.NEW if target is Side.NEW else Verdict.OLD
    evidence = {Kind.SESSION: session}
    for kind in (Kind.PROCESS, Kind.REPORTED, Kind.MOUNTED):
        sights = [s.verdict for s in testimony.sights if s.kind is kind]
        if sights:
            evidence[kind] = combine(sights, wanted)
    needed = _needed(subject, required)
    why = _objection(evidence, needed, wanted, subject, testimony)
    if why and testimony.note:
        why = f"{why}; {testimony.note}"
    return PodProof(
        namespace=subject.namespace,
        name=subject.name,
        uid=subject.uid,
        consumer=subject.consumer,
        evidence=evidence,
        proves=wanted if not why else _else(evidence, wanted),
        why=why,
        terminating=subject.terminating,
        ready=subject.ready,
        created=subject.created,
    )


def _needed(subject: Subject, required: frozenset[Kind]) -> frozenset[Kind]:
    if not subject.reload:
        return required
    return (required - {Kind.PROCESS}) | {Kind.MOUNTED, Kind.SESSION}


def _objection(
    evidence: Mapping[Kind, Verdict], needed: frozenset[Kind], wanted: Verdict, subject: Subject, testimony: Testimony
) -> str:
    """Why this is no proof, in words; empty when it is one."""
    for kind, verdict in evidence.items():
        if verdict not in (wanted, Verdict.NONE, Verdict.UNKNOWN):
            return f"{kind} shows {_words(verdict)}"
    if testimony.silent:
        return testimony.silent
    for kind in sorted(needed):
        verdict = evidence.get(kind, Verdict.UNKNOWN)
        if verdict is wanted or (kind is Kind.SESSION and _neutral(verdict, evidence, wanted, subject)):
            continue
        reasons = sorted({s.why for s in testimony.sights if s.kind is kind and s.why})
        return f"{kind} shows {_words(verdict)}" + (f" ({'; '.join(reasons)})" if reasons else "")
    return ""


def _neutral(verdict: Verdict, evidence: Mapping[Kind, Verdict], wanted: Verdict, subject: Subject) -> bool:
    """No connection just now is neutral only for a consumer that was never seen connected and whose process agrees.

    An app that reloads and reports agrees if file and report do. Going back needs no new session: Confirm asks that
    nobody *holds* NEW, and an app that waits to be told may hold it whatever its file says.
    """
    if verdict is not Verdict.NONE:
        return False
    mounted = subject.reload and evidence.get(Kind.MOUNTED) is wanted
    held = evidence.get(Kind.PROCESS) is wanted or (mounted and evidence.get(Kind.REPORTED) is wanted)
    if wanted is Verdict.OLD:
        return held or (mounted and not subject.told)
    return held and not subject.was_connected


def _else(evidence: Mapping[Kind, Verdict], wanted: Verdict) -> Verdict:
    """What an unproven pod shows: the worst that was positively seen, else UNKNOWN."""
    shown = combine((v for v in evidence.values() if v not in (wanted, Verdict.NONE, Verdict.UNKNOWN)), wanted)
    if shown is not Verdict.UNKNOWN and wanted in evidence.values():
        return Verdict.MIXED
    return shown


def _words(verdict: Verdict) -> str:
    return {
        Verdict.NEW: "the new credential",
        Verdict.OLD: "the old credential",
        Verdict.MIXED: "both credentials",
        Verdict.NONE: "nothing yet",
        Verdict.OTHER: "a value that is neither credential",
        Verdict.UNKNOWN: "nothing that could be read",
    }[verdict]
