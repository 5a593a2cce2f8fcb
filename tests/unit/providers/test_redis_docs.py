"""The page tells what the code does: reasons, and the rights that the tests' own rotator has."""

from __future__ import annotations

import re
from pathlib import Path

from support.redis_server import ROTATORS_RULES

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "operator" / "keyturn" / "providers" / "redis"
PAGE = (ROOT / "docs" / "providers" / "redis.md").read_text()


def test_every_reason_preflight_can_give_is_documented() -> None:
    reasons = set(re.findall(r'Problem\(\s*"(\w+)"', (PACKAGE / "checks.py").read_text()))
    assert len(reasons) > 10
    assert {reason for reason in reasons if f"`{reason}`" not in PAGE} == set()


def test_the_rotator_is_given_exactly_what_the_tests_rotator_has() -> None:
    told = PAGE.partition("ACL SETUSER keyturn-rotator")[2].partition("```")[0]
    assert set(re.findall(r"\+\S+", told)) == set(ROTATORS_RULES.split())
