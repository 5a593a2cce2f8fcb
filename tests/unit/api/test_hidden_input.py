"""What somebody typed into the wrong field is in no error of the models."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from keyturn.api.base import Model
from keyturn.api.kinds import KINDS, CredentialProviderSpec, RotationPlanSpec

TYPED = "hunter2-typed-into-the-wrong-field"


def models(base: type[Model] = Model) -> list[type[Model]]:
    every = [model for child in base.__subclasses__() for model in (child, *models(child))]
    return [model for model in every if model.model_fields]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_no_model_repeats_what_does_not_fit(model: type[Model]) -> None:
    wrong: dict[str, Any] = {field.alias or name: [TYPED, {TYPED: TYPED}] for name, field in model.model_fields.items()}
    with pytest.raises(ValidationError) as refused:
        model.model_validate(wrong)
    assert TYPED not in str(refused.value)
    assert TYPED not in repr(refused.value)


@pytest.mark.parametrize("spec", [RotationPlanSpec, CredentialProviderSpec])
def test_a_backends_field_is_named_by_its_whole_path(spec: type[Model]) -> None:
    with pytest.raises(ValidationError) as refused:
        spec.model_validate({"postgres": {"owner": "o", "slots": TYPED, "adminSecretRef": TYPED, "database": [TYPED]}})
    assert TYPED not in str(refused.value)
    assert {line["loc"][:2] for line in refused.value.errors()} & {("postgres", "slots"), ("postgres", "database")}


def test_all_kinds_are_among_them() -> None:
    assert {kind.spec for kind in KINDS} <= set(models())
