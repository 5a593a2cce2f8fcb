"""Builds an image from a context and writes it as a docker-archive: with Docker or Podman, or buildah without them."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from keyturn_dev.cluster import debian, kind
from keyturn_dev.cluster.home import cache
from keyturn_dev.cluster.shell import Trouble, run, say, succeeds

BASE = "docker.io/library/debian:bookworm-slim"
_SLOWEST_BUILD = 900  # seconds


class Engine(Protocol):
    """A way to build images."""

    name: str

    def build(self, context: Path, reference: str, archive: Path) -> None:
        """Build `context` as `reference` into a docker-archive. Raises Trouble with the build's last words."""
        ...


class ContainerEngine:
    """Docker or Podman. They pull the base image themselves, as for anybody else's Dockerfile."""

    def __init__(self, name: str) -> None:
        self.name = name

    def build(self, context: Path, reference: str, archive: Path) -> None:
        """See Engine.build."""
        run([self.name, "build", "--tag", reference, str(context)], timeout=_SLOWEST_BUILD)
        run([self.name, "save", "--output", str(archive), reference])


class Buildah:
    """Where no engine answers: buildah, with its own storage in our cache and a base system made by mmdebstrap."""

    name = "buildah"

    def __init__(self) -> None:
        debian.ensure(debian.IMAGE_PACKAGES)
        self._place = cache() / "buildah"
        # overlay shares layers; vfs copies them, and works on every file system
        self._driver = "overlay" if succeeds(self._words("overlay", ["info"])) else "vfs"

    def build(self, context: Path, reference: str, archive: Path) -> None:
        """See Engine.build."""
        if not succeeds(self._buildah("inspect", "--type", "image", BASE)):
            self._make_base()
        self._bud(context, reference)
        run(self._buildah("push", "--quiet", reference, f"docker-archive:{archive}:docker.io/{reference}"))
        run(self._buildah("rmi", "--prune"))  # layers of images that this one replaced

    def _bud(self, context: Path, reference: str) -> None:
        options = ["--isolation", "chroot", "--layers", "--pull-never", "--tag", reference]
        run(self._buildah("bud", *options, str(context)), timeout=_SLOWEST_BUILD)

    def _make_base(self) -> None:
        """The same as Debian's slim image, from Debian's packages: their own registry is not needed."""
        say("images: making the base system (debian:bookworm-slim) with mmdebstrap")
        context = self._place / "base"
        context.mkdir(parents=True, exist_ok=True)
        leave_out = [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale", "info")]
        archives = ["--customize-hook=rm -rf $1/var/lib/apt/lists/* $1/var/cache/apt/*.bin"]
        rootfs = context / "rootfs.tar"
        run(["mmdebstrap", "--quiet", "--variant=apt", *leave_out, *archives, "bookworm", str(rootfs)])
        (context / "Dockerfile").write_text('FROM scratch\nADD rootfs.tar /\nCMD ["bash"]\n')
        self._bud(context, BASE)
        rootfs.unlink()

    def _buildah(self, *words: str) -> list[str]:
        return self._words(self._driver, words)

    def _words(self, driver: str, words: Sequence[str]) -> list[str]:
        root, running = self._place / driver, self._place / f"{driver}-run"
        return ["buildah", "--root", str(root), "--runroot", str(running), "--storage-driver", driver, *words]


def choose() -> Engine:
    """An engine that answers, or buildah. Raises Trouble where neither is to be had."""
    found = kind.engine()
    if found:
        return ContainerEngine(found)
    if platform.system() != "Linux":
        raise Trouble("neither Docker nor Podman answers", "Start one of them: images are built with it.")
    return Buildah()
