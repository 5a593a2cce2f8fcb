"""Lays out the build context of an image: Dockerfile, sources, and Python packages from the lock file.

Packages are fetched and unpacked here, outside the build, against the hashes in uv.lock; the image only copies them.
"""

from __future__ import annotations

import platform
import shutil
import tempfile
from pathlib import Path

from keyturn_dev.cluster.shell import run
from keyturn_dev.images.catalogue import PROJECT, Image

PYTHON = "3.11"  # of Debian bookworm, which the images stand on
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
    if image.packages:
        _unpack_packages(image, directory / "site")


def _unpack_packages(image: Image, site: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="keyturn-wheels-") as scratch:
        requirements = Path(scratch, "requirements.txt")
        export = ["uv", "export", "--quiet", "--frozen", "--no-emit-project", "--format", "requirements.txt"]
        requirements.write_text(run([*export, *image.packages], cwd=PROJECT))
        _install(site, "--require-hashes", "--requirement", str(requirements))
        if image.project:
            run(["uv", "build", "--quiet", "--wheel", "--out-dir", scratch], cwd=PROJECT)
            _install(site, *(str(wheel) for wheel in Path(scratch).glob("*.whl")))
    shutil.rmtree(site / "bin", ignore_errors=True)  # scripts that name this machine's Python
    (site / ".lock").unlink(missing_ok=True)


def _install(site: Path, *what: str) -> None:
    target = ["--target", str(site), "--python-version", PYTHON]
    target += ["--python-platform", f"{platform.machine()}-manylinux_2_36", "--only-binary", ":all:"]
    run(["uv", "pip", "install", "--quiet", "--no-deps", "--link-mode", "copy", *target, *what], cwd=PROJECT)
