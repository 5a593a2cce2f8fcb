"""Fixtures: one made-up pod, seen from inside."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.pod_inside import Folder, Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "proc")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "plans")
