"""CustomResourceDefinitions from the models: structural schemas, without references, that an API server accepts.

Pure: models in, plain data out. Writing files is ``hack/generate``.
Source of the rules for structural schemas:
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import cast

from pydantic.json_schema import GenerateJsonSchema, NoDefault
from pydantic.types import JsonValue
from pydantic_core.core_schema import WithDefaultSchema

from keyturn.api.base import GROUP, VERSION, Model, format_duration
from keyturn.api.kinds import KINDS, Column, Kind
from keyturn.api.rules import KEY

Schema = dict[str, JsonValue]

_DROPPED = frozenset({"title", "$defs", "discriminator"})
_POLICY_KEYWORDS = frozenset(
    {KEY, "default", "pattern", "maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"}
    | {"enum", "minimum", "maximum"}
)


class _WithFactories(GenerateJsonSchema):
    """Writes down what default factories make; pydantic itself leaves those out."""

    def get_default_value(self, schema: WithDefaultSchema) -> JsonValue:
        factory = schema.get("default_factory")
        if factory is None:
            return super().get_default_value(schema)
        return cast("Callable[[], JsonValue]", factory)()

    def encode_default(self, dft: object) -> JsonValue:
        """Durations as people write them, not in ISO 8601."""
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def crds() -> list[Schema]:
    """Every kind's CustomResourceDefinition, ready for YAML."""
    return [crd(kind) for kind in KINDS]


def crd(kind: Kind) -> Schema:
    """One kind's CustomResourceDefinition."""
    version: Schema = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(column) for column in kind.columns],
        "schema": {"openAPIV3Schema": _object(kind)},
    }
    if kind.status:
        version["subresources"] = {"status": {}}
    if kind.fields_selected:
        version["selectableFields"] = [{"jsonPath": f".{field}"} for field in kind.fields_selected]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short],
                "categories": ["keyturn"],
            },
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [version],
        },
    }


def _column(column: Column) -> Schema:
    shown: Schema = {"name": column.name, "type": column.type, "jsonPath": column.json_path}
    return shown | ({"priority": 1} if column.wide else {})


def _object(kind: Kind) -> Schema:
    properties: Schema = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": structural(kind.spec),
    }
    if kind.status:
        properties["status"] = observed(structural(kind.status))
    schema: Schema = {
        "description": kind.summary,
        "type": "object",
        "required": ["spec"],
        "properties": properties,
    }
    if kind.rules:
        schema[KEY] = [rule.as_schema() for rule in kind.rules]
    return schema


def structural(model: type[Model]) -> Schema:
    """The structural schema of a model: no references, no unions, lists with a merge type."""
    document = cast("Schema", model.model_json_schema(by_alias=True, schema_generator=_WithFactories))
    definitions = cast("dict[str, Schema]", document.get("$defs", {}))
    return _clean(document, definitions)


def observed(schema: Schema) -> Schema:
    """The same shape for a status: the operator alone writes it, so nothing is refused and nothing is filled in."""
    shape = {name: _each(name, value, observed) for name, value in schema.items() if name not in _POLICY_KEYWORDS}
    items = schema.get("items")
    keys = schema.get("x-kubernetes-list-map-keys")
    required = cast("list[str]", items.get("required", [])) if isinstance(items, dict) else []
    if isinstance(keys, list) and not set(keys) <= set(required):
        del shape["x-kubernetes-list-map-keys"]  # a key that is not required needs a default
        shape["x-kubernetes-list-type"] = "atomic"
    return shape


def _clean(node: Schema, definitions: dict[str, Schema]) -> Schema:
    node = _resolved(node, definitions)
    clean: Schema = {
        name: _each(name, value, lambda child: _clean(child, definitions))
        for name, value in node.items()
        if name not in _DROPPED
    }
    if clean.get("properties") == {}:
        del clean["properties"]  # the API server drops it, and Helm would take what is left for somebody's change
    if clean.get("additionalProperties") is True:
        del clean["additionalProperties"]  # kept in memory; the API server prunes what the schema does not name
    if "const" in clean:
        clean["enum"] = [clean.pop("const")]
    if clean.get("type") == "array":
        clean.setdefault("x-kubernetes-list-type", "atomic")
    if isinstance(text := clean.get("description"), str):
        clean["description"] = inspect.cleandoc(text)
    if KEY in clean:
        clean.pop("pattern", None)  # a rule says in words what the pattern would say in signs, and would hide
    return _with_plain_default(clean)


def _with_plain_default(node: Schema) -> Schema:
    """Objects default to {} and fill themselves; empty texts and lists default to nothing at all."""
    if isinstance(node.get("default"), dict | Model) and "properties" in node:
        return node | {"default": {}}
    if node.get("default", NoDefault) in (None, "", [], {}):
        return {name: value for name, value in node.items() if name != "default"}
    return node


def _resolved(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """The node with its reference or its only real alternative written in its place; its own words win."""
    while True:
        target: JsonValue = None
        if "$ref" in node:
            target = definitions[str(node["$ref"]).removeprefix("#/$defs/")]
        elif "anyOf" in node:
            (target,) = [
                option
                for option in cast("list[Schema]", node["anyOf"])
                if option != {"type": "null"}  # optional is said by absence
            ]
        if not isinstance(target, dict):
            return node
        rules = [*cast("list[JsonValue]", target.get(KEY, [])), *cast("list[JsonValue]", node.get(KEY, []))]
        node = target | {name: value for name, value in node.items() if name not in {"$ref", "anyOf"}}
        if rules:
            node[KEY] = rules


def _each(name: str, value: JsonValue, change: Callable[[Schema], Schema]) -> JsonValue:
    """A keyword's value, with the schemas inside it changed."""
    if name == "properties" and isinstance(value, dict):
        return {key: change(cast("Schema", child)) for key, child in value.items()}
    if name in {"items", "additionalProperties"} and isinstance(value, dict):
        return change(value)
    return value
