"""Installs Debian's packages where they are missing, and says so. Touches no other packaging system."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from keyturn_dev.cluster.shell import Trouble, run, say

# program -> the Debian package that carries it
NODE_PACKAGES: Mapping[str, str] = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "mount": "mount",
}
IMAGE_PACKAGES: Mapping[str, str] = {
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
}


def missing(packages: Mapping[str, str]) -> list[str]:
    """The packages of those programs that are not on this machine."""
    return sorted({package for program, package in packages.items() if shutil.which(program) is None})


def ensure(packages: Mapping[str, str]) -> None:
    """Install what is missing. Raises Trouble, naming the packages, where that is not possible."""
    absent = missing(packages)
    if not absent:
        return
    command = f"apt-get install --no-install-recommends {' '.join(absent)}"
    if shutil.which("apt-get") is None:
        raise Trouble(f"these programs are needed: {', '.join(absent)}", "Install them the way your system does.")
    if os.geteuid() != 0:
        raise Trouble(f"these Debian packages are needed: {', '.join(absent)}", f"Run: sudo {command}")
    say(f"cluster: installing Debian's packages {', '.join(absent)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], env=quiet)
    run([*command.split(), "-y", "-qq"], env=quiet, timeout=900)
