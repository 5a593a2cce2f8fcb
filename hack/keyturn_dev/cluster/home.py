"""Where a cluster keeps its files, the lock that lets one command at a time change it, and the driver it remembers.

Two places only: the state directory of one cluster (gone after `down`) and the user's cache, shared by all.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from keyturn_dev.cluster.shell import say

ORDINARY_NAME = "keyturn"
DEFAULT_NAME = os.environ.get("KEYTURN_CLUSTER", ORDINARY_NAME)  # hack/test sets it: its cluster is its own


def xdg(variable: str, fallback: str) -> Path:
    """A base directory of the XDG specification; a relative value is ignored, as the specification says."""
    told = Path(os.environ.get(variable, ""))
    return told if told.is_absolute() else Path.home() / fallback


def cache() -> Path:
    """The user's cache of programs, base systems and images. Safe to delete at any time."""
    return xdg("XDG_CACHE_HOME", ".cache") / "keyturn"


@dataclass(frozen=True, slots=True)
class Home:
    """The state directory of one named cluster."""

    name: str
    root: Path

    @classmethod
    def of(cls, name: str = DEFAULT_NAME) -> Home:
        """The home of the cluster called `name`; nothing is created."""
        directory = "cluster" if name == ORDINARY_NAME else f"cluster-{name}"
        return cls(name, xdg("XDG_STATE_HOME", ".local/state") / "keyturn" / directory)

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of the cluster's administrator."""
        return self.root / "kubeconfig"

    @property
    def driver(self) -> str | None:
        """The driver that made this cluster, or None when there is none."""
        remembered = self.root / "driver"
        return remembered.read_text().strip() if remembered.exists() else None

    def remember_driver(self, name: str) -> None:
        """Make the directory, for its owner only, and write down which driver answers for it."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.root / "driver").write_text(name + "\n")

    def empty(self) -> None:
        """Remove everything in the state directory but the name of the driver."""
        driver = self.driver
        if driver:
            self.forget()
            self.remember_driver(driver)

    def forget_if_empty(self) -> None:
        """Remove the state directory when there is nothing in it but the name of a driver that made nothing."""
        if {path.name for path in self.root.iterdir()} <= {"driver"}:
            self.forget()

    def forget(self) -> None:
        """Remove the state directory."""
        shutil.rmtree(self.root, ignore_errors=True)
        if self.root.exists():
            shutil.rmtree(self.root)

    def others(self) -> list[Home]:
        """The homes of the other clusters of this user."""
        prefix, found = "cluster-", list[Home]()
        if self.root.parent.is_dir():
            for directory in sorted(self.root.parent.iterdir()):
                name = ORDINARY_NAME if directory.name == "cluster" else directory.name.removeprefix(prefix)
                if name != self.name and directory.name in {"cluster", prefix + name}:
                    found.append(Home(name, directory))
        return found

    @contextmanager
    def locked(self) -> Generator[None]:
        """Keep every other `hack/cluster` of this user out; the kernel lets go when the process ends, however."""
        parent = self.root.parent
        while True:
            parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(parent, os.O_RDONLY)
            try:
                _wait_for_lock(handle)
                if _same_directory(handle, parent):
                    yield
                    _remove_if_empty(parent)
                    return
            finally:
                os.close(handle)


def _wait_for_lock(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("cluster: another hack/cluster is at work; waiting for it to end")
        fcntl.flock(handle, fcntl.LOCK_EX)


def _same_directory(handle: int, path: Path) -> bool:
    """Whether the directory locked is still the one at `path`: the one before us may have removed it."""
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _remove_if_empty(directory: Path) -> None:
    if directory.exists() and not any(directory.iterdir()):
        directory.rmdir()
