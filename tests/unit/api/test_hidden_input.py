"""What somebody typed into the wrong field is in no error of the models."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from keyturn.api.base import Model
from keyturn.api.kinds import KINDS

TYPED = "hunter2-typed-into-the-wrong-field"


def models(base: type[Model] = Model) -> list[type[Model]]:
    return [model for child in base.__subclasses__() for model in (child, *models(child))]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_no_model_repeats_what_does_not_fit(model: type[Model]) -> None:
    wrong: dict[str, Any] = {field.alias or name: [TYPED, {TYPED: TYPED}] for name, field in model.model_fields.items()}
    with pytest.raises(ValidationError) as refused:
        model.model_validate(wrong)
    assert TYPED not in str(refused.value)
    assert TYPED not in repr(refused.value)


def test_all_kinds_are_among_them() -> None:
    assert {kind.spec for kind in KINDS} <= set(models())
