"""The table of the contract suite: nothing that failed or did not run looks as if it had passed."""

from __future__ import annotations

from keyturn.providers import offered
from support.contract_columns import COLUMNS
from support.contract_matrix import Matrix


def test_a_row_an_item_and_a_column_a_backend() -> None:
    matrix = Matrix({"redis": "Redis 7.0.15"})
    matrix.add("test_ensuring_twice_is_the_same_as_once", "memory", "passed")
    matrix.add("test_ensuring_twice_is_the_same_as_once", "redis", "failed")
    matrix.add("test_ensuring_twice_is_the_same_as_once", "redis", "passed")  # its teardown
    matrix.add("test_only_memory", "memory", "passed")
    lines = matrix.lines()
    assert lines[1].split() == ["B", "redis", "Redis", "7.0.15"]
    assert lines[-2].split()[-2:] == ["+", "FAIL"]
    assert lines[-1].split()[-2:] == ["+", "-"]
    assert max(map(len, lines)) <= 80


def test_a_suite_that_did_not_run_says_nothing() -> None:
    assert Matrix().lines() == []


def test_every_backend_is_a_column() -> None:
    assert {opener.backend.field for opener in offered()} == set(COLUMNS.values()) - {""}
