"""The documents tell what the code does: every reason that Preflight can give stands in them."""

from __future__ import annotations

import re
from pathlib import Path

from keyturn.providers.postgres.checks_server import FUNCTIONS_VERSION
from keyturn.providers.postgres.refusals import refusal

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "operator" / "keyturn" / "providers" / "postgres"
DOCS = ROOT / "docs" / "providers"


def test_every_reason_preflight_can_give_is_documented():
    code = "\n".join(path.read_text() for path in PACKAGE.glob("checks_*.py"))
    reasons = set(re.findall(r'block\(\s*"(\w+)"', code)) | set(
        re.findall(r'^\s+\(?"([A-Z][A-Za-z]+)",$', code, re.MULTILINE)
    )
    assert len(reasons) > 25
    text = (DOCS / "postgres.md").read_text()
    assert {reason for reason in reasons if f"`{reason}`" not in text} == set()


def test_every_refusal_of_the_installed_functions_has_words():
    script = "".join((DOCS / "postgres" / name).read_text() for name in ("functions.sql", "tripwire.sql"))
    codes = set(re.findall(r"'(KT\d{3})'", script))
    assert codes
    assert {code for code in codes if refusal(code) is None} == set()


def test_the_script_installs_the_version_that_the_code_expects():
    script = (DOCS / "postgres" / "functions.sql").read_text()
    assert f"$$ SELECT {FUNCTIONS_VERSION} $$" in script
