"""hack/generate: what it writes is what the code says, and --check notices when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from keyturn.api.kinds import KINDS
from keyturn.core.model import Phase
from keyturn_dev.generate.__main__ import ROOT, main, stale
from keyturn_dev.generate.diagram import BEGIN, END, diagram, with_diagram


def test_the_files_of_this_project_are_up_to_date() -> None:
    assert [str(path.relative_to(ROOT)) for path in stale(ROOT)] == []


def test_writing_makes_the_check_pass_and_an_edit_by_hand_makes_it_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"], tmp_path) == 1
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    made = sorted((tmp_path / "crds").glob("*.yaml"))
    assert {yaml.safe_load(path.read_text())["spec"]["names"]["kind"] for path in made} == {k.name for k in KINDS}
    made[0].write_text("edited: true\n")
    capsys.readouterr()
    assert main(["--check"], tmp_path) == 1
    assert f"stale crds/{made[0].name}" in capsys.readouterr().out


def test_a_kind_that_is_gone_leaves_no_file_behind(tmp_path: Path) -> None:
    main([], tmp_path)
    leftover = tmp_path / "charts" / "keyturn" / "crds" / "keyturn.dev_gone.yaml"
    leftover.write_text("kind: Gone\n")
    assert main(["--check"], tmp_path) == 1
    assert main([], tmp_path) == 0
    assert not leftover.exists()


def test_the_diagram_knows_every_phase_and_leaves_the_rest_of_the_page_alone() -> None:
    page = f"before\n{BEGIN}\nold picture\n{END}\nafter\n"
    fresh = with_diagram(page)
    assert fresh.startswith("before\n")
    assert fresh.endswith(f"{END}\nafter\n")
    assert "old picture" not in fresh
    assert [phase for phase in Phase if phase not in diagram()] == []
    assert with_diagram(fresh) == fresh


def test_a_page_without_markers_is_left_alone() -> None:
    assert with_diagram("no picture here\n") == "no picture here\n"
