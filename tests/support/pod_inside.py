"""A made-up /proc tree and a made-up folder of plans: what a pod looks like from inside."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from keyturn_probe import wire
from keyturn_probe.look import Watch
from keyturn_probe.plans import Plan
from keyturn_probe.proc import Proc

POD = "11111111-2222-3333-4444-555555555555"
BOOT = 1_000_000.0  # the second at which the made-up machine started
TICKS = 100
KEY = b"k" * 32


class Tree:
    """Processes that never ran."""

    def __init__(self, root: Path, pod: str = POD) -> None:
        self.root = root
        self.pod = pod
        (root / "net").mkdir(parents=True)
        self.proc = Proc(str(root), pod, lambda: BOOT, TICKS, me="999")

    def add(
        self,
        pid: int,
        container: str = "app",
        env: dict[str, str] | bytes | None = None,
        *,
        started: float = 100.0,
        state: str = "S",
        pod: str | None = None,
    ) -> Path:
        """A process that started so many seconds after boot."""
        home = self.root / str(pid)
        home.mkdir()
        rest = " ".join(["1"] * 18)
        (home / "stat").write_text(f"{pid} (a ) b) {state} {rest} {int(started * TICKS)} 0 0\n")
        source = f"/var/lib/kubelet/pods/{pod or self.pod}/containers/{container}/ab12cd34"
        line = f"1 2 0:1 {source} /dev/termination-log rw - ext4 /dev/vda rw\n" if container else ""
        (home / "mountinfo").write_text(f"0 1 0:9 / / rw - overlay overlay rw\n{line}")
        block = env if isinstance(env, bytes) else b"".join(f"{k}={v}\0".encode() for k, v in (env or {}).items())
        (home / "environ").write_bytes(block)
        (home / "root").mkdir()
        return home

    def end(self, pid: int) -> None:
        """It is gone."""
        shutil.rmtree(self.root / str(pid))

    def mount(self, pid: int, directory: str, files: dict[str, str], *, at: float, version: str = "1") -> None:
        """A Secret volume as the kubelet writes it, its present version written so many seconds after boot."""
        around = self.root / str(pid) / "root" / directory.lstrip("/")
        data = around / f"..{version}"
        data.mkdir(parents=True)
        link = around / "..data"
        link.unlink(missing_ok=True)
        link.symlink_to(data.name)
        for name, content in files.items():
            (data / name).write_text(content)
            if not (around / name).is_symlink():
                (around / name).symlink_to(f"..data/{name}")
        stamp = BOOT + at
        for path in (*data.iterdir(), data, link, around):
            os.utime(path, (stamp, stamp), follow_symlinks=False)


class Folder:
    """The plans' mounted Secrets."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def plan(self, *watches: Watch, generation: int = 0, id_: str = "0123456789", key: bytes | None = KEY) -> Plan:
        """A plan whose key is there, with these watches."""
        home = self.root / id_
        home.mkdir(parents=True, exist_ok=True)
        if key is not None:
            (home / "key").write_bytes(key)
        plan = Plan(id_, "orders-db", generation, str(self.root))
        plan.watches += watches
        return plan

    def accept(self, generations: dict[int, dict[str, str]], id_: str = "0123456789") -> None:
        """What the operator says lives."""
        lines = [
            wire.accept_line(generation, key, wire.accept_mark(KEY, value.encode()), secret=key != "user")
            for generation, values in generations.items()
            for key, value in values.items()
        ]
        (self.root / id_).mkdir(parents=True, exist_ok=True)
        (self.root / id_ / "accept").write_text("\n".join(lines) + "\n")
