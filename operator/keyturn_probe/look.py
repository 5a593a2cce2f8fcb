"""Looks for the watched values in the processes of the pod, and says what was found where. Judges nothing.

A process that cannot be attributed to a container, and a variable that nobody declared, can only ever speak against the
pod: they are reported as strays, and only if their value is one that the plan knows.
"""

from __future__ import annotations

from keyturn_probe import wire
from keyturn_probe.proc import Process, Unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from keyturn_probe.proc import Proc

OURS = "keyturn-probe"  # the sidecar's own container
# A process counts as younger than a file only by this many seconds: the kernel counts starts in hundredths and stamps
# files a tick late, and the kubelet needs a moment between writing a version and swapping it in.
_YOUNGER_BY = 0.1


class Watch:
    """One key of a plan's Secret in one container, and where it is found."""

    __slots__ = ("container", "key", "place", "way")

    def __init__(self, container: str, key: str, way: str, place: str) -> None:
        self.container = container
        self.key = key
        self.way = way  # wire.ENV or wire.FILE
        self.place = place


class Finding:
    """What was seen in one place of one process: a value, or why there is none."""

    __slots__ = ("code", "container", "detail", "key", "kind", "value", "way")

    def __init__(
        self, watch: Watch, kind: str, *, value: bytes | None = None, code: str = "", detail: str = ""
    ) -> None:
        self.container = watch.container
        self.key = watch.key
        self.way = watch.way
        self.kind = kind  # wire.PROCESS or wire.MOUNTED
        self.value = value  # None and no code: the process has no such variable
        self.code = code
        self.detail = detail


class Look:
    """One look at all processes, for any number of plans: each environment is read once."""

    def __init__(self, proc: Proc) -> None:
        self._proc = proc
        self._environments: dict[str, tuple[list[tuple[str, bytes]], bool] | Unreadable] = {}
        self.failed: Unreadable | None = None
        try:
            self.processes = proc.processes()
        except Unreadable as failed:
            self.failed = failed
            self.processes: list[Process] = []

    def findings(self, watches: Iterable[Watch]) -> Iterator[Finding]:
        """What every process of the watched containers holds, place by place."""
        for watch in watches:
            theirs = [process for process in self.processes if process.container == watch.container]
            if self.failed is not None:
                yield Finding(watch, wire.PROCESS, code=self.failed.code, detail=self.failed.detail)
            elif not theirs:
                yield Finding(watch, wire.PROCESS, code=wire.NO_PROCESS)
            elif watch.way == wire.ENV:
                for process in theirs:
                    yield from self._variable(process, watch)
            else:
                yield from self._file(theirs, watch)

    def strays(self, watches: Iterable[Watch], known: Callable[[bytes], str | None]) -> Iterator[Finding]:
        """Known values where nobody declared them. ``known`` gives the Secret key of a value, or None."""
        declared = {(watch.container, watch.place) for watch in watches if watch.way == wire.ENV}
        for process in self.processes:
            environment = self._environment(process)
            if process.container == OURS or isinstance(environment, Unreadable):
                continue
            for name, value in environment[0]:
                key = None if (process.container, name) in declared or not value else known(value)
                if key is not None:
                    yield Finding(Watch(process.container, key, wire.STRAY, name), wire.PROCESS, value=value)

    def owners(self, watches: Iterable[Watch]) -> Iterator[tuple[str, int, int]]:
        """(container, user, group), each once, of the processes of the watched containers."""
        containers = {watch.container for watch in watches}
        told: set[tuple[str, int, int]] = set()
        for process in self.processes:
            owner = self._proc.owner(process) if process.container in containers else None
            if owner is not None and (process.container, *owner) not in told:
                told.add((process.container, *owner))
                yield process.container, *owner

    def app_seen(self, watches: Iterable[Watch]) -> bool:
        """Has anything started that may be the app? Not the pause process, not ourselves, no init container."""
        containers = {watch.container for watch in watches}
        return any(
            process.container in containers if process.container and containers else process.pid != "1"
            for process in self.processes
            if process.container != OURS
        )

    def _variable(self, process: Process, watch: Watch) -> Iterator[Finding]:
        environment = self._environment(process)
        if isinstance(environment, Unreadable):
            # A process that ended meanwhile holds nothing.
            if environment.code != wire.MISSING:
                yield Finding(watch, wire.PROCESS, code=environment.code, detail=environment.detail)
            return
        pairs, whole = environment
        values = [value for name, value in pairs if name == watch.place]
        for value in values:
            yield Finding(watch, wire.PROCESS, value=value)
        if not values:
            yield Finding(watch, wire.PROCESS, code="" if whole else wire.OVERWRITTEN)

    def _file(self, theirs: list[Process], watch: Watch) -> Iterator[Finding]:
        seen: tuple[bytes, float] | None = None
        failed = Unreadable(wire.NO_PROCESS)
        for process in theirs:
            try:
                seen = self._proc.file(process, watch.place)
                break
            except Unreadable as unreadable:
                failed = unreadable
        if seen is None:
            for kind in (wire.MOUNTED, wire.PROCESS):
                yield Finding(watch, kind, code=failed.code, detail=failed.detail)
            return
        value, appeared = seen
        yield Finding(watch, wire.MOUNTED, value=value)
        for process in theirs:
            if process.started >= appeared + _YOUNGER_BY:
                yield Finding(watch, wire.PROCESS, value=value)
            elif self._proc.still(process):
                yield Finding(watch, wire.PROCESS, code=wire.OLDER)

    def _environment(self, process: Process) -> tuple[list[tuple[str, bytes]], bool] | Unreadable:
        if process.pid not in self._environments:
            try:
                self._environments[process.pid] = self._proc.environment(process)
            except Unreadable as unreadable:
                self._environments[process.pid] = unreadable
            if not self._proc.still(process):
                self._environments[process.pid] = Unreadable(wire.MISSING)
        return self._environments[process.pid]
