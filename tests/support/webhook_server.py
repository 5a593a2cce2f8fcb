"""The reference server of the docs as a process of its own, and what plays everybody else beside any such server."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

import yaml

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "webhook-server"
_SECONDS = 60  # until a program that hangs is given up


@dataclass(frozen=True)
class Bench:
    """A program that makes a system ready and logs in as holders do; see docs/providers/webhook.md for its verbs."""

    command: Sequence[str]

    def tell(self, verb: str) -> dict[str, Any]:
        """What it answers: nothing, or one JSON object."""
        done = subprocess.run((*self.command, verb), capture_output=True, text=True, check=True, timeout=_SECONDS)
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def admits(self, credential: dict[str, str]) -> bool:
        """Can its holder log in?"""
        done = subprocess.run(
            (*self.command, "admits"), input=json.dumps(credential), text=True, check=False, timeout=_SECONDS
        )
        if done.returncode not in (0, 1):
            raise RuntimeError(f"the bench ended with {done.returncode}")
        return done.returncode == 0

    @contextmanager
    def hold(self, credential: dict[str, str]) -> Generator[None]:
        """Its holder has a session open."""
        with subprocess.Popen(
            (*self.command, "hold"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdin is not None
            assert holder.stdout is not None
            holder.stdin.write(json.dumps(credential) + "\n")
            holder.stdin.flush()
            assert holder.stdout.readline(), "the bench was not let in"
            yield


class ReferenceServer:
    """Started as its README says, on free ports. ``program``: one of the tests' own that goes astray from it."""

    def __init__(self, program: Path = EXAMPLE / "server.py") -> None:
        self.home = Path(tempfile.mkdtemp(prefix="keyturn-webhook-"))
        words = (sys.executable, str(program), str(self.home), "--port", "0", "--door-port", "0")
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it says so once it serves
        self.url = f"https://localhost:{json.loads((self.home / 'ports.json').read_text())['https']}"
        self.bench = Bench((sys.executable, str(EXAMPLE / "bench.py"), str(self.home)))

    @property
    def admin(self) -> dict[str, str]:
        """The admin Secret that it made."""
        return admin_secret(self.home / "admin-secret.yaml")

    def stop(self) -> None:
        """Stop and leave nothing behind."""
        self._process.terminate()
        self._process.communicate(timeout=_SECONDS)
        rmtree(self.home, ignore_errors=True)


def admin_secret(file: Path) -> dict[str, str]:
    """Of a manifest with stringData."""
    return {name: str(value) for name, value in yaml.safe_load(file.read_text())["stringData"].items()}
