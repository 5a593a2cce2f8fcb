"""Lays out the build context of an image: Dockerfile, sources, and Python packages from the lock file.

Packages are fetched and unpacked here, outside the build, against the hashes in uv.lock; the image only copies them.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from pathlib import Path

from keyturn_dev.cluster.shell import run
from keyturn_dev.images.catalogue import PROJECT, Image

PYTHON = "3.11"  # of Debian bookworm, which the images stand on
_ONE_TIME = 1_000_000_000  # seconds since 1970: any will do that a zip file can express
_LEAVE_OUT = shutil.ignore_patterns("__pycache__", "*.pyc")


def lay_out(image: Image, directory: Path) -> None:
    """Fill `directory`, which must be empty, with what the image's Dockerfile copies."""
    shutil.copyfile(PROJECT / image.dockerfile, directory / "Dockerfile")
    for name, source in image.sources.items():
        path = PROJECT / source
        if path.is_dir():
            shutil.copytree(path, directory / name, ignore=_LEAVE_OUT)
        else:
            shutil.copy(path, directory / name)
    with tempfile.TemporaryDirectory(prefix="keyturn-wheels-") as scratch:
        if image.packages:
            requirements = Path(scratch, "requirements.txt")
            export = ["uv", "export", "--quiet", "--frozen", "--no-emit-project", "--format", "requirements.txt"]
            requirements.write_text(run([*export, *image.packages], cwd=PROJECT))
            _install(directory / "site", "--require-hashes", "--requirement", str(requirements))
        if image.project:
            run(["uv", "build", "--quiet", "--wheel", "--out-dir", scratch], cwd=PROJECT)
            _install(directory / "project", *(str(wheel) for wheel in Path(scratch).glob("*.whl")))
    _forget_when(directory)


def _forget_when(directory: Path) -> None:
    """Give every file one fixed time: the same content is then the same layer, which no engine makes twice."""
    for path in (directory, *directory.rglob("*")):
        os.utime(path, (_ONE_TIME, _ONE_TIME), follow_symlinks=False)


def _install(site: Path, *what: str) -> None:
    target = ["--target", str(site), "--python-version", PYTHON]
    target += ["--python-platform", f"{platform.machine()}-manylinux_2_36", "--only-binary", ":all:"]
    run(["uv", "pip", "install", "--quiet", "--no-deps", "--link-mode", "copy", *target, *what], cwd=PROJECT)
    shutil.rmtree(site / "bin", ignore_errors=True)  # scripts that name this machine's Python
    (site / ".lock").unlink(missing_ok=True)
