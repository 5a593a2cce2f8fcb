"""The pages tell what the code does: reasons, and words for everything that the procedures refuse."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pymysql.err import OperationalError

from keyturn.ports import Denied, KeyturnError
from keyturn.providers.mariadb.provider import DIALECT as MARIADB
from keyturn.providers.mysql.provider import DIALECT as MYSQL
from keyturn.providers.role_accounts.dialect import Dialect
from keyturn.providers.role_accounts.failures import explained

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "operator" / "keyturn" / "providers" / "role_accounts"
CODE = "".join(path.read_text() for path in PACKAGE.glob("*.py"))

pytestmark = pytest.mark.parametrize("dialect", [MARIADB, MYSQL], ids=lambda dialect: dialect.field)


def page(dialect: Dialect) -> str:
    return (ROOT / "docs" / "providers" / f"{dialect.field}.md").read_text()


def procedures(dialect: Dialect) -> str:
    return (ROOT / "docs" / "providers" / dialect.field / "procedures.sql").read_text()


def test_every_reason_preflight_can_give_is_documented(dialect: Dialect) -> None:
    reasons = set(re.findall(r'Problem\(\s*"(\w+)"', (PACKAGE / "checks.py").read_text()))
    assert len(reasons) > 10
    assert {reason for reason in reasons if f"`{reason}`" not in page(dialect)} == set()


def test_every_refusal_of_the_procedures_has_words(dialect: Dialect) -> None:
    numbers = set(re.findall(r"keyturn\.refuse\((\d+)\)", procedures(dialect)))
    assert len(numbers) > 8
    said: dict[str, KeyturnError] = {one: explained(OperationalError(int(one), "in its own words")) for one in numbers}
    assert {one for one, error in said.items() if error.reason == "ServerRefused"} == set()
    assert {one for one, error in said.items() if not isinstance(error, Denied)} == {"31016"}
    assert not [one for one, error in said.items() if "in its own words" in str(error)]


def test_the_script_installs_the_version_that_the_code_expects(dialect: Dialect) -> None:
    assert f"RETURN {dialect.procedures}//" in procedures(dialect)


def test_what_the_rotator_may_call_is_what_the_provider_calls(dialect: Dialect) -> None:
    granted = set(re.findall(r"'(\w+)'", re.split(r"name IN \(", procedures(dialect))[1].partition(")")[0]))
    assert {name for name in granted if name not in CODE} == set()
    called = set(re.findall(r"CALL keyturn\.(\w+)\(", CODE)) - {"admit"}  # which messages tell people to call
    assert len(granted) > 9
    assert called <= granted


def test_both_scripts_offer_the_same_to_the_rotator(dialect: Dialect) -> None:
    """One code calls both: a procedure with other parameters in one of them would break it there alone."""
    offered = re.compile(r"PROCEDURE keyturn\.(\w+)\((.*?)\)\s*(?:SQL SECURITY|$)", re.DOTALL | re.MULTILINE)

    def names(text: str) -> dict[str, list[str]]:
        return {name: re.findall(r"IN (\w+)", parameters) for name, parameters in offered.findall(text)}

    theirs, marias = names(procedures(dialect)), names(procedures(MARIADB))
    assert {name: theirs[name] for name in marias} == marias
