"""The catalogue of seeded bugs, and how a run over it is judged: none may rot, and every trial must mean something."""

from __future__ import annotations

import pytest

from keyturn_dev.mutants.__main__ import main, unfit, verdict
from keyturn_dev.mutants.catalogue import MUTANTS
from keyturn_dev.mutants.mutant import Edit, Mutant, Rotten
from keyturn_dev.mutants.trial import NO_BUG, Fate, Outcome, judged

SOUND: dict[str, list[str] | int] = {"failed": [], "broken": [], "not_imported": [], "from_elsewhere": [], "tests": 9}


def test_an_edit_replaces_its_old_text() -> None:
    assert Edit("a.py", "x = 1", "x = 2").applied("y = 0\nx = 1\n") == "y = 0\nx = 2\n"


@pytest.mark.parametrize("text", ["nothing of it", "x = 1\nx = 1\n"])
def test_a_mutant_whose_old_text_is_not_there_exactly_once_is_rotten(text: str) -> None:
    with pytest.raises(Rotten, match="not once"):
        Edit("a.py", "x = 1", "x = 2").applied(text)


def test_several_edits_of_one_file_build_upon_each_other() -> None:
    bug = Mutant("m", "Wrong.", (Edit("a.py", "one", "two"), Edit("a.py", "two", "three")))
    assert bug.applied({"a.py": "one"}) == {"a.py": "three"}


def test_a_mutant_of_a_file_that_is_gone_is_named_and_fails() -> None:
    with pytest.raises(KeyError):
        Mutant("m", "Wrong.", (Edit("gone.py", "one", "two"),)).applied({})


def test_every_mutant_fits_the_code_as_it_is() -> None:
    """Whoever changes a line that a seeded bug is made of changes the bug with it: hack/keyturn_dev/mutants."""
    assert unfit(MUTANTS) == []


def test_every_bug_has_a_name_of_its_own_and_one_sentence_that_says_what_it_does() -> None:
    assert len(MUTANTS) >= 36
    assert len({m.name for m in MUTANTS}) == len(MUTANTS)
    for one in MUTANTS:
        assert one.bug.endswith("."), one.name
        assert "\n" not in one.bug, one.name
        assert one.edits, one.name


def test_a_failing_test_kills_and_none_lets_the_mutant_live() -> None:
    assert judged({**SOUND, "failed": ["tests/world/test_a.py::test_b"]}) == (
        Fate.KILLED,
        "tests/world/test_a.py::test_b",
    )
    assert judged(SOUND) == (Fate.SURVIVED, "")


@pytest.mark.parametrize("trouble", ["broken", "not_imported", "from_elsewhere"])
def test_a_trial_that_did_not_run_the_mutated_file_says_nothing(trouble: str) -> None:
    fate, why = judged({**SOUND, "failed": ["tests/world/test_a.py::test_b"], trouble: ["operator/keyturn/a.py"]})
    assert fate is Fate.INVALID
    assert "a.py" in why


def test_a_trial_without_tests_says_nothing() -> None:
    assert judged({**SOUND, "tests": 0})[0] is Fate.INVALID


def outcomes(**fates: int) -> list[Outcome]:
    return [Outcome(NO_BUG, Fate(fate), "by") for fate, count in fates.items() for _ in range(count)]


@pytest.mark.parametrize(
    ("fates", "status"),
    [
        ({"killed": 19, "survived": 1}, 0),
        ({"killed": 18, "survived": 2}, 1),
        ({"killed": 18, "hung": 1, "survived": 1}, 0),
        ({"killed": 20, "invalid": 1}, 1),
        ({}, 1),
    ],
)
def test_under_ninety_five_percent_or_with_an_invalid_trial_the_run_fails(
    fates: dict[str, int], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verdict(outcomes(**fates), 1.0) == status
    assert "mutants noticed" in capsys.readouterr().out


def test_a_name_that_is_no_mutant_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["no-such-bug"])
    assert "no-such-bug" in capsys.readouterr().err
