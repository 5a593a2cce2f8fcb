"""Who covers which row: ``@pytest.mark.fm(...)`` on tests, ``fm=(...)`` on the simulated world's faults.

Read by parsing, never by importing: what covers a row must not depend on what can be imported here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TIERS = {  # folder of the tests -> how real the world is there
    "unit": "unit",
    "world": "simulated",
    "support": "simulated",
    "contract": "real backend",
    "integration": "real API server",
    "faults": "real API server under faults",
    "e2e": "real cluster",
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


class UnreadableMark(ValueError):
    """A mark that is not a plain list of numbers."""


@dataclass(frozen=True, slots=True, order=True)
class Cover:
    """A test, or a fault of the simulated world, that says it covers a row."""

    row: int
    tier: str
    name: str  # as pytest or the catalogue names it
    path: str  # relative to the project


def covers(root: Path) -> list[Cover]:
    """All of them, in order. Raises UnreadableMark."""
    found: list[Cover] = []
    for folder, tier in TIERS.items():
        for path in sorted((root / "tests" / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            place = str(path.relative_to(root))
            names = _tests(tree, place) if path.name.startswith("test_") else iter(())
            found += [Cover(row, tier, name, place) for name, row in (*names, *_faults(tree, place))]
    return sorted(set(found))


def _tests(tree: ast.Module, place: str) -> Iterator[tuple[str, int]]:
    everywhere = [row for node in tree.body for row in _of_module(node, place)]
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            shared = [*everywhere, *_decorated(node, place)]
            methods = [f for f in node.body if isinstance(f, Function)]
            for method in methods:
                yield from _named(method, f"{node.name}.{method.name}", shared, place)
        elif isinstance(node, Function):
            yield from _named(node, node.name, everywhere, place)


def _named(test: Function, name: str, shared: list[int], place: str) -> Iterator[tuple[str, int]]:
    own = _decorated(test, place)
    if test.name.startswith("test_"):
        yield from ((name, row) for row in (*shared, *own))
    elif own:
        raise UnreadableMark(f"{place}: {name} is marked and is no test")


def _decorated(node: Function | ast.ClassDef, place: str) -> list[int]:
    """Its own marks, and those of its parameters (``pytest.param(..., marks=pytest.mark.fm(4))``)."""
    calls = [c for d in node.decorator_list for c in ast.walk(d) if isinstance(c, ast.Call) and _is_mark(c)]
    return [row for call in calls for row in _numbers(call.args, place, call.lineno)]


def _of_module(node: ast.stmt, place: str) -> list[int]:
    """``pytestmark = pytest.mark.fm(...)``, alone or in a list."""
    if not isinstance(node, ast.Assign) or not any(
        isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets
    ):
        return []
    calls = [c for c in ast.walk(node.value) if isinstance(c, ast.Call) and _is_mark(c)]
    return [row for call in calls for row in _numbers(call.args, place, call.lineno)]


def _is_mark(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and ast.unparse(call.func) == "pytest.mark.fm"


def _faults(tree: ast.Module, place: str) -> Iterator[tuple[str, int]]:
    """Values of the world's catalogue: a call with ``fm=(...)``, named by ``name=`` or its first text."""
    for call in (c for c in ast.walk(tree) if isinstance(c, ast.Call)):
        words = {k.arg: k.value for k in call.keywords if k.arg}
        if "fm" not in words:
            continue
        texts = [words["name"]] if "name" in words else call.args
        named = next((t.value for t in texts if isinstance(t, ast.Constant) and isinstance(t.value, str)), None)
        rows = words["fm"].elts if isinstance(words["fm"], ast.Tuple) else [words["fm"]]
        if named is None:
            raise UnreadableMark(f"{place}:{call.lineno}: a fault with fm= needs its name as a text")
        yield from ((f"fault '{named}'", row) for row in _numbers(rows, place, call.lineno))


def _numbers(values: list[ast.expr], place: str, line: int) -> list[int]:
    rows = [v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, int)]
    if not rows or len(rows) != len(values):
        raise UnreadableMark(f"{place}:{line}: rows of the fault matrix are plain numbers, as in fm(3, 17)")
    return rows
