"""The fault matrix is read from the tests: a mark that means nothing must fail, and nothing may be covered by hope."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyturn_dev.matrix.marks import Cover, UnreadableMark, covers
from keyturn_dev.matrix.page import MatrixMistake, Row, page, rows

ROW = Row(7, "Create", "It breaks.", "It is mended.")


def project(root: Path, name: str, text: str) -> Path:
    path = root / "tests" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return root


def test_marks_of_tests_classes_parameters_and_modules_are_all_found(tmp_path: Path) -> None:
    text = """
import pytest
pytestmark = [pytest.mark.fm(1)]
@pytest.mark.fm(2, 3)
def test_alone(): ...
@pytest.mark.fm(4)
class DescribeIt:
    @pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.fm(5))])
    async def test_inside(self, n): ...
def builder(): ...
"""
    found = covers(project(tmp_path, "unit/core/test_a.py", text))
    assert {(c.name, c.row) for c in found} == {
        ("test_alone", 1),
        ("test_alone", 2),
        ("test_alone", 3),
        ("DescribeIt.test_inside", 1),
        ("DescribeIt.test_inside", 4),
        ("DescribeIt.test_inside", 5),
    }
    assert {c.tier for c in found} == {"unit"}


def test_a_fault_of_the_simulated_world_covers_rows_by_its_name(tmp_path: Path) -> None:
    text = 'A = Fault("secret reverted", revert, fm=(13,))\nB = Fault(name="cut", fm=52)\nC = Fault("x", revert)\n'
    found = covers(project(tmp_path, "support/catalogue.py", text))
    assert [(c.name, c.row, c.tier) for c in found] == [
        ("fault 'secret reverted'", 13, "simulated"),
        ("fault 'cut'", 52, "simulated"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "import pytest\n@pytest.mark.fm(*ROWS)\ndef test_a(): ...\n",
        "import pytest\n@pytest.mark.fm('7')\ndef test_a(): ...\n",
        "import pytest\n@pytest.mark.fm()\ndef test_a(): ...\n",
        "import pytest\n@pytest.mark.fm(7)\ndef not_a_test(): ...\n",
        "Fault(revert, fm=(13,))\n",
    ],
)
def test_a_mark_that_cannot_be_read_is_an_error_and_not_nothing(text: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableMark):
        covers(project(tmp_path, "unit/test_a.py", text))


def test_a_mark_of_a_row_that_there_is_not_fails() -> None:
    with pytest.raises(MatrixMistake, match="no such row"):
        page([ROW], [Cover(8, "unit", "test_a", "tests/unit/test_a.py"), Cover(7, "unit", "test_a", "tests/unit/a.py")])


def test_a_row_that_nobody_covers_needs_a_reason() -> None:
    with pytest.raises(MatrixMistake, match="FM-07"):
        page([ROW], [])


def test_a_reason_is_printed_as_what_is_missing() -> None:
    text = page([Row(7, "Create", "It breaks.", "It is mended.", "Nobody looked.")], [])
    assert "**not covered**: Nobody looked." in text
    assert "0 of 1 rows are covered" in text


def test_a_covered_row_names_its_tiers_and_tests_as_sentences() -> None:
    text = page([ROW], [Cover(7, "real cluster", "test_it_is_mended", "tests/e2e/test_breaks.py")])
    assert "*real cluster*: it is mended (`test_breaks`)" in text
    assert "1 of 1 rows are covered" in text


def test_the_table_has_sixty_three_rows_in_order() -> None:
    assert [row.number for row in rows()] == list(range(1, 64))
