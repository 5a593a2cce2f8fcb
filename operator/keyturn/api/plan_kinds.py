"""RotationPlan: the policy, and what its status remembers. Nothing here reads the cluster or decides."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Annotated, ClassVar, Literal, cast

from pydantic import ConfigDict, Field, field_serializer

from keyturn.api import rules
from keyturn.api.backends import NamesABackend, PlanHalf
from keyturn.api.base import CheckInterval, Condition, Duration, Model, Name, PositiveDuration, Time, WholeTime
from keyturn.api.rules import distinct, keyed, ruled
from keyturn.core.evidence import LARGEST_ID

MOST_USERS = 200  # containers that a plan remembers

TimeOfDay = Annotated[
    str,
    Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5, json_schema_extra=ruled(rules.CLOCK_TIME)),
]


class ProviderRef(Model):
    """The provider of a plan."""

    kind: Literal["CredentialProvider", "ClusterCredentialProvider"] = Field(
        default="CredentialProvider", description="A provider of this namespace, or one for several namespaces."
    )
    name: Name = Field(description="Its name.")


class SecretTarget(Model):
    """The Secret that pods consume: adopted, never owned."""

    model_config = ConfigDict(json_schema_extra=ruled(rules.NOT_OURS))

    name: Name = Field(description="Its name, in the plan's namespace. Cannot change.")
    keys: dict[str, Annotated[str, Field(min_length=1, max_length=1024)]] = Field(
        min_length=1,
        max_length=16,
        description="Secret key -> template. Placeholders: {username} {password} {host} {port} {database}; where it is "
        "a certificate, {privateKey} {certificate} {ca}.",
        json_schema_extra=ruled(rules.SECRET_KEYS, rules.NOT_BLANK, rules.HOLDS_PASSWORD, rules.KNOWN_PLACEHOLDERS),
    )


class Window(Model):
    """When forward steps that change something may begin."""

    model_config = ConfigDict(json_schema_extra=ruled(rules.WINDOW_NOT_EMPTY))

    days: list[Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]] = Field(
        default_factory=list[Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]],
        max_length=7,
        description="Days on which the window opens; none: every day.",
        json_schema_extra=distinct(),
    )
    start: TimeOfDay = Field(description="Opens at, like 22:00, in the schedule's time zone.")
    end: TimeOfDay = Field(description="Closes at; earlier than start: on the next day.")


class Schedule(Model):
    """When to rotate by itself. None of them: only when a person asks."""

    cron: str = Field(
        default="",
        max_length=128,
        description="Five cron fields, like '0 3 * * 1'.",
        json_schema_extra=ruled(rules.CRON),
    )
    time_zone: str = Field(
        default="UTC",
        max_length=64,
        description="IANA name of the zone that cron and windows are read in.",
        json_schema_extra=ruled(rules.TIME_ZONE),
    )
    max_age: PositiveDuration | None = Field(
        default=None, description="Rotate when the current credential is older, like 30d."
    )
    window: list[Window] = Field(
        default_factory=list[Window],
        max_length=16,
        description="Create, Stage, Disable and Delete begin only inside one of these, and what has begun is brought "
        "to its end: a roll begins with Stage. None: at any time. Going back never waits for one.",
    )


Port = Annotated[int, Field(ge=1, le=65535)]
Path = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~/-]*$", max_length=96, json_schema_extra=ruled(rules.URL_PATH))]


class ReloadHttp(Model):
    """Where the app is told, inside its pod, to read its files again."""

    port: Port = Field(description="A port on which the app listens on the pod's loopback address.")
    path: Path = Field(default="/-/reload", description="Gets an empty POST; any 2xx means that the app has reloaded.")


class ReloadSignal(Model):
    """Which process is told to read its files again, and how."""

    signal: Literal["SIGHUP", "SIGUSR1", "SIGUSR2"] = Field(
        default="SIGHUP", description="Sent to the first process of the container."
    )
    container: str = Field(min_length=1, max_length=63, description="Name of the container.")


class Report(Model):
    """Where the app answers, inside its pod, which credential it uses (docs/reported-evidence.md)."""

    port: Port = Field(description="A port on which the app listens on the pod's loopback address.")
    path: Path = Field(default="/-/credential", description="Gets a POST with a question.")


class Consumer(Model):
    """A workload that uses the credential."""

    model_config = ConfigDict(json_schema_extra=ruled(rules.RELOAD_HTTP, rules.RELOAD_SIGNAL))

    kind: Literal["Deployment"] = Field(default="Deployment", description="Kind of the workload.")
    name: Name = Field(description="Its name, in the plan's namespace.")
    reload: Literal["PerConnection", "Watch", "Http", "Signal"] | None = Field(
        default=None,
        description="The app reads the mounted file again, by itself on each connection or when it changes, or when "
        "its probe tells it to by HTTP or a signal: it is not restarted. Not set: processes older than the file count "
        "as stale and are restarted.",
    )
    reload_http: ReloadHttp | None = Field(default=None, description="With reload: Http.")
    reload_signal: ReloadSignal | None = Field(default=None, description="With reload: Signal.")
    report: Report | None = Field(
        default=None, description="The app answers which credential it uses: the evidence Reported."
    )
    allow_unavailable: bool = Field(
        default=False, description="Required for a workload that stops pods before it starts their replacements."
    )


class Consumers(Model):
    """Who uses the credential."""

    model_config = ConfigDict(json_schema_extra=ruled(rules.SOMEBODY_TO_PROVE))

    discover: Literal["SecretReference", "None"] = Field(
        default="SecretReference",
        description="SecretReference: also every workload of the namespace whose pods refer to the Secret.",
    )
    listed: list[Consumer] = Field(
        default_factory=list[Consumer],
        max_length=100,
        alias="list",
        description="Workloads that must be there, and how they behave.",
        json_schema_extra=keyed("kind", "name"),
    )


class Rollout(Model):
    """How consumers are restarted."""

    restart: Literal["IfStale"] = Field(
        default="IfStale", description="IfStale: only workloads with a pod that holds the old credential."
    )
    progress_deadline: PositiveDuration = Field(
        default=timedelta(minutes=10), description="A restart that takes longer fails the rotation."
    )
    max_parallel: int = Field(default=1, ge=1, le=50, description="Workloads restarted at the same time.")


class Verify(Model):
    """What counts as proof, and how long the old credential must be seen idle."""

    require: list[Literal["Session", "Process", "Reported", "Mounted"]] = Field(
        default_factory=lambda: list[Literal["Session", "Process", "Reported", "Mounted"]](["Session", "Process"]),
        min_length=1,
        max_length=4,
        description="Kinds of evidence that every pod must give.",
        json_schema_extra=distinct(),
    )
    soak: Duration = Field(
        default=timedelta(minutes=10), description="How long the old credential must be seen idle before Disable."
    )
    accept_blind_soak: bool = Field(
        default=False,
        description="The backend cannot say who uses a credential. Say that Soak may rest on what the pods prove.",
    )
    proof_deadline: PositiveDuration = Field(
        default=timedelta(minutes=10), description="A pod that proves nothing for longer is named as a blocker."
    )


class Retire(Model):
    """How the old credential leaves."""

    approvals: int = Field(
        default=0,
        ge=0,
        le=10,
        description="People who must agree before the old credential is disabled; the larger of this and the "
        "provider's counts. From 1 on, everyone who edits the plan puts his name on it.",
    )
    watch: Duration = Field(
        default=timedelta(hours=2), description="How long the disabled credential is watched before it is deleted."
    )
    accept_blind_watch: bool = Field(
        default=False,
        description="The backend shows neither last use nor refused logins. Say that Watch may rest on pods and "
        "sessions alone.",
    )


class RotationPlanSpec(NamesABackend):
    """The policy; lives in Git."""

    model_config = ConfigDict(json_schema_extra=ruled(rules.PROVIDER_FIXED, rules.SECRET_FIXED))
    half: ClassVar[Literal["in_provider", "in_plan"]] = "in_plan"

    provider_ref: ProviderRef = Field(description="The provider of the credential. Cannot change.")
    secret: SecretTarget = Field(description="The Secret that pods consume: adopted, never owned.")
    schedule: Schedule = Field(default=Schedule(), description="When to rotate by itself.")
    consumers: Consumers = Field(default=Consumers(), description="Who uses the credential.")
    rollout: Rollout = Field(default=Rollout(), description="How consumers are restarted.")
    verify: Verify = Field(default=Verify(), description="What counts as proof.")
    retire: Retire = Field(default=Retire(), description="How the old credential leaves.")
    on_failure: Literal["Rollback", "Pause"] = Field(
        default="Rollback",
        description="Rollback: go back by itself. Pause: keep both credentials valid and wait for a person.",
    )
    after_failure: Literal["Freeze", "Continue"] = Field(
        default="Freeze",
        description="Freeze: after a rotation that went back by itself the schedule starts no other one, until a "
        "person asks for one. Continue: the schedule goes on.",
    )
    check_every: CheckInterval = Field(
        default=timedelta(minutes=5),
        description="While no rotation runs: how often Secret and backend are compared with what was left there.",
    )
    suspend: bool = Field(default=False, description="Start no rotation. One that runs goes on.")
    history_limit: int = Field(default=10, ge=1, le=100, description="Finished Rotations kept.")

    @property
    def backend(self) -> PlanHalf | None:
        """What is rotated there; None if the spec names no backend that is known here."""
        return cast("PlanHalf", self.named[0]) if self.named else None


class ConsumerUser(Model):
    """As whom a container of a consumer runs, where its template leaves that to the image."""

    consumer: str = Field(max_length=317, description="Kind and name of the workload, like Deployment/orders-api.")
    container: str = Field(max_length=63, description="Name of the container.")
    user: int = Field(ge=1, le=LARGEST_ID, description="Its user: never root.")
    group: int = Field(ge=0, le=LARGEST_ID, description="Its group.")


class DriftLine(Model):
    """One thing that was found other than it was left."""

    where: str = Field(description="Secret, Backend, Login or Inventory.")
    reason: str = Field(description="CamelCase, for machines.")
    message: str = Field(description="What it is, who did it where that can be known, and what to do.")
    since: Time = Field(description="When it was first seen.")


class PlanStatus(Model):
    """Written by the operator alone."""

    observed_generation: int = Field(default=0, description="The generation of the plan that this status is about.")
    conditions: list[Condition] = Field(default_factory=list[Condition], json_schema_extra=keyed("type"))
    current_id: str = Field(default="", description="The credential the Secret holds (public name).")
    generation: int = Field(default=0, description="Counter: every staged value and every roll has its own.")
    active_rotation: str = Field(default="", description="The Rotation that runs now.")
    active_uid: str = Field(default="", description="Its uid: one made anew under its name is another one.")
    active_mode: str = Field(default="", description="Its mode, should it be deleted: what may then be enabled again.")
    last_rotation: str = Field(default="", description="The Rotation that ran last, or runs.")
    last_rotation_phase: str = Field(default="", description="Its phase.")
    last_rotation_reason: str = Field(default="", description="Why it went back, CamelCase; empty when it did not.")
    last_rotation_time: Time | None = Field(default=None, description="When it ended.")
    adopted_at: Time | None = Field(default=None, description="When the current credential was taken over.")
    next_rotation_time: WholeTime | None = Field(default=None, description="When the schedule rotates next.")
    next: str = Field(default="", description="The same, for people.")
    ran: list[str] = Field(default_factory=list[str], description="Names of Rotations that ran; they never run again.")
    users: list[ConsumerUser] = Field(
        default_factory=list[ConsumerUser],
        max_length=MOST_USERS,
        description="As whom containers run whose templates do not say so: the probes of their next pods run so too.",
        json_schema_extra=keyed("consumer", "container"),
    )
    drift: list[DriftLine] = Field(
        default_factory=list[DriftLine],
        description="What a look at the plan at rest found other than it was left; at most fifty.",
    )
    system_id: str = Field(default="", description="The backend's own identifier, as first seen.")

    @field_serializer("next")
    def _next_for_people(self, _stored: str) -> str:
        """Follows ``next_rotation_time``; date columns of ``kubectl get`` show a future time as <invalid> (1.36)."""
        due = self.next_rotation_time
        return f"{due.astimezone(UTC):%Y-%m-%d %H:%MZ}" if due else ""
