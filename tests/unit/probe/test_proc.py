"""What the kernel shows of a pod."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keyturn_probe import wire
from keyturn_probe.proc import Proc, Process, Unreadable
from support.pod_inside import BOOT, POD, Tree


def test_a_process_belongs_to_the_container_whose_termination_log_it_has(tree: Tree) -> None:
    tree.add(7, "app", started=5)
    (process,) = tree.proc.processes()
    assert (process.container, process.started) == ("app", BOOT + 5)


def test_a_process_of_another_pod_or_without_a_mark_belongs_nowhere(tree: Tree) -> None:
    tree.add(7, "app", pod="someone-else")
    tree.add(8, "")
    assert [process.container for process in tree.proc.processes()] == ["", ""]


def test_two_different_marks_are_no_attribution(tree: Tree) -> None:
    home = tree.add(7, "app")
    with (home / "mountinfo").open("a") as info:
        info.write(f"5 2 0:1 /pods/{POD}/containers/other/ff /tmp/x rw - ext4 /dev/vda rw\n")
    assert [process.container for process in tree.proc.processes()] == [""]


def test_zombies_and_the_probe_itself_are_left_out(tree: Tree) -> None:
    tree.add(7, state="Z")
    tree.add(999)
    assert tree.proc.processes() == []


def test_an_environment_block_is_read_name_by_name(tree: Tree) -> None:
    tree.add(7, env={"URL": "a=b", "EMPTY": ""})
    (process,) = tree.proc.processes()
    assert tree.proc.environment(process) == ([("URL", b"a=b"), ("EMPTY", b"")], True)


@pytest.mark.parametrize("block", [b"nginx: worker process", b"\0\0\0\0", b"itle\0URL=x\0", b"URL=x"])
def test_a_block_that_the_process_wrote_over_is_not_whole(tree: Tree, block: bytes) -> None:
    tree.add(7, env=block)
    (process,) = tree.proc.processes()
    assert tree.proc.environment(process)[1] is False


def test_an_empty_environment_is_whole(tree: Tree) -> None:
    tree.add(7, env=b"")
    (process,) = tree.proc.processes()
    assert tree.proc.environment(process) == ([], True)


def test_a_mounted_file_appeared_when_its_version_was_swapped_in(tree: Tree) -> None:
    tree.add(7)
    tree.mount(7, "/etc/db", {"url": "v"}, at=50)
    (process,) = tree.proc.processes()
    assert tree.proc.file(process, "/etc/db/url") == (b"v", BOOT + 50)


def test_a_file_through_an_absolute_link_stays_inside_the_container(tree: Tree) -> None:
    home = tree.add(7)
    tree.mount(7, "/run/secrets", {"url": "inside"}, at=50)
    (home / "root" / "var").mkdir()
    (home / "root" / "var" / "run").symlink_to("/run")
    (process,) = tree.proc.processes()
    assert tree.proc.file(process, "/var/run/secrets/url")[0] == b"inside"


def test_a_link_cannot_lead_out_of_the_container(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("x")
    home = tree.add(7)
    (home / "root" / "up").symlink_to("../../../../../outside")
    (home / "root" / "loop").symlink_to("loop")
    (process,) = tree.proc.processes()
    for path in ("/up", "/loop", "/nowhere", "/"):
        with pytest.raises(Unreadable) as unreadable:
            tree.proc.file(process, path)
        assert unreadable.value.code == wire.MISSING


def test_a_pipe_in_place_of_the_file_does_not_hang_the_probe(tree: Tree) -> None:
    home = tree.add(7)
    os.mkfifo(home / "root" / "pipe")
    (process,) = tree.proc.processes()
    with pytest.raises(Unreadable):
        tree.proc.file(process, "/pipe")


def test_a_file_beyond_a_secrets_size_is_not_read(tree: Tree) -> None:
    home = tree.add(7)
    (home / "root" / "big").write_bytes(b"x" * (1024 * 1024 + 1))
    (process,) = tree.proc.processes()
    with pytest.raises(Unreadable) as unreadable:
        tree.proc.file(process, "/big")
    assert unreadable.value.code == wire.TOO_LARGE


def test_only_established_connections_are_listed(tree: Tree) -> None:
    head = "  sl  local_address rem_address   st tx_queue\n"
    if sys.byteorder == "big":  # the kernel writes words in the machine's order
        pytest.fail("write these lines for a big-endian machine")
    (tree.root / "net" / "tcp").write_text(
        head + "   0: 0100007F:1538 0200000A:0050 01 0:0\n   1: 0100007F:1539 0200000A:0050 06 0:0\n"
    )
    mapped = "0000000000000000FFFF00000500000A"
    (tree.root / "net" / "tcp6").write_text(
        head + f"   0: {mapped}:C350 {mapped}:1538 01 0:0\n   1: {'0' * 24}01000000:0001 {'0' * 32}:0000 0A 0:0\n"
    )
    assert list(tree.proc.connections()) == [
        ("127.0.0.1", 5432, "10.0.0.2", 80),
        ("10.0.0.5", 50000, "10.0.0.5", 5432),
    ]


def real() -> Proc:
    def boot() -> float:
        return time.clock_gettime(time.CLOCK_REALTIME) - time.clock_gettime(time.CLOCK_BOOTTIME)

    return Proc("/proc", POD, boot, os.sysconf("SC_CLK_TCK"), str(os.getpid()))


def test_a_real_process_shows_its_environment_and_its_start() -> None:
    before = time.clock_gettime(time.CLOCK_REALTIME)
    with subprocess.Popen(["sleep", "60"], env={"URL": "value"}) as child:
        try:
            process = next(one for one in real().processes() if one.pid == str(child.pid))
            # Popen returns after exec succeeded: the block is the new program's.
            assert real().environment(process) == ([("URL", b"value")], True)
            assert before - 0.02 <= process.started <= time.clock_gettime(time.CLOCK_REALTIME)
            assert real().still(process)
        finally:
            child.kill()
    assert not real().still(process)


def test_a_real_process_shows_the_file_that_it_sees(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("v")
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            process = Process(str(child.pid), "app", 0.0)
            value, appeared = real().file(process, str(tmp_path / "url"))
            assert (value, appeared) == (b"v", (tmp_path / "url").stat().st_mtime)
        finally:
            child.kill()


def test_a_real_process_of_another_user_is_denied_and_its_owner_named() -> None:
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from keyturn_probe.proc import Proc, Process, Unreadable\n"
        "os.setgid(12345); os.setuid(12345)\n"
        "try: Proc('/proc', '', float, 100, '').environment(Process(sys.argv[2], '', 0.0))\n"
        "except Unreadable as no: print(no.code, no.detail)\n"
    )
    if os.getuid() != 0:
        script = script.replace("os.setgid(12345); os.setuid(12345)", "")
    target = str(os.getpid()) if os.getuid() == 0 else "1"
    operator = str(Path(__file__).parents[3] / "operator")
    said = subprocess.run([sys.executable, "-c", script, operator, target], capture_output=True, text=True, check=True)
    assert said.stdout.split() == [wire.DENIED, "0:0"]
