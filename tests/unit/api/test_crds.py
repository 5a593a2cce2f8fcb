"""The CRDs: structural, documented, and saying in words what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from keyturn.api.crds import crd, crds, structural
from keyturn.api.kinds import KINDS, PLAN, ROTATION, Kind, PlanStatus, RotationPlanSpec
from keyturn.api.rules import KEY, Rule

Node = dict[str, Any]
FORBIDDEN = {"$ref", "$defs", "anyOf", "oneOf", "allOf", "title", "const", "discriminator"}


def nodes(schema: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(child := schema.get(name), dict):
            yield from nodes(child, f"{path}[]")


def schema_of(kind: Kind) -> Node:
    made: Node = crd(kind)
    return made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def everything() -> list[tuple[str, Node]]:
    return [(f"{kind.name}{path}", node) for kind in KINDS for path, node in nodes(schema_of(kind))]


def test_every_schema_is_structural() -> None:
    for path, node in everything():
        assert not FORBIDDEN & node.keys(), path
        assert isinstance(node["type"], str), path
        assert not ("properties" in node and "additionalProperties" in node), path


def test_every_list_says_how_it_merges_and_map_keys_are_there() -> None:
    for path, node in everything():
        if node["type"] == "array":
            kind = node["x-kubernetes-list-type"]
            assert kind in {"atomic", "set", "map"}, path
            if kind == "map":
                items = node["items"]
                for key in node["x-kubernetes-list-map-keys"]:
                    assert key in items["required"] or "default" in items["properties"][key], f"{path} {key}"


def test_every_field_that_a_person_writes_or_reads_is_explained() -> None:
    silent = {"apiVersion", "kind", "metadata", "conditions"}
    for path, node in everything():
        name = path.rsplit(".", 1)[-1]
        if "[]" not in name and name not in silent and not path.endswith((".spec", ".status")):
            assert node.get("description", "").strip(), path


def test_every_refusal_is_a_sentence_and_no_pattern_hides_it() -> None:
    rules = [(path, rule) for path, node in everything() for rule in node.get(KEY, [])]
    assert len(rules) > 20
    for path, rule in rules:
        assert len(rule["message"]) > 20, path
        assert not rule["message"].endswith("."), path
    assert [path for path, node in everything() if "pattern" in node] == []


def test_a_status_refuses_and_fills_in_nothing() -> None:
    for kind in (PLAN, ROTATION):
        status: Node = schema_of(kind)["properties"]["status"]
        for path, node in nodes(status):
            assert not {KEY, "default", "maxLength", "minItems", "enum", "minimum"} & node.keys(), path


def test_defaults_are_those_of_the_models() -> None:
    made: Node = structural(RotationPlanSpec)
    properties = made["properties"]
    assert properties["verify"]["default"] == {}
    assert properties["verify"]["properties"]["require"]["default"] == ["Session", "Process"]
    assert properties["verify"]["properties"]["soak"]["default"] == "10m"
    assert properties["retire"]["properties"]["watch"]["default"] == "2h"
    assert properties["suspend"]["default"] is False
    assert "default" not in properties["postgres"]
    assert "default" not in properties["schedule"]["properties"]["cron"]


def test_nothing_is_said_that_the_api_server_drops() -> None:
    """Helm applies what stands here, and fails where what is stored differs and another manager wrote it."""
    empty = [path for kind in KINDS for path, node in nodes(structural(kind.spec)) if node.get("properties") == {}]
    assert empty == []


def test_names_and_columns_are_what_people_type_and_read() -> None:
    made: dict[str, Node] = {node["spec"]["names"]["kind"]: node["spec"] for node in crds()}  # type: ignore[index]
    shorts = {name: spec["names"]["shortNames"] for name, spec in made.items()}
    assert shorts == {
        "RotationPlan": ["rp"],
        "Rotation": ["rot"],
        "RotationApproval": ["rapp"],
        "CredentialProvider": ["cprov"],
        "ClusterCredentialProvider": ["ccprov"],
    }
    assert all(spec["names"]["categories"] == ["keyturn"] for spec in made.values())
    columns = made["Rotation"]["versions"][0]["additionalPrinterColumns"]
    assert [column["name"] for column in columns] == ["Phase", "Proven", "Old", "New", "Blocked-By", "Age"]
    assert [column["name"] for column in columns if column.get("priority")] == ["Old", "New"]
    assert made["ClusterCredentialProvider"]["scope"] == "Cluster"


@pytest.mark.parametrize("place", ["", ".slots"])
def test_a_rule_names_a_field_only_when_it_has_one(place: str) -> None:
    assert ("fieldPath" in Rule("true", "words", place).as_schema()) is bool(place)


def test_the_next_rotation_is_told_to_people_by_the_same_field_that_machines_read() -> None:
    due = datetime(2030, 11, 25, 3, 0, 7, 500, tzinfo=UTC)
    written = PlanStatus(next_rotation_time=due, next="stale").model_dump(mode="json", by_alias=True)
    assert (written["nextRotationTime"], written["next"]) == ("2030-11-25T03:00:07Z", "2030-11-25 03:00Z")
    assert PlanStatus(next="stale").model_dump(mode="json")["next"] == ""
