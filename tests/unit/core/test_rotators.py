"""Circles of plans that rotate one another's rotators: found from each of their members, and only from those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.rotators import circle

Graph = Mapping[int, Sequence[int]]
graphs = st.dictionaries(st.integers(0, 7), st.lists(st.integers(0, 7), max_size=4), max_size=8)


def reached(start: int, graph: Graph) -> set[int]:
    """By one step or more, told the long way."""
    found: set[int] = set()
    for _ in range(9):
        found |= {b for a in (start, *found) for b in graph.get(a, ()) if a == start or a in found}
    return found


def test_a_plan_whose_rotator_no_plan_rotates_is_on_none() -> None:
    assert circle("orders", {}) == ()
    assert circle("orders", {"orders": ["rotators"], "rotators": []}) == ()


def test_a_plan_that_rotates_its_own_rotator_is_one_by_itself() -> None:
    assert circle("orders", {"orders": ["orders"]}) == ("orders",)


def test_whoever_leads_into_a_circle_is_not_on_it() -> None:
    into = {"orders": ["one"], "one": ["two"], "two": ["one"]}
    assert circle("orders", into) == ()
    assert circle("one", into) == ("one", "two")


@given(graphs, st.integers(0, 7))
def test_it_is_found_exactly_where_a_way_leads_back(graph: Graph, start: int) -> None:
    assert bool(circle(start, graph)) == (start in reached(start, graph))


@given(graphs, st.integers(0, 7))
def test_each_of_its_plans_is_turned_by_the_next_and_none_comes_twice(graph: Graph, start: int) -> None:
    way = circle(start, graph)
    assert len(set(way)) == len(way)
    assert all(after in graph[before] for before, after in zip(way, (*way[1:], *way[:1]), strict=True))


@given(graphs, st.integers(0, 7))
def test_each_of_its_plans_finds_one_as_well(graph: Graph, start: int) -> None:
    way = circle(start, graph)
    assert all(len(circle(member, graph)) in range(1, len(way) + 1) for member in way)


@given(graphs, st.integers(0, 7), st.lists(st.integers(0, 7), max_size=7))
def test_no_way_round_is_shorter(graph: Graph, start: int, others: list[int]) -> None:
    steps = (start, *others, start)
    goes = all(after in graph.get(before, ()) for before, after in pairwise(steps))
    assert not goes or len(circle(start, graph)) <= len(others) + 1
