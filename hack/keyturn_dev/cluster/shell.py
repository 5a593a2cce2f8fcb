"""Runs other people's programs, says what is going on, and turns failures into a sentence with a way out.

Knows nothing about clusters. Every subprocess of the developer tools that is waited for starts here.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class Trouble(Exception):
    """Something the user can do something about.

    `hint` says what. The command line prints both and exits with 1; there is no traceback.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def say(message: str) -> None:
    """Tell the user what is going on, on standard error: standard output belongs to the answer."""
    print(message, file=sys.stderr, flush=True)


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 600,
) -> str:
    """Run a program to its end and return its standard output.

    Raises Trouble with the end of what the program said when it fails, is missing, or takes longer than
    `timeout` seconds.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            env={**os.environ, **env} if env else None,
            cwd=cwd,
            timeout=timeout,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise Trouble(f"{words[0]} is not installed", "Run hack/doctor: it says how to get it.") from None
    except subprocess.TimeoutExpired:
        raise Trouble(f"'{' '.join(words)}' did not end within {timeout:.0f} s") from None
    if done.returncode != 0:
        told = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise Trouble(f"'{' '.join(words)}' failed with exit code {done.returncode}:\n{told}")
    return done.stdout


def succeeds(argv: Sequence[str | Path], *, timeout: float = 30) -> bool:
    """Whether a program exists and ends with exit code 0 within `timeout` seconds."""
    try:
        run(argv, timeout=timeout)
    except Trouble:
        return False
    return True


def pause(seconds: float) -> None:
    """Let time pass between two looks at something outside this process that sends no signal."""
    select.select([], [], [], seconds)


def wait_until(condition: Callable[[], bool], *, timeout: float, every: float = 0.1) -> bool:
    """Look every `every` seconds until `condition` holds; False when `timeout` seconds went by without."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause(every)
    return True
