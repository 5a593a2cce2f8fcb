"""The page tells what the code does: every reason, every verb of a bench, and the paths it names."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from keyturn.api.kinds import ClusterCredentialProviderSpec, RotationPlanSpec
from keyturn.providers.webhook.checks import WORDS
from keyturn.providers.webhook.failures import MEANING
from keyturn.providers.webhook.signing import WINDOW_SECONDS
from keyturn.providers.webhook.wire import Code, Finding

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "operator" / "keyturn" / "providers" / "webhook"
EXAMPLE = ROOT / "docs" / "examples" / "webhook-server"
PAGE = (ROOT / "docs" / "providers" / "webhook.md").read_text()
RAISED = re.compile(r'(?:Denied|Misconfigured|Unavailable|Conflict|OutcomeUnknown|Problem)[(,]\s*"([A-Z]\w+)"')


def test_every_reason_is_documented() -> None:
    reasons = {reason for file in PACKAGE.glob("*.py") for reason in RAISED.findall(file.read_text())}
    reasons |= {finding.value for finding in Finding}
    assert len(reasons) > 40
    assert {reason for reason in reasons if f"`{reason}`" not in PAGE} == set()


def test_every_code_and_every_finding_has_words_of_ours() -> None:
    assert set(MEANING) == set(Code)
    assert set(WORDS) == set(Finding)


def test_the_window_of_signatures_is_the_one_that_is_documented() -> None:
    assert f"more than {WINDOW_SECONDS} s from its own" in PAGE
    assert f"WINDOW = {WINDOW_SECONDS} " in (EXAMPLE / "signing.py").read_text()


def test_the_provider_and_plan_to_copy_are_good_ones() -> None:
    block = next(block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "RotationPlan" in block)
    provider, plan = yaml.safe_load_all(block)
    assert ClusterCredentialProviderSpec.model_validate(provider["spec"]).backend is not None
    assert RotationPlanSpec.model_validate(plan["spec"]).backend is not None


def test_the_examples_files_are_those_that_its_readme_names() -> None:
    named = set(re.findall(r"^\| `(\w+\.py)`", (EXAMPLE / "README.md").read_text(), re.MULTILINE))
    assert named == {file.name for file in EXAMPLE.glob("*.py")}
