"""Builds the images that are not up to date, one after the other, and keeps them as docker-archives in the cache."""

from __future__ import annotations

import fcntl
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from keyturn_dev.cluster.home import cache
from keyturn_dev.cluster.shell import say
from keyturn_dev.images import catalogue, engine
from keyturn_dev.images.catalogue import Image
from keyturn_dev.images.context import lay_out


def archive_of(image: Image) -> Path:
    """Where the image as it should be now is kept, whether or not it has been built."""
    return cache() / "images" / f"{image.name}-{image.digest()}.tar"


def build(names: Sequence[str]) -> list[Path]:
    """Build those of `names` that changed since they were built, and return the docker-archive of each.

    Raises Trouble for an unknown name or a build that fails.
    """
    images = [catalogue.find(name) for name in names]
    with _locked():
        return [_up_to_date(image) for image in images]


def _up_to_date(image: Image) -> Path:
    archive = archive_of(image)
    if archive.exists():
        return archive
    builder = engine.choose()
    began = time.monotonic()
    say(f"images: building {image.reference} with {builder.name}")
    with tempfile.TemporaryDirectory(prefix="building-", dir=archive.parent) as scratch:
        context = Path(scratch, "context")
        context.mkdir()
        lay_out(image, context)
        unfinished = Path(scratch, "image.tar")
        builder.build(context, image.reference, unfinished)
        unfinished.rename(archive)
    for former in archive.parent.glob(f"{image.name}-*.tar"):
        if former != archive:
            former.unlink()
    say(f"images: built {image.reference} in {time.monotonic() - began:.0f} s")
    return archive


@contextmanager
def _locked() -> Generator[None]:
    """One builder at a time: they share a storage."""
    place = cache() / "images"
    place.mkdir(parents=True, exist_ok=True)
    with (place / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
