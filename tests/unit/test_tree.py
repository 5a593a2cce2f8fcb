"""The shape of the repository that other files rely on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_operator_folder_does_not_shadow_the_standard_library() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_every_path_that_the_architecture_names_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = {p for p in re.findall(r"`([\w./-]+/[\w./-]*)`", text) if not p.startswith(("keyturn.dev/", "/"))}
    places = (ROOT, ROOT / "operator", ROOT / "operator" / "keyturn")
    missing = sorted(p for p in named if not any((place / p.rstrip("/")).exists() for place in places))
    assert named
    assert missing == []


def test_the_architecture_stays_readable_in_ten_minutes() -> None:
    assert len((ROOT / "docs" / "architecture.md").read_text().splitlines()) < 200


@pytest.mark.parametrize(
    "command", ["hack/check", "hack/test", "hack/demo", "hack/cluster", "hack/generate", ".ci/run"]
)
def test_every_command_can_be_run(command: str) -> None:
    assert (ROOT / command).stat().st_mode & 0o111


@pytest.mark.fm(60)
def test_only_event_handlers_are_used_so_that_no_secret_is_copied_into_an_annotation() -> None:
    text = (ROOT / "operator" / "keyturn" / "kube" / "handlers.py").read_text()
    assert not re.search(
        r"kopf\.on\.(create|update|field|resume|delete|timer|daemon)|kopf\.(daemon|timer|index)\b", text
    )
