"""The probe's process as a whole: it starts, serves, and carries nothing that it does not need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

OPERATOR = str(Path(__file__).parents[3] / "operator")
# What each of these costs, resident: hashlib 3.5 MB, socket and selectors 1.5, json and re 1.2, typing 1, ctypes 0.5.
TOO_DEAR = {"hashlib", "socket", "selectors", "json", "re", "typing", "dataclasses", "collections", "ctypes", "asyncio"}


def python(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {OPERATOR!r})\n{code}"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environ,
        timeout=30,
    )


def test_it_imports_nothing_that_costs_a_megabyte() -> None:
    said = python("import keyturn_probe.main; print(*sys.modules)")
    assert said.returncode == 0, said.stderr
    assert not TOO_DEAR & set(said.stdout.split())


def test_nobody_can_look_into_it_once_it_has_hidden() -> None:
    said = python(
        "import os\nfrom keyturn_probe.main import hidden\n"
        "if os.getuid() == 0: os.setgid(12345); os.setuid(12345)\n"
        "before = hidden()\nprint(before, os.stat('/proc/self/environ').st_uid)"
    )
    assert said.stdout.split() == ["True", "0"], said.stderr


def test_a_spec_that_the_injector_did_not_write_is_refused_with_a_sentence() -> None:
    for environ in ({"KEYTURN_WATCH": "nonsense"}, {"KEYTURN_PORTS": "one"}):
        said = python("from keyturn_probe.main import main; main()", **environ)
        assert said.returncode == 1
        assert "inject again" in said.stderr


def test_it_serves_and_names_what_it_watches() -> None:
    watch = "plan 0123456789 orders-db\nenv app url URL"
    command = [sys.executable, "-I", "-S", "-c"]
    code = f"import sys; sys.path.insert(0, {OPERATOR!r})\nfrom keyturn_probe.main import main; main()"
    environ = os.environ | {"KEYTURN_WATCH": watch, "KEYTURN_PORTS": "0 0"}
    with subprocess.Popen([*command, code], stderr=subprocess.PIPE, text=True, env=environ) as probe:
        assert probe.stderr is not None
        lines = [probe.stderr.readline(), probe.stderr.readline(), probe.stderr.readline()]
        probe.terminate()
    assert "watching 1 places for 1 plans" in lines[0]
    assert "no rotation runs" in lines[2]
