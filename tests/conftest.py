"""What every tier understands."""

from __future__ import annotations

import pytest

from keyturn.providers import discover

discover()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="everything, however long it takes, instead of a sample")
