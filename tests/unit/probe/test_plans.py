"""What the injector wrote, read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyturn_probe import wire
from keyturn_probe.plans import plans_of

WATCH = "plan 0123456789 orders-db\nenv app url DATABASE_URL\nfile app url /etc/my%20db/url\nplan abcdef0123 other\n"


def test_plans_and_watches_are_read_in_order(tmp_path: Path) -> None:
    environ = {"KEYTURN_WATCH": WATCH, "KEYTURN_GENERATION_0123456789": "7"}
    first, second = plans_of(environ, str(tmp_path))
    assert (first.id, first.name, first.generation) == ("0123456789", "orders-db", 7)
    assert [(w.container, w.key, w.way, w.place) for w in first.watches] == [
        ("app", "url", "Env", "DATABASE_URL"),
        ("app", "url", "File", "/etc/my db/url"),
    ]
    assert (second.generation, second.watches) == (0, [])


def test_an_absent_or_odd_annotation_is_generation_nought(tmp_path: Path) -> None:
    for odd in ("", "x", "-1"):
        environ = {"KEYTURN_WATCH": WATCH, "KEYTURN_GENERATION_0123456789": odd}
        assert plans_of(environ, str(tmp_path))[0].generation == 0


@pytest.mark.parametrize("text", ["env app url X", "plan ../../etc x", "plan 01", "plan 01 x\nenv app", "plan 01 %zz"])
def test_what_the_injector_never_writes_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(wire.Malformed):
        plans_of({"KEYTURN_WATCH": text}, str(tmp_path))


def test_a_key_of_another_length_is_no_key(tmp_path: Path) -> None:
    (plan, _) = plans_of({"KEYTURN_WATCH": WATCH}, str(tmp_path))
    assert plan.key() is None
    (tmp_path / plan.id).mkdir()
    (tmp_path / plan.id / "key").write_bytes(b"short")
    assert plan.key() is None
    (tmp_path / plan.id / "key").write_bytes(b"k" * 32)
    assert plan.key() == b"k" * 32
