"""The page tells what the code does."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "operator" / "keyturn" / "providers" / "rabbitmq"
PAGE = (ROOT / "docs" / "providers" / "rabbitmq.md").read_text()


def test_every_reason_preflight_can_give_is_documented() -> None:
    reasons = set(re.findall(r'Problem\(\s*"(\w+)"', (PACKAGE / "checks.py").read_text()))
    assert len(reasons) > 10
    assert {reason for reason in reasons if f"`{reason}`" not in PAGE} == set()
