"""What the kernel shows of the pod's processes and connections. Reads ``/proc`` and nothing else; keeps no value.

Facts used (https://docs.kernel.org/filesystems/proc.html, proc(5)): ``environ`` and ``root`` of a process can be read
by a process of the same UID *and* GID, unless it made itself non-dumpable; ``stat`` and ``mountinfo`` by everyone in
the PID namespace. Which container a process belongs to is told by the kubelet's bind mount for the termination log: its
source ends in ``pods/<pod uid>/containers/<container name>/<instance>``. An ordinary container cannot change that.
"""

from __future__ import annotations

import os
import sys
from _socket import AF_INET, AF_INET6, inet_ntop

from keyturn_probe import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LARGEST_BLOCK = 2 * 1024 * 1024  # bytes of an environment: the kernel allows a quarter of the stack limit
LARGEST_FILE = 1024 * 1024  # bytes of a Secret
MOST_PROCESSES = 2048
MOST_CONNECTIONS = 2048
MOST_LINES = 200_000  # of a connection table: thousands stay in TIME_WAIT
_ESTABLISHED = "01"
_MOST_LINKS = 40  # as many as the kernel follows


class Unreadable(Exception):  # it is an answer, not a fault
    """A place could not be looked at. ``code`` is one of wire's gap codes, ``detail`` a fact that helps."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


class Process:
    """A running process: where it belongs and when it started (seconds since 1970)."""

    __slots__ = ("container", "pid", "started")

    def __init__(self, pid: str, container: str, started: float) -> None:
        self.pid = pid
        self.container = container  # "" when it cannot be told
        self.started = started


class Proc:
    """One process tree. ``boot_offset`` gives the wall-clock second at which the machine started."""

    def __init__(self, root: str, pod_uid: str, boot_offset: Callable[[], float], ticks: int, me: str) -> None:
        self._root = root
        self._pod_uid = pod_uid
        self._boot_offset = boot_offset
        self._ticks = ticks  # of a second, in which the kernel counts
        self._me = me
        self._containers: dict[tuple[str, str], str] = {}  # (pid, start ticks) -> container

    def processes(self) -> list[Process]:
        """All processes but this one, those that ended excepted. Raises Unreadable when there are too many."""
        pids = [name for name in os.listdir(self._root) if name.isdigit() and name != self._me]
        if len(pids) > MOST_PROCESSES:
            raise Unreadable(wire.TOO_LARGE, f"{len(pids)} processes")
        offset, known, found = self._boot_offset(), dict[tuple[str, str], str](), list[Process]()
        for pid in pids:
            ticks = self._start_ticks(pid)
            if ticks is None:
                continue
            key = (pid, ticks)
            container = self._containers.get(key) or self._container(pid)
            known[key] = container
            found.append(Process(pid, container, offset + int(ticks) / self._ticks))
        self._containers = known
        return found

    def still(self, process: Process) -> bool:
        """Is that PID still that process?"""
        ticks = self._start_ticks(process.pid)
        return ticks is not None and abs(self._boot_offset() + int(ticks) / self._ticks - process.started) < 0.5

    def environment(self, process: Process) -> tuple[list[tuple[str, bytes]], bool]:
        """(name, value) of its environment block as it was at exec, and whether the block is whole.

        It is not whole when the process wrote over it, as setproctitle does. Raises Unreadable.
        """
        block = self._read(f"{self._root}/{process.pid}/environ", LARGEST_BLOCK, process)
        entries = block.split(b"\0")
        tail = entries.pop()
        whole = not tail and all(entry.find(b"=") > 0 for entry in entries)
        pairs = [entry.partition(b"=") for entry in entries if entry.find(b"=") > 0]
        return [(name.decode("utf-8", "surrogateescape"), value) for name, _, value in pairs], whole

    def file(self, process: Process, path: str) -> tuple[bytes, float]:
        """A file as that process sees it now, and when this version of it appeared. Raises Unreadable."""
        root = f"{self._root}/{process.pid}/root"
        try:
            parts = _resolved(root, path)
            real = root + "/" + "/".join(parts)
            value = self._read(real, LARGEST_FILE, process)
            return value, max(os.lstat(each).st_mtime for each in _witnesses(root, parts))
        except PermissionError:
            raise Unreadable(wire.DENIED, self._owner(process)) from None
        except OSError:
            raise Unreadable(wire.MISSING) from None

    def owner(self, process: Process) -> tuple[int, int] | None:
        """User and group of a process, which everyone may see; None when it has ended. Root's: it may be hiding."""
        try:
            seen = os.stat(f"{self._root}/{process.pid}")
        except OSError:
            return None
        return seen.st_uid, seen.st_gid

    def connections(self) -> Iterator[tuple[str, int, str, int]]:
        """(local address, port, remote address, port) of the pod's established TCP connections."""
        found = 0
        for table, family in (("tcp", AF_INET), ("tcp6", AF_INET6)):
            for line in self._table(table):
                words = line.split()
                if len(words) > 3 and words[3] == _ESTABLISHED:
                    found += 1
                    if found > MOST_CONNECTIONS:
                        return
                    yield (*_address(words[1], family), *_address(words[2], family))

    # ------------------------------------------------------------------------------------------------ reading

    def _start_ticks(self, pid: str) -> str | None:
        """When it started, in ticks since boot; None when it is gone, dead or a zombie."""
        try:
            with open(f"{self._root}/{pid}/stat", "rb") as source:
                # The name in brackets may hold anything, brackets too; what follows the last one is ours to split.
                words = source.read(4096).rpartition(b")")[2].split()
        except OSError:
            return None
        return None if len(words) < 20 or words[0] in (b"Z", b"X", b"x") else words[19].decode()

    def _container(self, pid: str) -> str:
        names: set[str] = set()
        try:
            with open(f"{self._root}/{pid}/mountinfo", encoding="utf-8", errors="replace") as source:
                for line in source:
                    words = line.split(" ", 5)
                    parts = words[3].split("/") if len(words) > 4 else []
                    if parts[-5:-4] == ["pods"] and parts[-3] == "containers" and parts[-4] == self._pod_uid:
                        names.add(parts[-2])
        except OSError:
            return ""
        return names.pop() if len(names) == 1 else ""

    def _read(self, path: str, most: int, process: Process) -> bytes:
        try:
            # Never wait: the path may lead to a pipe. Never a terminal of ours.
            source = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC)
        except PermissionError:
            raise Unreadable(wire.DENIED, self._owner(process)) from None
        except OSError:
            raise Unreadable(wire.MISSING) from None
        try:
            if os.fstat(source).st_mode & 0o170000 != 0o100000:
                raise Unreadable(wire.MISSING)
            return _whole(source, most)
        except PermissionError:
            raise Unreadable(wire.DENIED, self._owner(process)) from None
        except OSError:  # it ended between open and read
            raise Unreadable(wire.MISSING) from None
        finally:
            os.close(source)

    def _owner(self, process: Process) -> str:
        owner = self.owner(process)
        return "" if owner is None else f"{owner[0]}:{owner[1]}"

    def _table(self, name: str) -> Iterator[str]:
        try:
            with open(f"{self._root}/net/{name}", encoding="ascii", errors="replace") as source:
                next(source, "")
                for number, line in enumerate(source):
                    if number > MOST_LINES:
                        return
                    yield line
        except OSError:  # a kernel without IPv6
            return


