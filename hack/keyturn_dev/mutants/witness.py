"""A pytest plugin inside the run of one mutant: proves that the mutated files were imported, and names what killed it.

It must not import anything of ``keyturn`` itself, or it would decide which copy the tests get.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

HOME, REPORT, FILES = "KEYTURN_MUTANT_HOME", "KEYTURN_MUTANT_REPORT", "KEYTURN_MUTANT_FILES"
_failed: list[str] = []
_broken: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A failing test, or one that could not even be set up."""
    if report.failed:
        _failed.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file that cannot be imported says nothing about the bug."""
    if report.failed:
        _broken.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Into the file that the runner reads."""
    home = Path(os.environ[HOME])
    files = [home / "operator" / "keyturn" / name for name in json.loads(os.environ[FILES])]
    loaded = {Path(at).resolve() for m in list(sys.modules.values()) if (at := getattr(m, "__file__", None))}
    strange = [str(at) for at in loaded if "/keyturn/" in str(at) and not at.is_relative_to(home)]
    told = {
        "failed": _failed,
        "broken": _broken,
        "not_imported": [str(f) for f in files if f.resolve() not in loaded],
        "from_elsewhere": [at for at in strange if "/operator/keyturn/" in at],
        "tests": session.testscollected,
    }
    Path(os.environ[REPORT]).write_text(json.dumps(told), encoding="utf-8")
