"""Which images there are, the Dockerfile of each, and what goes into its build context. Builds nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from keyturn_dev.cluster.shell import Trouble

PROJECT = Path(__file__).resolve().parents[3]
TAG = "dev"
_LAYOUT = "2"  # raise it when the way contexts are laid out changes: then everything is built anew


@dataclass(frozen=True, slots=True)
class Image:
    """One image. Paths are relative to the project.

    `sources` maps a name in the build context to what is copied there. `packages` are `uv export` options that choose
    locked Python packages, laid out in `site/`; `project` lays the project's own wheel out in `project/`.
    """

    name: str
    dockerfile: str
    sources: Mapping[str, str] = field(default_factory=dict[str, str])
    packages: tuple[str, ...] = ()
    project: bool = False

    @property
    def reference(self) -> str:
        """What a pod spec calls it."""
        return f"keyturn/{self.name}:{TAG}"

    def digest(self, project: Path = PROJECT) -> str:
        """A hash of everything that decides what the image is; another digest is another image."""
        inputs = hashlib.sha256(f"{_LAYOUT} {self.packages} {self.project}".encode())
        wanted = [self.dockerfile, *self.sources.values()]
        if self.packages:
            wanted += ["uv.lock", "pyproject.toml"]
        if self.project:
            wanted += ["operator"]
        for path in wanted:
            for file in files_below(project / path):
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                inputs.update(f"{file.relative_to(project)} {file.stat().st_mode:o} {content}\n".encode())
        return inputs.hexdigest()[:16]


def files_below(path: Path) -> Iterator[Path]:
    """A file itself, or every file of a directory that Python did not make, sorted."""
    if not path.exists():
        raise Trouble(f"{path} does not exist, and an image is made of it")
    if path.is_file():
        yield path
        return
    for child in sorted(path.iterdir()):
        if child.name != "__pycache__":
            yield from files_below(child)


_DEMO = "hack/keyturn_dev/demo"
IMAGES: Mapping[str, Image] = {
    image.name: image
    for image in (
        Image("operator", "operator/Dockerfile", packages=("--no-dev", "--all-extras"), project=True),
        Image("probe", "operator/Dockerfile.probe", {"keyturn_probe": "operator/keyturn_probe"}),
        Image("demo", f"{_DEMO}/Dockerfile", {"apps": f"{_DEMO}/apps"}, packages=("--only-group", "demo")),
        Image("mariadb", f"{_DEMO}/mariadb.Dockerfile", {"serve": f"{_DEMO}/mariadb-serve.sh"}),
        Image("redis", f"{_DEMO}/redis.Dockerfile"),
        Image("rabbitmq", f"{_DEMO}/rabbitmq.Dockerfile"),
        Image("postgres", f"{_DEMO}/postgres.Dockerfile", {"serve": f"{_DEMO}/postgres-serve.sh"}),
    )
}


def find(name: str) -> Image:
    """The image called `operator`, or `keyturn/operator:dev`. Raises Trouble when there is none."""
    short = name.removeprefix("docker.io/").removeprefix("keyturn/").removesuffix(f":{TAG}")
    if short not in IMAGES:
        raise Trouble(f"there is no image '{name}'", f"Choose among {', '.join(IMAGES)}.")
    return IMAGES[short]
