"""The command line as a person meets it: help, errors in one line, exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner

from keyturn.cli.app import app
from keyturn.cli.session import Target
from keyturn.cli.terminal import ASKED_WRONG, NOT_REACHED, explained
from keyturn.ports import Forbidden, Misconfigured, Unavailable

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
        "export",
        "restore",
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


AS = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:%d"}}]
users: [{name: u, user: {token: t, %s}}]
contexts: [{name: here, context: {cluster: c, user: u, namespace: shop}}]
current-context: here
"""


async def test_it_acts_as_whom_the_kubeconfig_says_as_kubectl_does(tmp_path: Path) -> None:
    asked: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request)
        return web.json_response({"status": {"userInfo": {"username": "ann"}}}, status=201)

    app, path = web.Application(), tmp_path / "config"
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        path.write_text(AS % (server.port, "as: ann"))
        async with Target(kubeconfig=path).session() as session:
            await session.who()
    assert [request.headers["Impersonate-User"] for request in asked] == ["ann"]


async def test_groups_to_act_as_are_refused_rather_than_ignored(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(AS % (1, "as: ann, as-groups: [ops]"))
    with pytest.raises(Misconfigured, match="as-groups"):
        async with Target(kubeconfig=path).session():
            pass


def test_words_for_the_operators_log_are_not_shown_to_a_person() -> None:
    deed = "create rotations in namespace shop"
    denied = explained(Forbidden(f"The operator may not {deed}: grant it in the chart's RBAC values.", deed))
    away = explained(Unavailable("ApiServerUnreachable", "The API server cannot be reached; trying again."))
    assert denied.startswith("error: you may not create rotations in namespace shop; ")
    assert "chart" not in denied
    assert "trying again" not in away
    assert NOT_REACHED != ASKED_WRONG
