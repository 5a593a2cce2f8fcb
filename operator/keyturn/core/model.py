"""The words of a rotation as frozen values: where it stands, what was seen, what it was asked to do.

Nothing here touches the world, and nothing here decides: that is ``rotation.decide``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Side(StrEnum):
    """Which credential, within one rotation."""

    OLD = "Old"
    NEW = "New"

    @property
    def other(self) -> Side:
        """The other one."""
        return Side.NEW if self is Side.OLD else Side.OLD


class Phase(StrEnum):
    """A cursor for people; conditions are for machines."""

    PREFLIGHT = "Preflight"
    CREATE = "Create"
    STAGE = "Stage"
    ROLL = "Roll"
    VERIFY = "Verify"
    SOAK = "Soak"
    APPROVE = "Approve"
    DISABLE = "Disable"
    WATCH = "Watch"
    DELETE = "Delete"
    COMPLETE = "Complete"
    ENABLE = "Enable"
    RESTORE = "Restore"
    UNROLL = "Unroll"
    CONFIRM = "Confirm"
    DISCARD = "Discard"
    ROLLED_BACK = "RolledBack"
    REFUSED = "Refused"  # left Preflight without a change, for good (a replayed or superseded Rotation)


class Verdict(StrEnum):
    """What one kind of evidence says about one pod."""

    NEW = "New"
    OLD = "Old"
    MIXED = "Mixed"  # some of both
    NONE = "None"  # looked, and there is nothing to see (no connection just now)
    OTHER = "Other"  # a value that is neither
    UNKNOWN = "Unknown"  # could not look


class Kind(StrEnum):
    """Kinds of evidence, strongest first."""

    SESSION = "Session"
    PROCESS = "Process"
    REPORTED = "Reported"
    MOUNTED = "Mounted"


class Trial(StrEnum):
    """The outcome of logging in with a credential through the consumers' endpoints."""

    WORKS = "Works"  # logged in, same system, right identity and rights, real write path
    DISABLED = "Disabled"  # refused, and the backend says: because it is disabled
    REFUSED = "Refused"  # refused for another reason (wrong password, no such principal)
    LACKING = "Lacking"  # logged in, but to other rights, settings or identity than expected
    DOWN = "Down"  # connection-class failure: nobody can tell
    AWAITED = "Awaited"  # a change is on its way to those who judge it; ``Observation.awaits`` says who is late
    NOT_ASKED = "NotAsked"


class Existence(StrEnum):
    """The state of a credential in the backend's inventory."""

    ACTIVE = "Active"
    DISABLED = "Disabled"
    RETIRED = "Retired"  # cannot come back: gone, or disabled with a value nobody knows
    ABSENT = "Absent"
    UNKNOWN = "Unknown"


class Reach(StrEnum):
    """Can the backend be reached with the rotator's own credential?"""

    UP = "Up"
    DOWN = "Down"
    REFUSED = "Refused"


class Sameness(StrEnum):
    """Is the target the declared system? Proved live, not by equal identifiers."""

    SAME = "Same"
    DIFFERENT = "Different"
    UNKNOWN = "Unknown"


class Mode(StrEnum):
    """How a rotation treats the holder of the old credential."""

    GRACEFUL = "Graceful"  # OLD works until every pod has proved NEW
    AVAILABILITY = "Availability"  # OLD may be known to others: the same order, without window, soak and way back
    CONTAINMENT = "Containment"  # OLD is known to others: cut it off first, at the price of consumers that hold it


class OnFailure(StrEnum):
    """What a Fail before Delete does."""

    ROLLBACK = "Rollback"
    PAUSE = "Pause"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that blocks, in words for people: ``reason`` CamelCase, ``message`` with the way out."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """Namespace and name of one of our objects."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class ConsumerRef:
    """A workload that uses the credential."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Op:
    """Names one step of one rotation: the same Op always has the same outcome, however often it is tried."""

    rotation_uid: str
    generation: int
    step: str
    epoch: int = 0  # of the lease under which it is carried out; backends that can hold it refuse older ones


@dataclass(frozen=True, slots=True)
class Policy:
    """What the plan asks for, as plain values. Durations are wall time that must really be observed."""

    require: frozenset[Kind] = frozenset({Kind.SESSION, Kind.PROCESS})
    soak: timedelta = timedelta(minutes=10)
    watch: timedelta = timedelta(hours=2)
    progress_deadline: timedelta = timedelta(minutes=10)
    proof_deadline: timedelta = timedelta(minutes=10)
    sample_every: timedelta = timedelta(seconds=5)
    max_parallel: int = 1
    on_failure: OnFailure = OnFailure.ROLLBACK
    approvals: int = 0
    mode: Mode = Mode.GRACEFUL


@dataclass(frozen=True, slots=True)
class Clock:
    """Time that was really observed. A gap longer than three samples starts it again."""

    observed: timedelta = timedelta()
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rotation:
    """One run: everything ``decide`` remembers. It is the Rotation's status, and status is the only memory."""

    uid: str
    name: str
    plan: ObjectKey
    policy: Policy
    phase: Phase = Phase.PREFLIGHT
    entered: datetime | None = None  # the present phase
    generation: int = 0  # of the staged value and of the forward roll; Unroll uses generation + 1
    old_id: str = ""
    new_id: str = ""
    staged_at: datetime | None = None  # when the Secret was first asked to hold NEW
    disabled_at: datetime | None = None
    connected_before: tuple[str, ...] = ()  # consumers seen connected before Stage
    roll_started: Mapping[str, datetime] = field(default_factory=dict[str, datetime])  # consumer@generation -> when
    clock: Clock = Clock()
    reopened: bool = False
    repaired_from: str = ""  # the field manager whose write was repaired once
    retried: int = 0  # how many of a person's retries were followed
    down_since: datetime | None = None  # the backend cannot be reached: nobody is late
    paused: Problem | None = None
    turned_back: Problem | None = None  # why the rotation rolls back

    @property
    def unroll_generation(self) -> int:
        """The fresh generation of a rollback: the former one would reuse its ReplicaSet."""
        return self.generation + 1

    def towards(self, side: Side) -> int:
        """The generation of the roll towards this side."""
        return self.generation if side is Side.NEW else self.unroll_generation

    def tag(self, side: Side) -> str:
        """What everything written towards this side carries. On the way back it is a later one: see ``gates``."""
        return f"{self.uid}/{self.towards(side)}"


