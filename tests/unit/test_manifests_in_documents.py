"""What a document offers to copy is taken by the API server as it stands: whole manifests, of specs that are right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from keyturn.api.kinds import CredentialProviderSpec, RotationPlanSpec

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SPECS = {
    "CredentialProvider": CredentialProviderSpec,
    "ClusterCredentialProvider": CredentialProviderSpec,
    "RotationPlan": RotationPlanSpec,
}


def manifests(page: Path) -> Iterator[dict[str, Any]]:
    """Every object in a block of YAML that says what kind it is."""
    for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        yield from (found for found in yaml.safe_load_all(block) if isinstance(found, dict) and "kind" in found)


OFFERING = [page for page in PAGES if any(manifests(page))]


def test_a_page_for_every_backend_offers_some() -> None:
    assert len(OFFERING) > 12


@pytest.mark.parametrize("page", OFFERING, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_manifest_can_be_applied_as_it_is_written(page: Path) -> None:
    for found in manifests(page):
        assert found.get("apiVersion") == ("keyturn.dev/v1alpha1" if found["kind"] in SPECS else "v1")
        assert found["metadata"]["name"]
        if spec := SPECS.get(found["kind"]):
            spec.model_validate(found["spec"])