def _whole(source: int, most: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := os.read(source, 65536):
        size += len(piece)
        if size > most:
            raise Unreadable(wire.TOO_LARGE)
        pieces.append(piece)
    return b"".join(pieces)


def _resolved(root: str, path: str) -> list[str]:
    """The path's parts without links, inside ``root``. An absolute link means the container's root, not ours."""
    pending, here, links = path.split("/")[::-1], list[str](), 0
    while pending:
        part = pending.pop()
        if part == "..":
            here = here[:-1]
        elif part not in ("", "."):
            full = "/".join((root, *here, part))
            try:
                target = os.readlink(full)
            except OSError as error:
                if error.errno != 22:  # EINVAL: not a link
                    raise
                here.append(part)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise Unreadable(wire.MISSING)
            here = [] if target.startswith("/") else here
            pending.extend(target.split("/")[::-1])
    return here


def _witnesses(root: str, parts: list[str]) -> list[str]:
    """Whose modification times bound the instant at which this version became visible.

    The kubelet writes a directory ``..<time>`` and swaps the link ``..data`` to it by a rename, which marks the
    directory around it. Change times would not do: removing the last name of a file bound by subPath, and setting
    its group again, change them without changing the content.
    """
    found = ["/".join((root, *parts))]
    for index, part in enumerate(parts):
        if part.startswith("..") and len(part) > 2:
            around = "/".join((root, *parts[:index]))
            found += [around, around + "/..data"]
    return found


def _address(word: str, family: int) -> tuple[str, int]:
    """``0100007F:1538`` as the kernel writes it, four bytes at a time in the machine's order."""
    raw, _, port = word.partition(":")
    data = bytes.fromhex(raw)
    if sys.byteorder == "little":
        data = b"".join(data[at : at + 4][::-1] for at in range(0, len(data), 4))
    if family == AF_INET6 and data[:12] == b"\0" * 10 + b"\xff\xff":
        return inet_ntop(AF_INET, data[12:]), int(port, 16)
    return inet_ntop(family, data), int(port, 16)
