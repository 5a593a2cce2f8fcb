"""The page tells what the code does: every reason that a ring can give, and plans that can be opened."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from keyturn.api.kinds import CredentialProviderSpec, RotationPlanSpec
from keyturn.core.model import ObjectKey
from keyturn.ports import PlanRecord, ProviderRecord
from keyturn.providers import discover, offered
from support.ring_rig import setting

ROOT = Path(__file__).resolve().parents[3]
PROVIDERS = ROOT / "operator" / "keyturn" / "providers"
PAGES = ROOT / "docs" / "providers"
SPOKEN = re.compile(r'(?:Awaited|Conflict|Denied|Misconfigured|Problem)\(\s*"([A-Z][A-Za-z]+)"')
discover()


def test_every_reason_is_explained_and_none_that_is_never_given() -> None:
    files = [file for name in ("ring", "keyring", "generic") for file in (PROVIDERS / name).glob("*.py")]
    spoken = {reason for file in files for reason in SPOKEN.findall(file.read_text())}
    table = (PAGES / "keyring.md").read_text().partition("## Reasons")[2].partition("\n\nAn entry")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    explained = {reason for row in rows for reason in re.findall(r"`(\w+)`", row)}
    assert len(spoken) > 25
    assert spoken == explained


@pytest.mark.parametrize("field", ["keyring", "generic"])
def test_the_plan_of_the_page_can_be_opened_as_it_stands_there(field: str) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (PAGES / f"{field}.md").read_text(), re.DOTALL)
    parts = [one for block in blocks for one in yaml.safe_load_all(block) if one]
    documents = {one["kind"]: one for one in parts if "kind" in one}
    provider = CredentialProviderSpec.model_validate(documents["CredentialProvider"]["spec"])
    plan = RotationPlanSpec.model_validate(documents["RotationPlan"]["spec"])
    name = documents["RotationPlan"]["metadata"]["name"]
    key = ObjectKey("shop", name)
    record = ProviderRecord("CredentialProvider", ObjectKey("shop", "x"), "u", 1, provider)
    there = setting()
    opened = there.providers().open(record, PlanRecord(key, "u", 1, "1", plan, there.records()[1].status), None)
    assert opened.mint() != opened.mint()
    assert field in {opener.backend.field for opener in offered() if opener.inside}


def test_the_counters_of_the_page_can_be_declared_as_they_stand_there() -> None:
    (part,) = [
        one
        for block in re.findall(r"```yaml\n(.*?)```", (PAGES / "keyring.md").read_text(), re.DOTALL)
        for one in yaml.safe_load_all(block)
        if one and "kind" not in one
    ]
    there = setting()
    there.half |= part["keyring"]
    assert there.open().capabilities.sees_use
