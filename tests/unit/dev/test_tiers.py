"""A plain hack/test leaves nothing out, whichever process it runs in."""

from __future__ import annotations

import sys

import pytest

from keyturn_dev.tiers import ON_A_CLUSTER, ROOT, TIERS, named_server, parted, paths_of, told_later


def test_two_processes_together_run_every_tier_once() -> None:
    beside, after = parted(list(TIERS))
    run = [path for path in (*beside, *after) if not path.startswith("--ignore=")]
    assert sorted(run) == sorted([*paths_of(list(TIERS)), *ON_A_CLUSTER])


def test_what_is_left_out_beside_the_cluster_runs_on_it() -> None:
    beside, after = parted(list(TIERS))
    left_out = {word.removeprefix("--ignore=") for word in beside if word.startswith("--ignore=")}
    assert left_out == set(ON_A_CLUSTER) <= set(after)
    assert all((ROOT / path).exists() for path in left_out)


@pytest.mark.parametrize("tiers", [["unit"], ["unit", "world"], ["contract"], ["e2e"], ["faults", "e2e"]])
def test_what_is_of_one_kind_runs_in_one_process(tiers: list[str]) -> None:
    assert parted(tiers) == ([], paths_of(tiers))


def test_a_contract_beside_other_tiers_takes_its_cluster_tests_there() -> None:
    beside, after = parted(["contract", "e2e"])
    assert beside[0] == "tests/contract"
    assert after == [*ON_A_CLUSTER, "tests/e2e"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("contract --webhook https://a", True),
        ("contract --webhook=https://a", True),
        ("contract --mysql /usr/sbin/mysqld", True),
        ("contract -k webhook", False),
        ("contract -k mysql", False),
    ],
)
def test_the_contract_runs_over_a_server_that_is_named(words: str, *, named: bool) -> None:
    assert bool(named_server(words.split())) is named


@pytest.mark.parametrize(("words", "status"), [(["--version"], 0), (["a-test-that-is-not-there"], 4)])
def test_what_ran_beside_is_told_and_its_failure_counts(
    words: list[str], status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with told_later(words) as statuses:
        assert capfd.readouterr().out == ""
    assert statuses == [status]
    assert sys.modules["pytest"].__name__ in capfd.readouterr().out
