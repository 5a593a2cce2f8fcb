"""What every released version left in a cluster, in every phase, is read by the present code and brought to its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keyturn.core.model import Phase
from keyturn_probe.plans import Accepted
from support.stored_state import FIXTURES, SCENARIOS, brought_to_its_end, moments, put, read, stood, stored, write
from support.world import OLD_URL

VERSIONS = sorted(folder.name for folder in FIXTURES.iterdir())
FILES = sorted(FIXTURES.glob("*/*.json"))
NEVER_AT_REST = {  # phases that one look always passes together with the one before or after
    Phase.CONFIRM,
    Phase.REFUSED,
}


def content(path: Path) -> Any:
    return json.loads(path.read_text())


def test_the_first_version_is_among_them_with_every_phase_that_is_ever_stored() -> None:
    assert "v0.1" in VERSIONS
    phases = {content(path)["rotation"]["status"].get("phase", "") for path in FILES}
    assert phases >= {str(phase) for phase in Phase if phase not in NEVER_AT_REST}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_it_is_read_completely_and_goes_on_to_its_end(path: Path) -> None:
    scenario, _, name = path.stem.partition(".")
    what = read(content(path))
    assert what.plan.invalid is None
    world = stood(scenario, moments(scenario)[name])
    put(world, what)

    brought_to_its_end(world, name)

    goes_back = scenario in ("backward", "paused", "asked")
    assert world.phase == ("RolledBack" if goes_back else "Complete"), world.phases
    current = "orders_a" if goes_back else "orders_b"
    assert world.plan_status.current_id == current
    assert world.cluster.the_escrow is not None
    assert set(world.cluster.the_escrow.values) == {current}
    assert (world.cluster.secret_data["url"] == OLD_URL) is goes_back
    writes = len(world.board.writes)
    world.run(5)
    assert world.board.writes[writes:] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_nothing_of_it_is_lost_when_it_is_written_back(path: Path) -> None:
    scenario, _, name = path.stem.partition(".")
    before = content(path)
    world = stood(scenario, moments(scenario)[name])
    put(world, read(before))
    after = stored(world)
    for kind in ("plan", "rotation"):
        for part in ("spec", "status"):
            assert covers(after[kind].get(part, {}), before[kind].get(part, {})), (kind, part)
    assert after.get("escrow", {}).get("data") == before.get("escrow", {}).get("data")


def covers(after: Any, before: Any) -> bool:
    """Everything of before is in after; a newer version may know more."""
    if isinstance(before, dict):
        return all(key in after and covers(after[key], value) for key, value in before.items())
    if isinstance(before, list):
        return len(after) == len(before) and all(covers(a, b) for a, b in zip(after, before, strict=True))
    return after == before


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_present_probe_understands_what_a_former_operator_told_it(path: Path) -> None:
    probe = read(content(path)).probe
    assert len(probe["key"]) == 32
    if "accept" in probe:
        assert Accepted(probe["accept"].decode())


def test_the_fixtures_of_a_released_version_are_never_written_again() -> None:
    with pytest.raises(FileExistsError):
        write("v0.1")


def test_a_version_that_cannot_read_them_would_fail() -> None:
    found = content(FILES[0])
    found["rotation"]["status"]["clock"] = "not what it was"
    with pytest.raises(Exception, match="RotationUnreadable"):
        read(found)


def test_all_scenarios_are_written() -> None:
    assert {path.stem.partition(".")[0] for path in FILES} == set(SCENARIOS)
