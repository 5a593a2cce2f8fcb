"""The page tells what the code does: every reason that certificates can give, and a plan that can be opened."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from keyturn.api.kinds import CredentialProviderSpec, PlanStatus, RotationPlanSpec
from keyturn.core.model import ObjectKey
from keyturn.core.rendering import Place, extract, render
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, PlanRecord, ProviderRecord
from keyturn.providers import discover
from support.tls_rig import FIRST, TlsSetting, signed

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/providers/tls.md").read_text()
SPOKEN = re.compile(r'(?:Awaited|Conflict|Denied|Misconfigured|Problem)\(\s*"([A-Z][A-Za-z]+)"')
discover()


def test_every_reason_is_explained_and_none_that_is_never_given() -> None:
    files = (ROOT / "operator/keyturn/providers/tls").glob("*.py")
    spoken = {reason for file in files for reason in SPOKEN.findall(file.read_text())}
    table = PAGE.partition("## Reasons")[2].partition("\n\nWhat is said")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    explained = {reason for row in rows for reason in re.findall(r"`(\w+)`", row)}
    assert len(spoken) > 12
    assert spoken == explained


def test_the_plan_of_the_page_can_be_opened_as_it_stands_there() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    documents = {one["kind"]: one for block in blocks for one in yaml.safe_load_all(block) if one}
    provider = CredentialProviderSpec.model_validate(documents["CredentialProvider"]["spec"])
    plan = RotationPlanSpec.model_validate(documents["RotationPlan"]["spec"])
    record = ProviderRecord("CredentialProvider", ObjectKey("shop", "x"), "u", 1, provider)
    asked = PlanRecord(ObjectKey("shop", "orders-tls"), "u", 1, "1", plan, PlanStatus())
    opened = TlsSetting(Credential(FIRST, signed())).providers().open(record, asked, None)
    assert opened.capabilities.sees_use
    login = extract(plan.secret.keys, _keys(opened.mint()), Place("", 0, ""))
    assert render(plan.secret.keys, login, Place("", 0, "")) == _keys(login.password)


def _keys(value: Sealed) -> dict[str, Sealed]:
    """As a person cuts it into files."""
    parts = value.reveal_text().replace("-----\n-----BEGIN", "-----\n\0-----BEGIN").split("\0")
    return {"id": Sealed(FIRST)} | {
        name: Sealed(part) for name, part in zip(("tls.key", "tls.crt", "ca.crt"), parts, strict=True)
    }
