"""The command line as a person meets it: help, errors in one line, exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from keyturn.cli.app import app
from keyturn.cli.terminal import ASKED_WRONG, NOT_REACHED, explained
from keyturn.ports import Denied, Unavailable

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {}}]
contexts: [{name: here, context: {cluster: c, user: u, namespace: shop}}]
current-context: here
"""


def test_help_names_every_verb_at_eighty_columns() -> None:
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"})
    assert result.exit_code == 0
    for verb in (
        "status",
        "why",
        "rotate",
        "watch",
        "inject",
        "abort",
        "pause",
        "resume",
        "retry",
        "accept-loss",
        "freeze",
        "unfreeze",
    ):
        assert f"  {verb} " in result.output
    assert max(len(line) for line in result.output.splitlines()) <= 80


def test_an_unknown_verb_is_a_wrong_command_line() -> None:
    assert CliRunner().invoke(app, ["revoke"]).exit_code == 2


@pytest.mark.parametrize("flags", [[], ["--namespace", "shop"]])
def test_a_kubeconfig_that_is_not_there_is_one_line_with_the_way_out(tmp_path: Path, flags: list[str]) -> None:
    result = CliRunner().invoke(app, ["status", "--kubeconfig", str(tmp_path / "none"), *flags])
    assert result.exit_code == ASKED_WRONG
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert "kubeconfig" in result.stderr


@pytest.mark.parametrize("text", ["", "[]", "contexts: 3", "{", "kind: Config"])
def test_a_file_that_is_no_kubeconfig_is_one_line_too(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    result = CliRunner().invoke(app, ["status", "--kubeconfig", str(path)])
    assert result.exit_code == ASKED_WRONG
    assert result.stderr.startswith("error: cannot use kubeconfig")


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)
    result = CliRunner().invoke(app, ["status", "--kubeconfig", str(path), "--context", "elsewhere"])
    assert result.exit_code == ASKED_WRONG
    assert "elsewhere" in result.stderr


def test_words_for_the_operators_log_are_not_shown_to_a_person() -> None:
    denied = explained(Denied("Forbidden", "The operator may not create rotations"))
    away = explained(Unavailable("ApiServerUnreachable", "The API server cannot be reached; trying again."))
    assert "you may not" in denied
    assert "trying again" not in away
    assert NOT_REACHED != ASKED_WRONG
