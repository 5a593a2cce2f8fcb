"""The real servers that the contract suite starts itself: which, and how to get those that are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

SERVERS = {  # Debian's packages; newer PostgreSQLs come as a wheel
    "postgresql-15": Path("/usr/lib/postgresql/15/bin/initdb"),
    "mariadb-server": Path("/usr/sbin/mariadbd"),
    "redis-server": Path("/usr/bin/redis-server"),
    "rabbitmq-server": Path("/usr/lib/rabbitmq/bin/rabbitmq-server"),
}


def absent() -> list[str]:
    """Packages that are not there."""
    return [package for package, program in SERVERS.items() if not program.exists()]


def need_servers() -> None:
    """Install what is absent, as root on Debian; elsewhere say what to install and end."""
    missing = absent()
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit(f"keyturn: servers are missing; install them (Debian: apt-get install {' '.join(missing)})")
    print(f"keyturn: installing {', '.join(missing)} for the contract suite", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(("apt-get", "update", "-qq"), check=True, env=quiet)
    install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing)
    subprocess.run(install, check=True, env=quiet, stdout=subprocess.DEVNULL)
