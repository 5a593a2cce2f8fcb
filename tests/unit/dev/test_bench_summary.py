"""From runs to the page that hack/bench prints."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from keyturn_dev.bench.field import Size
from keyturn_dev.bench.rounds import Run
from keyturn_dev.bench.summary import Summary, page

PHASES = ("Preflight", "Create", "Stage", "Roll", "Verify", "Soak", "Approve", "Disable", "Watch", "Delete")
WRITES = {"the Secret": 1, "workloads": 1, "status of the Rotation": 14, "Events": 10, "lease": 30}


def run(contender: str, seconds: float, *, refused: int = 0, writes: Mapping[str, int] | None = None) -> Run:
    ours = contender == "keyturn"
    return Run(
        contender=contender,
        seconds=seconds,
        watched=seconds + 10,
        logins=12345,
        refused_told=refused,
        refused_logged=refused,
        unanswered=0,
        phases=dict.fromkeys(PHASES, 2.0) if ours else {},
        entered=len(PHASES) + 1 if ours else 0,
        writes=writes or (WRITES if ours else {}),
    )


def summary(*runs: Run, memory: Mapping[str, list[float]] | None = None) -> Summary:
    return Summary.of(Size(deployments=1, pods=10), runs, memory or {})


def line(found: Summary, beginning: str) -> str:
    return next(text for text in page(found) if text.strip().startswith(beginning))


ROUNDS = (
    *(run("naive", 30.0, refused=40), run("careful", 40.0), run("keyturn", 44.0)),
    *(run("naive", 32.0, refused=44), run("careful", 50.0), run("keyturn", 60.0)),
    *(run("naive", 90.0, refused=36), run("careful", 41.0), run("keyturn", 45.0)),
)


def test_the_ratio_is_of_medians_and_its_spread_is_round_by_round() -> None:
    ratio = summary(*ROUNDS).ratio("careful")

    assert ratio.median == pytest.approx(45.0 / 41.0)
    assert (ratio.least, ratio.most) == (pytest.approx(45.0 / 41.0), pytest.approx(60.0 / 50.0))


@pytest.mark.parametrize(("seconds", "verdict"), [(45.9, ": met"), (46.1, ": NOT met")])
def test_a_target_is_printed_beside_the_ratio_met_or_not(seconds: float, verdict: str) -> None:
    found = summary(run("careful", 40.0), run("keyturn", seconds))

    lines = page(found)
    header = next(number for number, text in enumerate(lines) if text.startswith("wall time against"))
    assert lines[header + 1].endswith(verdict)


def test_waiting_on_purpose_is_told_included_and_apart() -> None:
    found = summary(run("careful", 40.0), run("keyturn", 44.0))

    assert "44.0" in line(found, "keyturn ")
    assert "40.0" in line(found, "without Soak and Watch")


def test_one_refused_login_of_keyturn_misses_its_target() -> None:
    clean, dirty = summary(run("keyturn", 44.0)), summary(run("keyturn", 44.0), run("keyturn", 44.0, refused=1))

    assert line(clean, "keyturn's target is 0").endswith(": met")
    assert line(dirty, "keyturn's target is 0").endswith("NOT met")


def test_writes_are_compared_with_the_minimum_events_included_lease_apart() -> None:
    found = summary(run("keyturn", 44.0))

    spread, least = found.writes()

    assert (spread.median, least) == (26, 13)
    assert line(found, "2.00 times the minimum").endswith("NOT met")
    assert "16: 1.23 times" in line(found, "without Events")
    assert "lease 30" in line(found, "counted apart")


def test_a_few_megabytes_too_many_are_said() -> None:
    found = summary(run("keyturn", 44.0), memory={"operator": [90.0, 95.0, 99.0], "probe": [9.0, 10.5, 10.6]})

    assert line(found, "operator").endswith(": met")
    assert line(found, "probe").endswith("NOT met")


def test_the_page_fits_eighty_columns_with_large_numbers() -> None:
    large = [
        run(name, 1234.5, refused=12345, writes={f"{key} of everything": 1000 for key in WRITES})
        for name in ("naive", "careful", "keyturn")
    ]
    memory = {part: [1000.0] for part in ("operator", "injector", "probe")}
    found = Summary.of(Size(deployments=50, pods=100), large * 20, memory)

    assert max(len(text) for text in page(found)) <= 80


def test_scripts_alone_can_be_printed_too() -> None:
    found = summary(run("naive", 30.0, refused=40), run("careful", 40.0))

    assert not any("keyturn" in text for text in page(found))


def test_the_json_carries_every_run_as_it_was_measured() -> None:
    told = json.loads(json.dumps(summary(*ROUNDS).as_json()))

    assert [found["seconds"] for found in told["runs"] if found["contender"] == "naive"] == [30.0, 32.0, 90.0]
    assert told["writes"]["minimum"] == 13
    assert told["ratio"]["careful"]["median"] == pytest.approx(45.0 / 41.0)
