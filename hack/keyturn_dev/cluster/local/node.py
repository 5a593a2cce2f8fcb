"""Process 1 of a local cluster's namespaces: lays the node's side of the ground, starts the parts, keeps them running.

Runs alone (`python node.py PLAN`), with the standard library only, inside new process, mount and network namespaces.
It waits for one line on standard input, which says that the machine's side of the network is laid; when the input
ends instead, whoever started it is gone, and so is it. When it ends, the kernel ends everything it started.
"""

from __future__ import annotations

import http
import http.client
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import TypedDict

# The kubelet wants these and would set them for the whole machine: it finds them set, in files of the node's own.
KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
SLOWEST_RESTART = 10.0  # seconds between two starts of a part that keeps ending
LOOK = 0.05  # seconds between two looks at what a part waits for


class PartPlan(TypedDict):
    """One part, as components.Component writes it down."""

    name: str
    argv: list[str]
    after: str


class Plan(TypedDict):
    """What to do, as components.plan writes it down."""

    components: list[PartPlan]
    logs: str
    report: str
    uplink: str
    address: str
    gateway: str
    private: dict[str, str]


class Part:
    """A program that is started when what it needs answers, and again when it ends."""

    def __init__(self, plan: PartPlan, logs: str) -> None:
        self.name = plan["name"]
        self.argv = plan["argv"]
        self.after = plan["after"]
        self.log = Path(logs, f"{self.name}.log")
        self.pid = 0
        self.starts = 0
        self.ended = ""
        self.not_before = 0.0

    def due(self, now: float) -> bool:
        """Whether to start it now."""
        return not self.pid and now >= self.not_before and ready(self.after)

    def start(self) -> None:
        """Start it, in a session of its own, with its output in its log and no signal blocked."""
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.pid = os.posix_spawnp(
            self.argv[0],
            self.argv,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, self.log, append, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=(),
        )
        self.starts += 1

    def reaped(self, status: int, now: float) -> None:
        """Note how it ended and when to try again."""
        code = os.waitstatus_to_exitcode(status)
        self.ended = f"exit code {code}" if code >= 0 else f"signal {-code}"
        self.pid = 0
        self.not_before = now + min(0.2 * 2**self.starts, SLOWEST_RESTART)


def answers(where: str) -> bool:
    """Whether something accepts connections at a socket path or a host:port."""
    host, _, port = where.rpartition(":")
    family = socket.AF_INET if host else socket.AF_UNIX
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(0.2)
        return connection.connect_ex((host, int(port)) if host else where) == 0


def says_ready(url: str) -> bool:
    """Whether a page answers with 200. Nothing secret is sent, so nobody's certificate is checked."""
    _, _, place, *path = url.split("/")
    anyone = ssl.create_default_context()
    anyone.check_hostname = False
    anyone.verify_mode = ssl.CERT_NONE
    page = http.client.HTTPSConnection(place, timeout=1, context=anyone)
    try:
        page.request("GET", "/" + "/".join(path))
        return page.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        page.close()


def ready(where: str) -> bool:
    """Whether what a part waits for is there: nothing, a page, a socket path or a host:port."""
    if where.startswith("https:"):
        return says_ready(where)
    return not where or answers(where)


def command(*argv: str) -> None:
    """Run one of the system's programs, or end with its error in our log."""
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


def lay_mounts(plan: Plan) -> None:
    """Give the node its own /run and kernel settings, and layers over directories that programs write to unasked.

    Nothing mounted here is seen by the machine.
    """
    command("mount", "--make-rshared", "/")  # within this namespace, so that volumes reach containers
    command("mount", "-t", "tmpfs", "-o", "mode=0755", "keyturn", "/run")
    for place, layers in plan["private"].items():
        options = f"lowerdir={place},upperdir={layers}/upper,workdir={layers}/work"
        command("mount", "-t", "overlay", "-o", options, "keyturn", place)
    for number, (setting, value) in enumerate(KERNEL_SETTINGS.items()):
        if not Path("/proc/sys", setting).exists():
            continue
        stand_in = Path(f"/run/keyturn-setting-{number}")
        stand_in.write_text(value + "\n")
        command("mount", "--bind", str(stand_in), f"/proc/sys/{setting}")


def lay_network(plan: Plan) -> None:
    """Bring up the node's end of the link and let it forward between pods, Services and the machine."""
    command("ip", "link", "set", "lo", "up")
    command("ip", "address", "add", plan["address"], "dev", plan["uplink"])
    command("ip", "link", "set", plan["uplink"], "up")
    command("ip", "route", "add", "default", "via", plan["gateway"])
    for setting in ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"):
        path = Path("/proc/sys", setting)
        if path.exists():
            path.write_text("1\n")


def report(plan: Plan, parts: list[Part]) -> None:
    """Write down how the parts fare, in one step, for `hack/cluster status`."""
    path = Path(plan["report"])
    fresh = path.with_suffix(".new")
    fresh.write_text(
        json.dumps(
            {part.name: {"running": bool(part.pid), "starts": part.starts, "ended": part.ended} for part in parts}
        )
    )
    fresh.replace(path)


def reap(parts: list[Part]) -> bool:
    """Collect every child that ended, containers' orphans included; True when one was a part."""
    found = False
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        for part in parts:
            if part.pid == pid:
                part.reaped(status, time.monotonic())
                found = True


def supervise(plan: Plan) -> None:
    """Start parts as they become due and again when they end, until SIGTERM."""
    parts = [Part(part, plan["logs"]) for part in plan["components"]]
    wanted = {signal.SIGCHLD, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)  # they are fetched below; until then they wait
    while True:
        changed = reap(parts)
        for part in parts:
            if part.due(time.monotonic()):
                part.start()
                changed = True
        if changed:
            report(plan, parts)
        idle = all(part.pid for part in parts)
        received = signal.sigtimedwait(wanted, 3600 if idle else LOOK)
        if received is not None and received.si_signo == signal.SIGTERM:
            return


def main() -> int:
    """Wait for the word to go, then be the node until told to stop."""
    plan: Plan = json.loads(Path(sys.argv[1]).read_text())
    os.umask(0o022)
    select.select([sys.stdin], [], [])
    if not sys.stdin.readline().strip():
        return 1
    lay_mounts(plan)
    lay_network(plan)
    supervise(plan)
    return 0


if __name__ == "__main__":
    sys.exit(main())
