"""What every tier understands."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from keyturn.providers import discover

discover()
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")  # machines are shared: how long one example takes says nothing about it


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="everything, however long it takes, instead of a sample")
