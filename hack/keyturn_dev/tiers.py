"""hack/test: runs the tiers of tests, and does all the set-up they need.

    hack/test                    every tier
    hack/test unit world         these tiers
    hack/test incidents          the incidents that Keyturn exists for, played again
    hack/test contract -k redis  what follows the tiers goes to pytest
    hack/test contract --webhook URL --webhook-secret FILE --webhook-bench COMMAND
                                 the contract over a server of your own, and nothing else (docs/providers/webhook.md)
    hack/test contract --mysql PROGRAM
                                 MySQL's tests on servers of this mysqld, and nothing else (docs/providers/mysql.md)
    hack/test faults --all       everything there is, instead of a sample
    hack/test world --all        all there is of the simulated world, within twenty minutes
    hack/test world --replay 'rotation: backend down@Roll+2'   one of them; seed:17 is a random one
    hack/test mutants            seeded bugs: how many does the simulated world notice?
    hack/test endurance          ten rotations on the real cluster while the leader is killed, frozen or stopped

Servers and clusters that a tier starts are its own and are stopped again. What needs no cluster runs beside
the rest, in a process of its own, and is told when that is done.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from keyturn_dev.demo.parts import PARTS
from keyturn_dev.servers import need_servers

ROOT = Path(__file__).resolve().parents[2]
TIERS = {
    "unit": ("tests/unit", "tests/golden"),
    "world": ("tests/world",),
    "incidents": ("tests/incidents",),
    "contract": ("tests/contract",),
    "integration": ("tests/integration",),
    "faults": ("tests/faults",),
    "e2e": ("tests/e2e",),
}
NEED_NO_CLUSTER = ("unit", "world", "incidents", "contract")
ON_A_CLUSTER = tuple(f"tests/contract/test_cluster_port{part}.py" for part in ("", "_rotators", "_workloads"))
OWN_RUNNERS = {name: f"keyturn_dev.{name}" for name in ("mutants", "endurance")}  # not part of a plain hack/test
SWEPT = tuple(  # a quick part of the sweep, for runs without it
    f"--deselect=tests/world/test_schedules.py::test_{name}"
    for name in (
        "a_crash_or_a_lost_answer_at_every_write_changes_nothing_in_the_outcome",
        "any_one_fault_ends_well_and_every_promise_holds",
    )
)
OVER_A_NAMED_SERVER = {
    "--webhook": tuple(sorted(str(one) for one in (ROOT / "tests" / "contract").glob("test_provider_contract*.py"))),
    "--mysql": ("tests/contract", "-m", "mysql"),
}
PYTEST = (sys.executable, "-m", "pytest")
GIVES_WAY = ("nice", "-n", "10")  # what runs beside has time until the end, and takes what the others leave
os.environ["KEYTURN_CLUSTER"] = "keyturn-test"
IMAGES = {"integration": ("probe", "demo"), "e2e": ("operator", "probe", "demo", *PARTS)}
NOT_TRIED = (
    "MySQL, unless a server's program is named: hack/test contract --mysql PROGRAM (docs/providers/mysql.md)",
    "the kind driver beyond its configuration: no Docker engine where this suite was written",
    "enforcement of NetworkPolicies: the local cluster's bridge network enforces none",
    "user ids from status.containerStatuses[].user.linux: containerd 1.6 does not report them",
)


def main() -> int:
    """The worst exit status of the tiers."""
    words = sys.argv[1:]
    if words and words[0] in OWN_RUNNERS:
        return subprocess.run(
            (sys.executable, "-m", OWN_RUNNERS[words[0]], *words[1:]), cwd=ROOT, check=False
        ).returncode
    if words[:2] == ["world", "--replay"]:
        return sweep(words[1:])
    if over := named_server(words):
        return over_a_named_server([*over, *(w for w in words if w != "contract")])
    named = [w for w in words if w in TIERS]
    rest = [w for w in words if w not in TIERS]
    tiers = named or list(TIERS)
    if {"incidents", "contract", "integration"} & set(tiers):
        need_servers()
    clustered = bool({"contract", "integration", "faults", "e2e"} & set(tiers))
    began = time.monotonic()
    print(f"keyturn: testing {', '.join(tiers)}", flush=True)
    swept = tiers == ["world"] and set(rest) <= {"--all"}
    words = SWEPT if swept else tuple(rest)
    beside, after = parted(tiers) if not rest else ([], paths_of(tiers))
    try:
        with told_later(beside) as other:
            if clustered:
                cluster("up")
            with images_meanwhile(tiers):
                status = subprocess.run((*PYTEST, *after, *words), cwd=ROOT, check=False).returncode
        status = next((one for one in (status, *other) if one), 0)
        if swept:
            status = sweep(rest) or status
    finally:
        if clustered:
            cluster("down")
    print(f"keyturn: {time.monotonic() - began:.0f} s; not tried on this machine:")
    for reason in NOT_TRIED:
        print(f"  - {reason}")
    return status


def paths_of(tiers: Sequence[str]) -> list[str]:
    """Where their tests stand."""
    return [path for tier in tiers for path in TIERS[tier] if (ROOT / path).exists()]


def parted(tiers: Sequence[str]) -> tuple[list[str], list[str]]:
    """What pytest is told, of those that need no cluster and of the others; all in one if that is all there is."""
    alone = [tier for tier in tiers if tier in NEED_NO_CLUSTER]
    others = [tier for tier in tiers if tier not in NEED_NO_CLUSTER]
    if not alone or not others:
        return [], paths_of(tiers)
    shared = ON_A_CLUSTER if "contract" in alone else ()
    return [*paths_of(alone), *(f"--ignore={path}" for path in shared)], [*shared, *paths_of(others)]


@contextmanager
def told_later(words: Sequence[str]) -> Generator[list[int]]:
    """Run these tests meanwhile; at the end, print what they said and leave their exit status in the list."""
    statuses: list[int] = []
    if not words:
        yield statuses
        return
    with tempfile.TemporaryFile("w+") as said:
        beside = subprocess.Popen((*GIVES_WAY, *PYTEST, *words), cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
        try:
            yield statuses
            statuses.append(beside.wait())
        finally:
            beside.terminate()
            beside.wait()
            said.seek(0)
            print(said.read(), flush=True)


@contextmanager
def images_meanwhile(tiers: Sequence[str]) -> Generator[None]:
    """Build and load what these tiers need beside the tests that need none; those that do wait for it."""
    wanted = dict.fromkeys(image for tier in tiers for image in IMAGES.get(tier, ()))
    if not wanted:
        yield
        return
    loading = subprocess.Popen((sys.executable, "-m", "keyturn_dev.cluster", "load", *wanted), cwd=ROOT)
    try:
        yield
    finally:
        loading.wait()  # whether it went well, the tests have told


def named_server(words: Sequence[str]) -> tuple[str, ...]:
    """What runs over the server that the command line names; nothing if it names none."""
    options = {word.partition("=")[0] for word in words}
    return next((tests for option, tests in OVER_A_NAMED_SERVER.items() if option in options), ())


def over_a_named_server(words: Sequence[str]) -> int:
    """It needs no cluster and no other server."""
    return subprocess.run((*PYTEST, *words), cwd=ROOT, check=False).returncode


def sweep(words: list[str]) -> int:
    """Schedules of the simulated world by the thousand, in two processes."""
    paths = os.pathsep.join(str(ROOT / name) for name in ("operator", "tests"))
    command = (sys.executable, "-m", "support.sweep", *words)
    return subprocess.run(command, cwd=ROOT, check=False, env={**os.environ, "PYTHONPATH": paths}).returncode


def cluster(verb: str) -> None:
    """The suite's own cluster, beside whatever cluster the user has up; its binaries are built with progress shown."""
    subprocess.run((sys.executable, "-m", "keyturn_dev.cluster", verb), cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
