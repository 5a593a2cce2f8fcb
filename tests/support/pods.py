"""Pods in memory: Deployments that roll with surge, apps that hold what they read, and their logins at the backend.

Enough of Kubernetes that a rotation cannot tell: a template that comes back reuses its pods, a crashed container reads
its environment again, files follow their Secret late unless the pod is touched, and a terminating pod still logs in.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keyturn.core.evidence import RunsAs
from keyturn.core.model import ConsumerRef
from keyturn.core.sealed import Sealed
from keyturn.ports import Unavailable
from support.memory_backend import MemoryBackend

KUBELET_LAG = timedelta(seconds=60)  # until a mounted file follows its Secret by itself
CRASH_BACK_OFF = 4  # moves until a crashed container is started again


@dataclass(frozen=True)
class Template:
    """What makes a ReplicaSet another one."""

    mark: int | None = None  # our annotation
    image: str = "shop:1"


@dataclass(frozen=True, slots=True)
class Reading:
    """A value as an app or a volume took it from somewhere, and from whom."""

    value: Sealed
    writer: str  # who had written the Secret, or "template"
    at: datetime


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """What pods read: one key of the consumers' Secret."""

    value: Sealed | None
    writer: str
    changed: datetime


@dataclass
class Pod:
    """One pod. ``held`` is what its app read at start; an app that reloads looks at ``mounted`` for each connection."""

    name: str
    consumer: ConsumerRef
    template: Template
    address: str
    created: datetime
    held: Reading | None = None
    mounted: Reading | None = None
    port: int | None = None  # its open session
    ready: bool = False
    leaving: int | None = None  # moves until it is gone, once it terminates
    crashed: int = 0  # moves until its container is started again
    lost: bool = False  # its node is unreachable: nothing it does reaches anybody, nothing ends it
    touched: int | None = None
    lingering: list[int] = field(default_factory=list)  # sessions that an old pool has not given up
    refused_since: datetime | None = None
    refused_steps: int = 0

    @property
    def uid(self) -> str:
        return f"uid-{self.name}"

    @property
    def terminating(self) -> bool:
        return self.leaving is not None

    @property
    def generation(self) -> int | None:
        return self.template.mark


@dataclass
class Workload:
    """A Deployment."""

    ref: ConsumerRef
    replicas: int
    reload: bool = False
    reads_file_once: bool = False  # the app reads the mounted file at start and never again
    surge: int = 1
    unavailable: int = 0
    grace: int = 1  # moves a terminating pod stays
    template: Template = field(default_factory=Template)
    former: list[Template] = field(default_factory=list)
    crash_with: str = ""  # containers crash when they read this user name
    overridden: Sealed | None = None  # the template sets the variable to this value instead
    talks: bool = True  # its pods hold connections
    paused: bool = False
    unschedulable: bool = False  # no new pod starts: quota, or no node
    pods: list[Pod] = field(default_factory=list)
    unsaid_user: RunsAs | None = None  # whom its image runs as, where its template does not say; the kubelet tells
    shown: dict[str, object] = field(default_factory=dict)  # fields of its record that differ from the simulated ones

    def edit(self, template: Template) -> None:
        """Anybody's change of the template."""
        if template != self.template:
            self.former.append(self.template)
            self.template = template

    def undo(self) -> None:
        """``kubectl rollout undo``: the former template comes back, and with it its ReplicaSet."""
        if self.former:
            self.edit(self.former.pop())

    @property
    def current(self) -> list[Pod]:
        return [p for p in self.pods if p.template == self.template and not p.terminating]


