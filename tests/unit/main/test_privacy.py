"""The operator's and the injector's memory is nobody else's: seen from outside, on a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what Linux tells of a process")

PROGRAM = """
    import ctypes, os, resource
    from keyturn.main.privacy import close_to_others
    if os.getuid() == 0:
        os.setgid(65534); os.setuid(65534)  # as in the image
    close_to_others()
    memory = os.memfd_create("authority")
    os.write(memory, b"readable")
    print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
          open(f"/proc/self/fd/{memory}").read())
"""


def test_there_is_no_core_dump_nobody_attaches_and_its_own_files_stay_readable() -> None:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(PROGRAM)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(0, 0) 0 readable"


@pytest.mark.parametrize("process", ["operator", "injector"])
def test_both_processes_close_themselves_before_anything_else(process: str) -> None:
    program = """
        import resource, sys
        from keyturn import main
        def ends(*_):
            print(resource.getrlimit(resource.RLIMIT_CORE))
            raise SystemExit(0)
        main.log.configure = ends
        sys.argv = ["keyturn", *sys.argv[1:]]
        main.main()
    """
    arguments = {"operator": ["--operator-namespace", "k"], "injector": ["--probe-image", "p"]}[process]
    run = [sys.executable, "-c", textwrap.dedent(program), process, *arguments]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(0, 0)"
