"""`hack/images`: builds the images that are not up to date, all of them or those named."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from keyturn_dev.cluster.shell import Trouble, say
from keyturn_dev.images import builder
from keyturn_dev.images.catalogue import IMAGES

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help=", ".join(IMAGES))]


def images(names: Names = None) -> None:
    """Build images from their Dockerfiles; print the docker-archive of each."""
    for archive in builder.build(names or list(IMAGES)):
        print(archive)


def main() -> int:
    """Run the command; a Trouble becomes its sentence and its hint."""
    app = typer.Typer(add_completion=False)
    app.command()(images)
    try:
        app(prog_name="hack/images")
    except Trouble as trouble:
        say(f"images: {trouble}")
        if trouble.hint:
            say(f"  {trouble.hint}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