@dataclass(frozen=True, slots=True)
class SecretView:
    """What the consumers' Secret holds, compared key by key with both rendered credentials."""

    holds: Verdict = Verdict.UNKNOWN  # NEW, OLD, MIXED, OTHER, NONE (absent), UNKNOWN
    writer: str = ""  # field manager of the last write to the managed keys
    tag: str = ""  # of our own last write


@dataclass(frozen=True, slots=True)
class ConsumerView:
    """A consumer's rollout, as the API server tells it."""

    ref: ConsumerRef
    rolled_to: int | None = None  # the generation in the template's annotation
    settled: bool = True  # controller has seen the spec, all replicas are of it, none left over, terminating included
    healthy: bool = True  # every wanted replica is available
    reload: bool = False  # declares that it re-reads the credential by itself
    stuck: str = ""  # why it cannot finish by itself: "Paused", "ProgressDeadlineExceeded" ...
    replicas: int = 1


@dataclass(frozen=True, slots=True)
class PodProof:
    """One pod and what every kind of evidence says about it; ``evidence.judge`` made it."""

    namespace: str
    name: str
    uid: str
    consumer: str  # str(ConsumerRef)
    evidence: Mapping[Kind, Verdict]
    proves: Verdict  # NEW or OLD only when every required kind agrees; else why not
    why: str = ""  # in words, when it proves neither
    terminating: bool = False
    ready: bool = True
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class SessionSeen:
    """A session at the backend, by the principal that authenticated."""

    principal: str
    client: str  # address, never more
    consumer: str = ""  # str(ConsumerRef) if the address belongs to a known pod, else empty
    pod: str = ""
    since: datetime | None = None


class Idle(StrEnum):
    """Is the credential used at the backend? An empty list counts only after a positive control."""

    IN_USE = "InUse"
    NOT_SEEN = "NotSeen"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Consent:
    """How far people agreed to this rotation, and to exactly what."""

    needed: int = 0  # distinct people; 0: nobody is asked
    digest: str = ""  # of what they are asked to agree to; "" while they are not asked yet
    consumers: tuple[str, ...] = ()  # the workloads in the digest, Kind/name@uid
    approvers: tuple[str, ...] = ()  # whose approvals count
    strangers: tuple[str, ...] = ()  # credential ids that as many of them as are needed named to be cut off
    void: tuple[Problem, ...] = ()  # approvals that do not count, and why
    barred: Problem | None = None  # why none can count


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything seen in one tick, frozen. What was not looked at says so (UNKNOWN, NOT_ASKED)."""

    system: Sameness = Sameness.UNKNOWN
    admin: Reach = Reach.DOWN
    trials: Mapping[Side, Trial] = field(default_factory=dict[Side, Trial])
    awaits: Mapping[Side, Problem] = field(default_factory=dict[Side, Problem])  # of a trial that is awaited: for whom
    states: Mapping[Side, Existence] = field(default_factory=dict[Side, Existence])
    old_tag: str | None = None  # of our last change to OLD; None: the backend keeps none
    old_usage: Idle = Idle.UNKNOWN
    use_unseen: bool = False  # nothing can say who uses OLD, and the plan accepts that: pods' proof stands for it
    old_usage_why: str = ""  # where there are no sessions to show: why it is in use, or unknown, in words
    old_accepted_by: tuple[str, ...] = ()  # who judges credentials, and has just found OLD good
    usage_lag: timedelta = timedelta()  # a use may be shown so much later: the shortest Soak that sees any of now
    old_sessions: tuple[SessionSeen, ...] = ()
    old_attempts: tuple[SessionSeen, ...] = ()  # correct but refused logins since Disable, where the backend tells
    secret: SecretView = SecretView()
    consumers: tuple[ConsumerView, ...] = ()
    pods: tuple[PodProof, ...] = ()
    pods_asked: bool = False  # an empty list of pods means something only if they were asked for
    connected: tuple[str, ...] = ()  # consumers seen connected just now
    problems: tuple[Problem, ...] = ()  # Preflight's checklist: what blocks
    unchecked: tuple[Problem, ...] = ()  # what the backend could not be asked in Preflight, and how to look oneself
    escrowed: bool = False  # both values, or the intent, are safe in escrow
    consent: Consent = Consent()
    abort: bool = False
    pause: bool = False  # a person wants nothing to move, with both credentials open
    retry: int = 0  # how often a person has said: try again
    new_id: str = ""  # the free slot NEW would use, frozen into the rotation when it leaves Preflight; or as issued
    unanswered: bool = False  # a create was not answered: the backend may have a credential that nobody knows
    window_open: bool = True
    settles: timedelta = timedelta()  # the shortest Watch that sees every login begun before Disable
    outlived: bool = False  # what was made with a credential, like a token, is good beyond it: for as long as a soak
    blind: bool = False  # the backend does not show refused logins: Watch rests on pods, and on uses that are seen
    frozen: str = ""  # who froze what; empty when not frozen
    unreadable: Problem | None = None  # the cluster itself could not be read: nothing may be concluded
