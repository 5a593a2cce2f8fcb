"""`hack/doctor`: says what this machine has, what it lacks, and how to get it. Installs and changes nothing."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from keyturn_dev import servers
from keyturn_dev.cluster import api, debian, tools
from keyturn_dev.cluster.home import cache
from keyturn_dev.cluster.kind import engine

DISK_WANTED = 12  # GiB: Go's own caches, the programs, images, and their copies on the node
MEMORY_WANTED = 4  # GiB: the control plane, the demo's pods and a Go build side by side
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `essential` findings that are not `fine` make the doctor end with 1."""

    name: str
    fine: bool
    words: str
    essential: bool = True


def examine() -> list[Finding]:
    """Look at everything."""
    driver = api.automatic_driver()
    findings = [_driver(driver), _go(), _programs(driver), *_debian(driver), _disk(), _memory()]
    return [*findings, _servers(), _shell_tools()]


def _driver(driver: str | None) -> Finding:
    name = "a way to get a cluster"
    if driver == "kind":
        return Finding(name, fine=True, words=f"kind, with {engine()}")
    if driver == "local":
        return Finding(name, fine=True, words="local: a real node of our own, as root")
    return Finding(
        name,
        fine=False,
        words="start Docker or Podman, or run as root on Linux, or use `hack/cluster up --driver existing`",
    )


def _go() -> Finding:
    version = tools.go_version()
    name = "Go 1.26 or newer"
    built = not tools.missing(tools.CLIENTS)
    if version and version >= tools.GO_NEEDED:
        return Finding(name, fine=True, words=f"{version[0]}.{version[1]}")
    if built:
        return Finding(name, fine=False, essential=False, words="missing, and not needed: the programs are built")
    return Finding(name, fine=False, words=f"{'too old' if version else 'missing'}. {tools.GO_HINT}")


def _programs(driver: str | None) -> Finding:
    names = tools.NODE if driver == "local" else (*tools.CLIENTS, "kind")
    absent = tools.missing(names)
    name = "the cluster's programs"
    if not absent:
        return Finding(name, fine=True, words=f"built, in {tools.directory()}")
    words = f"{', '.join(absent)}: `hack/cluster up` builds them, in about ten minutes, once"
    return Finding(name, fine=False, essential=False, words=words)


def _debian(driver: str | None) -> list[Finding]:
    if driver == "kind":
        return []
    can_install = shutil.which("apt-get") is not None and os.geteuid() == 0
    found: list[Finding] = []
    for purpose, packages in (("node", debian.NODE_PACKAGES), ("images", debian.IMAGE_PACKAGES)):
        absent = debian.missing(packages)
        words = "installed"
        if absent and can_install:
            words = f"{', '.join(absent)}: installed by the command that needs them"
        elif absent:
            words = f"run: sudo apt-get install --no-install-recommends {' '.join(absent)}"
        found.append(Finding(f"Debian packages ({purpose})", not absent, words, essential=not can_install))
    return found


def _disk() -> Finding:
    place = next(path for path in (cache(), *cache().parents) if path.exists())
    free = shutil.disk_usage(place).free / GIB
    words = f"{free:.0f} GiB free where the cache is"
    if free < DISK_WANTED:
        words += f"; {DISK_WANTED} GiB are wanted. Free some, or set XDG_CACHE_HOME to another disk"
    return Finding("disk", free >= DISK_WANTED, words)


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    words = f"{total:.0f} GiB"
    if total < MEMORY_WANTED:
        words += f"; with less than {MEMORY_WANTED} GiB the demo's pods may be ended for lack of it"
    return Finding("memory", total >= MEMORY_WANTED, words, essential=False)


def _servers() -> Finding:
    missing = servers.absent()
    words = f"for `hack/test contract`, which installs Debian's {', '.join(missing)} as root"
    return Finding("servers for tests", not missing, words if missing else ", ".join(servers.SERVERS), essential=False)


def _shell_tools() -> Finding:
    absent = [name for name in ("bash", "git", "uv") if shutil.which(name) is None]
    words = f"install {', '.join(absent)}" if absent else "bash, git, uv"
    return Finding("tools of the shell", not absent, words)


def main() -> int:
    """Print the table; 1 when something essential is missing."""
    findings = examine()
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("WHAT", no_wrap=True)
    table.add_column("FOUND, OR HOW TO GET IT", overflow="fold")
    for finding in findings:
        mark = "ok" if finding.fine else "missing" if finding.essential else "later"
        table.add_row(mark, finding.name, finding.words)
    Console(markup=False).print(table)
    return 1 if any(finding.essential and not finding.fine for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