class Fleet:
    """All workloads, moved one step at a time."""

    def __init__(self, backend: MemoryBackend, secret: Callable[[], SharedSecret], now: Callable[[], datetime]) -> None:
        self.backend, self.secret, self.now = backend, secret, now
        self.workloads: dict[ConsumerRef, Workload] = {}
        self.armed: Mapping[int, Mapping[str, Sealed]] = {}  # which values a pod may show, by generation
        self.cut_off = False  # pods cannot reach the backend; the operator can
        self.refused: Callable[[Pod, str, Sealed], None] = lambda _pod, _id, _value: None
        self._numbers = itertools.count(10)

    def pods(self) -> list[Pod]:
        return [pod for workload in self.workloads.values() for pod in workload.pods]

    def move(self) -> None:
        """One step of every rollout, and one new login of every pod with what it holds."""
        for workload in self.workloads.values():
            self._end_leaving(workload)
            self._roll(workload)
            for pod in workload.pods:
                if not pod.lost:
                    self._run(workload, pod)

    # ------------------------------------------------------------------------------------------------ rollout

    def _end_leaving(self, workload: Workload) -> None:
        for pod in [p for p in workload.pods if p.leaving is not None and not p.lost]:
            pod.leaving = (pod.leaving or 0) - 1
            if pod.leaving < 0:
                self.end(pod)

    def end(self, pod: Pod) -> None:
        """It is gone, and its connections with it."""
        for port in (*pod.lingering, *([pod.port] if pod.port is not None else ())):
            self.backend.hang_up(port)
        self.workloads[pod.consumer].pods.remove(pod)

    def _roll(self, workload: Workload) -> None:
        living = [p for p in workload.pods if not p.terminating]
        current = workload.current
        former = [p for p in living if p.template != workload.template]
        if workload.paused:
            former = []
        for broken in [p for p in former if not p.ready]:
            self._leave(workload, broken)
        allowed = workload.replicas + workload.surge - len(living)
        held_back = workload.paused and len(living) >= workload.replicas
        if len(current) < workload.replicas and not held_back:
            if allowed > 0 and not workload.unschedulable:
                self._start(workload)
        elif len(current) > workload.replicas:
            self._leave(workload, current[-1])
        ready = [p for p in living if p.ready]
        old = next((p for p in former if p.ready), None)
        if old is not None and len(ready) > workload.replicas - workload.unavailable:
            self._leave(workload, old)

    def _leave(self, workload: Workload, pod: Pod) -> None:
        if pod.leaving is None:
            pod.leaving = workload.grace

    def _start(self, workload: Workload) -> None:
        number = next(self._numbers)
        name, address = f"{workload.ref.name}-{number}", f"10.1.{number // 250}.{number % 250}"
        pod = Pod(name, workload.ref, workload.template, address, self.now())
        workload.pods.append(pod)
        self.start_container(workload, pod)

    # --------------------------------------------------------------------------------------------------- apps

    def start_container(self, workload: Workload, pod: Pod) -> None:
        """The environment and the volume are as the Secret is now; a container without its key does not start."""
        read = self._read()
        if workload.overridden is not None:
            read = Reading(workload.overridden, "template", self.now())
        pod.held, pod.mounted, pod.crashed, pod.refused_since = read, read, 0, None
        if pod.port is not None:
            self.backend.hang_up(pod.port)
            pod.port = None
        if workload.crash_with and read is not None and workload.crash_with in read.value.reveal_text():
            pod.crashed = CRASH_BACK_OFF

    def refresh(self, pod: Pod) -> None:
        """The kubelet renews the pod's files."""
        read = self._read()
        if read is not None and (pod.mounted is None or pod.mounted.value != read.value):
            pod.mounted = read

    def _read(self) -> Reading | None:
        secret = self.secret()
        return Reading(secret.value, secret.writer, self.now()) if secret.value is not None else None

    def _run(self, workload: Workload, pod: Pod) -> None:
        if pod.crashed or pod.held is None:
            pod.ready = False
            pod.crashed = max(0, pod.crashed - 1)
            if not pod.crashed:
                self.start_container(workload, pod)
            return
        if self.now() - self.secret().changed >= KUBELET_LAG:
            self.refresh(pod)
        if self.backend.down or self.cut_off:
            return
        read = pod.mounted if workload.reload else pod.held
        login = parsed(read.value) if read is not None else None
        if read is None or login is None:
            pod.ready = False  # an empty or mangled value: the app cannot even try
            pod.crashed = 0 if workload.reload else CRASH_BACK_OFF
        else:
            self._log_in(workload, pod, read, *login)

    def _log_in(self, workload: Workload, pod: Pod, read: Reading, id_: str, password: Sealed) -> None:
        try:
            port = self.backend.login(id_, password, pod.address)
        except Unavailable:
            return
        if port is None:
            self.refused(pod, id_, password)
            return
        pod.refused_since = None
        if pod.port is not None:
            self.backend.hang_up(pod.port)
        pod.port = port
        if not workload.talks:
            self.backend.hang_up(port)
            pod.port = None
        pod.ready = pod.ready or self._admitted(pod, read.value)

    def _admitted(self, pod: Pod, value: Sealed) -> bool:
        """The readiness gate: a new pod that shows positively another value than its generation's stays unready."""
        if not self.armed or pod.generation is None:
            return True
        mine = {g: v for g, v in self.armed.items() if g >= pod.generation}
        return not mine or any(v.get("url") == value for v in mine.values())


def parsed(value: Sealed) -> tuple[str, Sealed] | None:
    """User and password of a URL; None when it is none."""
    head, _, rest = value.reveal_text().partition("://")
    login, _, host = rest.partition("@")
    id_, _, password = login.partition(":")
    return (id_, Sealed(password)) if head in ("postgresql", "s3", "access") and id_ and password and host else None
