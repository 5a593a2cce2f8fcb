"""What all kinds share: the base model and small field types.

``extra="allow"`` on purpose: an older operator reads what a newer one wrote, and writes back what it does not know.
Admission prunes what no version knows.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from keyturn.api import rules
from keyturn.api.rules import ruled

GROUP = "keyturn.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


class Model(BaseModel):
    """Camel case outside, snake case inside, unknown fields kept, immutable.

    What does not fit is not repeated in the error: somebody may have typed a password into the wrong field.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True, hide_input_in_errors=True
    )


def parse_duration(text: object) -> timedelta:
    """``1h30m`` as a timedelta. Days are 24 hours. Raises ValueError for anything else."""
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not re.match(DURATION_PATTERN, text):
        raise ValueError("a duration is written like 30s, 10m, 2h or 1d")
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)", text)
    return sum((float(number) * _UNITS[unit] for number, unit in parts), timedelta())


def format_duration(value: timedelta) -> str:
    """The shortest exact writing: ``90m`` for an hour and a half, ``0s`` for none."""
    milliseconds = round(value.total_seconds() * 1000)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds % size == 0 and milliseconds:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def _format_time(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_DURATION_SCHEMA = {"type": "string", "maxLength": 32}
Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration),
    WithJsonSchema(_DURATION_SCHEMA | ruled(rules.DURATION)),
]
PositiveDuration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration),
    WithJsonSchema(_DURATION_SCHEMA | ruled(rules.DURATION, rules.POSITIVE)),
]
CheckInterval = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration),
    WithJsonSchema(_DURATION_SCHEMA | ruled(rules.DURATION, rules.TEN_SECONDS)),
]


def _format_whole_time(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[datetime, PlainSerializer(_format_time), WithJsonSchema({"type": "string", "format": "date-time"})]
WholeTime = Annotated[
    datetime, PlainSerializer(_format_whole_time), WithJsonSchema({"type": "string", "format": "date-time"})
]
Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        json_schema_extra=ruled(rules.NAME),
    ),
]


class Ref(Model):
    """The name of an object in the same namespace."""

    name: Name = Field(description="Its name.")


class Condition(Model):
    """A Kubernetes condition."""

    type: str = Field(description="What it is about, CamelCase.")
    status: str = Field(description="True, False or Unknown.")
    reason: str = Field(description="Why, CamelCase, for machines.")
    message: str = Field(default="", description="Why, in words, and what to do.")
    observed_generation: int = Field(default=0, description="The generation of the object that this is about.")
    last_transition_time: Time = Field(description="When the status last changed.")
