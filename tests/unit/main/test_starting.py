"""Every program can be started: nothing reads a plan before backends are known, and no driver is needed for that."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAMS = ("keyturn.main", "keyturn.main.operator", "keyturn.main.injector", "keyturn.cli.app")
DRIVERS = ("psycopg", "redis", "aiomysql", "pymysql", "aiormq", "botocore")


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_can_be_imported_in_a_process_of_its_own(program: str) -> None:
    words = f"import {program}, sys; print([name for name in {DRIVERS} if name in sys.modules])"
    done = subprocess.run((sys.executable, "-c", words), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_every_backend_is_known_without_any_driver() -> None:
    words = f"""
import sys
from importlib.abc import MetaPathFinder

class Nowhere(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {DRIVERS}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Nowhere())
from keyturn.providers import discover, offered
discover()
print(*(opener.backend.field for opener in offered()))
"""
    done = subprocess.run((sys.executable, "-c", words), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        "awsIam",
        "cloudflareAccess",
        "cloudflareR2",
        "generic",
        "keyring",
        "manual",
        "mariadb",
        "mysql",
        "postgres",
        "rabbitmq",
        "redis",
        "tls",
        "webhook",
    ]
