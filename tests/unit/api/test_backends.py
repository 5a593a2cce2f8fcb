"""Backends bring their own fields: what the kinds make of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import Field

from keyturn.api.backends import Backend, PlanHalf, ProviderHalf, forget, known, one_backend, register
from keyturn.api.crds import crds
from keyturn.api.kinds import CredentialProviderSpec, RotationPlanSpec
from keyturn.core.rendering import Place
from keyturn.providers.postgres.kinds import PostgresRoles

PLAN = {
    "providerRef": {"name": "db"},
    "secret": {"name": "orders", "keys": {"url": "{username}:{password}"}},
    "postgres": {"owner": "orders_owner", "slots": ["orders_a", "orders_b"]},
}


class Vault(ProviderHalf):
    """A backend of this test's own."""

    street: str = Field(description="Where it stands.")

    @property
    def admin_secret(self) -> str:
        return "vault-admin"

    @property
    def place(self) -> Place:
        return Place(self.street, 1, "shop")

    @property
    def where(self) -> str:
        return self.street


class Key(PlanHalf):
    """What is rotated there."""

    number: int = Field(default=1, description="Which one.")

    @property
    def principals(self) -> frozenset[str]:
        return frozenset({str(self.number)})


VAULT = Backend("vault", Vault, "A vault.", Key, "A key of it.")


@pytest.fixture
def vault() -> Iterator[Backend]:
    register(VAULT)
    yield VAULT
    forget(VAULT)


def plan_schema() -> dict[str, Any]:
    made: dict[str, Any] = {crd["metadata"]["name"]: crd for crd in crds()}  # type: ignore[index, call-overload]
    version = made["rotationplans.keyturn.dev"]["spec"]["versions"][0]
    return version["schema"]["openAPIV3Schema"]["properties"]["spec"]


def test_a_named_backend_is_read_and_written_back_as_it_was() -> None:
    spec = RotationPlanSpec.model_validate(PLAN)
    assert isinstance(spec.backend, PostgresRoles)
    assert spec.backend.principals == {"orders_owner", "orders_a", "orders_b"}
    assert spec.model_dump(by_alias=True, exclude_unset=True) == PLAN
    assert RotationPlanSpec.model_validate(spec.model_dump(by_alias=True)) == spec


def test_a_backend_that_is_not_known_here_is_kept_and_asks_for_nothing() -> None:
    newer = {"allow": {"owners": ["a"]}, "vault": {"street": "Elm"}}
    spec = CredentialProviderSpec.model_validate(newer)
    assert spec.backend is None
    assert spec.model_dump(by_alias=True, exclude_unset=True) == newer


def test_an_absent_backend_is_no_backend() -> None:
    assert RotationPlanSpec.model_validate({**PLAN, "postgres": None}).backend is None


def test_a_registered_backend_stands_in_the_schema_and_in_the_rule_that_one_is_named(vault: Backend) -> None:
    spec = plan_schema()
    assert spec["properties"]["vault"]["description"] == "A key of it."
    assert spec["properties"]["vault"]["properties"]["number"]["default"] == 1
    assert {"postgres", "vault"} <= spec["properties"].keys()
    assert not {"postgres", "vault"} & set(spec["required"])
    assert "has(self.vault)" in one_backend().rule
    assert "spec.vault" in one_backend().message
    assert one_backend().as_schema() in spec["x-kubernetes-validations"]
    assert CredentialProviderSpec.model_validate({"vault": {"street": "Elm"}}).backend == Vault(street="Elm")


def test_what_is_forgotten_stands_there_no_more() -> None:
    assert VAULT not in known()
    assert "vault" not in plan_schema()["properties"]
