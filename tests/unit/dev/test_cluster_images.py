"""Images are built when what they are made of changed, and only then."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from pathlib import Path

import pytest

from keyturn_dev.cluster import archive
from keyturn_dev.cluster.shell import Trouble
from keyturn_dev.images import catalogue
from keyturn_dev.images.catalogue import IMAGES, PROJECT, Image

IMAGE = Image("toy", "Dockerfile", {"app": "app"})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("print(1)\n")
    return tmp_path


def test_an_image_stays_the_same_while_only_times_and_caches_change(project: Path) -> None:
    before = IMAGE.digest(project)

    os.utime(project / "app" / "main.py", (1, 1))
    (project / "app" / "__pycache__").mkdir()
    (project / "app" / "__pycache__" / "main.pyc").write_bytes(b"compiled")
    (project / "unrelated").write_text("x")

    assert IMAGE.digest(project) == before


def test_a_change_of_source_or_dockerfile_or_mode_is_another_image(project: Path) -> None:
    seen = {IMAGE.digest(project)}

    (project / "app" / "main.py").write_text("print(2)\n")
    seen.add(IMAGE.digest(project))
    (project / "Dockerfile").write_text("FROM scratch\nUSER 1\n")
    seen.add(IMAGE.digest(project))
    (project / "app" / "main.py").chmod(0o755)
    seen.add(IMAGE.digest(project))
    (project / "app" / "main.py").rename(project / "app" / "start.py")
    seen.add(IMAGE.digest(project))

    assert len(seen) == 5


def test_a_missing_source_is_named(project: Path) -> None:
    (project / "Dockerfile").unlink()

    with pytest.raises(Trouble, match="Dockerfile does not exist"):
        IMAGE.digest(project)


@pytest.mark.parametrize("name", ["probe", "keyturn/probe:dev", "docker.io/keyturn/probe:dev"])
def test_an_image_is_found_by_every_spelling_of_its_name(name: str) -> None:
    assert catalogue.find(name).name == "probe"


def test_an_unknown_image_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(Trouble, match="no image 'prob'") as refused:
        catalogue.find("prob")

    assert refused.value.hint == "Choose among operator, probe, demo, mariadb, redis, rabbitmq, postgres."


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_every_image_has_what_it_is_made_of_and_runs_as_nobody_special(image: Image) -> None:
    dockerfile = (PROJECT / image.dockerfile).read_text()

    assert image.digest()
    assert re.search(r"\nUSER [1-9]\d*:[1-9]\d*\n", dockerfile)


def test_the_pause_image_holds_its_program_and_says_its_true_hash(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF program")
    written = tmp_path / "pause.tar"

    archive.write(written, "docker.io/keyturn/pause:local", program)

    with tarfile.open(written) as image:
        content = {member.name: image.extractfile(member).read() for member in image.getmembers()}  # type: ignore[union-attr]
    [manifest] = json.loads(content["manifest.json"])
    config = json.loads(content[manifest["Config"]])
    [layer] = (content[name] for name in manifest["Layers"])
    with tarfile.open(fileobj=io.BytesIO(layer)) as files:
        member = files.getmember("pause")
    assert manifest["RepoTags"] == ["docker.io/keyturn/pause:local"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert config["config"]["Entrypoint"] == ["/pause"]
    assert member.mode & 0o111
    assert member.size == len(program.read_bytes())
