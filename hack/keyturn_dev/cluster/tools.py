"""The programs a cluster is made of: built once from pinned Go modules and kept in the user's cache.

`hack/tools` pins them; the cache directory is named by the hash of what pins them, so another version never mixes
in. Each program appears in one step, so an interrupted build goes on where it was. Builds nothing else.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keyturn_dev.cluster.home import cache
from keyturn_dev.cluster.shell import Trouble, run, say

SOURCE = Path(__file__).resolve().parents[2] / "tools"
KUBERNETES_VERSION = "v1.36.3"
HELM_VERSION = "v4.3.1"
GO_NEEDED = (1, 26)
GO_HINT = "Install Go 1.26 or newer and put `go` on PATH; it is needed once, to build the cluster's programs."

_VERSION = "k8s.io/component-base/version"
_LINK_FLAGS = " ".join(
    (
        "-s -w",
        f"-X {_VERSION}.gitVersion={KUBERNETES_VERSION}",
        f"-X {_VERSION}.gitMajor=1",
        f"-X {_VERSION}.gitMinor=36",
        f"-X {_VERSION}.gitTreeState=clean",
        f"-X helm.sh/helm/v4/internal/version.version={HELM_VERSION}",
    )
)


@dataclass(frozen=True, slots=True)
class Tool:
    """One program: its name in the cache, its Go package, and the module under hack/tools that pins it."""

    name: str
    package: str
    module: str = "."


_KUBERNETES = "k8s.io/kubernetes/cmd"
TOOLS = {
    tool.name: tool
    for tool in (
        Tool("etcd", "go.etcd.io/etcd/server/v3"),
        Tool("kube-apiserver", f"{_KUBERNETES}/kube-apiserver"),
        Tool("kubectl", f"{_KUBERNETES}/kubectl"),
        Tool("kube-controller-manager", f"{_KUBERNETES}/kube-controller-manager"),
        Tool("kube-scheduler", f"{_KUBERNETES}/kube-scheduler"),
        Tool("kubelet", f"{_KUBERNETES}/kubelet"),
        Tool("kube-proxy", f"{_KUBERNETES}/kube-proxy"),
        Tool("pause", "./pause"),
        Tool("coredns", "github.com/coredns/coredns", module="coredns"),
        Tool("helm", "helm.sh/helm/v4/cmd/helm"),
        Tool("kind", "sigs.k8s.io/kind"),
    )
}
CLIENTS = ("kubectl", "helm")
NODE = tuple(name for name in TOOLS if name != "kind")


def directory() -> Path:
    """Where the programs of the versions pinned now are kept."""
    pinned = hashlib.sha256(_LINK_FLAGS.encode())
    for file in ("go.mod", "go.sum", "coredns/go.mod", "coredns/go.sum", "pause/main.go"):
        pinned.update((SOURCE / file).read_bytes())
    return cache() / "tools" / pinned.hexdigest()[:16]


def path(name: str) -> Path:
    """Where one program is, whether or not it has been built."""
    return directory() / name


def missing(names: Sequence[str]) -> list[str]:
    """Those of `names` that are not in the cache yet."""
    return [name for name in names if not path(name).exists()]


def go_version() -> tuple[int, int] | None:
    """The version of the Go on PATH, or None where there is none."""
    if shutil.which("go") is None:
        return None
    told = re.search(r"go(\d+)\.(\d+)", run(["go", "env", "GOVERSION"], cwd=SOURCE, env={"GOWORK": "off"}))
    return (int(told[1]), int(told[2])) if told else None


def ensure(names: Sequence[str]) -> Path:
    """Build those of `names` that are missing, showing progress, and return the directory that holds them.

    The first time takes several minutes. Raises Trouble where there is no Go that can build them.
    """
    absent = missing(names)
    if absent:
        version = go_version()
        if version is None or version < GO_NEEDED:
            raise Trouble(f"{', '.join(absent)} must be built, and there is no Go 1.26", GO_HINT)
        directory().mkdir(parents=True, exist_ok=True)
        say(f"cluster: building {', '.join(absent)} in {directory()}")
        say("cluster: this takes several minutes the first time, and is then kept")
        for number, name in enumerate(absent, start=1):
            _build(TOOLS[name], f"[{number}/{len(absent)}] {name}")
    return directory()


def _build(tool: Tool, label: str) -> None:
    began = time.monotonic()
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",  # a static program runs in an image from scratch too
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly -buildvcs=false -trimpath",
    }
    unfinished = directory() / f".{tool.name}.building"
    argv = ["go", "build", "-v", "-ldflags", _LINK_FLAGS, "-o", str(unfinished), tool.package]
    with subprocess.Popen(
        argv, cwd=SOURCE / tool.module, env=environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as build:
        told = _follow(build, label, began)
    if build.returncode != 0:
        raise Trouble(f"building {tool.name} failed:\n" + "\n".join(told[-15:]))
    unfinished.rename(path(tool.name))
    _show(f"cluster: {label}: built in {time.monotonic() - began:.0f} s", last=True)


def _follow(build: subprocess.Popen[str], label: str, began: float) -> list[str]:
    """Show how a build goes, and keep what it says in case it fails."""
    told, compiled, downloaded, shown = list[str](), 0, 0, 0.0
    for line in build.stderr or ():
        told.append(line.rstrip())
        if line.startswith("go: downloading"):
            downloaded += 1
        else:
            compiled += 1
        now = time.monotonic()
        if now - shown > (0.5 if sys.stderr.isatty() else 20):
            shown = now
            doing = f"{compiled} packages compiled" if compiled else f"{downloaded} modules downloaded"
            _show(f"cluster: {label}: {doing}, {now - began:.0f} s")
    return told


def _show(text: str, *, last: bool = False) -> None:
    """Print a line of progress; on a terminal each one takes the place of the one before."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}" + ("\n" if last else ""))
        sys.stderr.flush()
    else:
        say(text)
