"""The page tells what the code does: reasons, and words for everything the procedures refuse."""

from __future__ import annotations

import re
from pathlib import Path

from pymysql.err import OperationalError

from keyturn.ports import Denied, KeyturnError
from keyturn.providers.mariadb.checks import PROCEDURES_VERSION
from keyturn.providers.mariadb.failures import explained

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "operator" / "keyturn" / "providers" / "mariadb"
PAGE = (ROOT / "docs" / "providers" / "mariadb.md").read_text()
PROCEDURES = (ROOT / "docs" / "providers" / "mariadb" / "procedures.sql").read_text()


def test_every_reason_preflight_can_give_is_documented() -> None:
    reasons = set(re.findall(r'Problem\(\s*"(\w+)"', (PACKAGE / "checks.py").read_text()))
    assert len(reasons) > 10
    assert {reason for reason in reasons if f"`{reason}`" not in PAGE} == set()


def test_every_refusal_of_the_procedures_has_words() -> None:
    numbers = set(re.findall(r"keyturn\.refuse\((\d+)\)", PROCEDURES))
    assert len(numbers) > 8
    said: dict[str, KeyturnError] = {one: explained(OperationalError(int(one), "in its own words")) for one in numbers}
    assert {one for one, error in said.items() if error.reason == "ServerRefused"} == set()
    assert {one for one, error in said.items() if not isinstance(error, Denied)} == {"31016"}
    assert not [one for one, error in said.items() if "in its own words" in str(error)]


def test_the_script_installs_the_version_that_the_code_expects() -> None:
    assert f"RETURN {PROCEDURES_VERSION}//" in PROCEDURES


def test_what_the_rotator_may_call_is_what_the_provider_calls() -> None:
    granted = set(re.findall(r"'(\w+)'", PROCEDURES.partition("AND name IN (")[2].partition(")")[0]))
    code = "".join(path.read_text() for path in PACKAGE.glob("*.py"))
    assert {name for name in granted if name not in code} == set()
    called = set(re.findall(r"CALL keyturn\.(\w+)\(", code)) - {"admit"}  # which messages tell people to call
    assert called <= granted
