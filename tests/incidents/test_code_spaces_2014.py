"""Code Spaces, June 2014: an attacker holds the admin credential, has made logins of his own, and waits to be noticed.

The story is played in the simulated world, with the real operator and the real verbs. What is seen here is quoted in
docs/incidents/code-spaces-2014.md. The same with a real server: test_code_spaces_2014_servers.py.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from keyturn.api.kinds import PlanStatus, RotationSpec
from keyturn.cli.approve import approve, question
from keyturn.cli.export import export, write
from keyturn.cli.exported import from_content
from keyturn.cli.restore import restore
from keyturn.cli.sealed_file import content_of, identity_of, recipient_of, unseal
from keyturn.cli.status import status
from keyturn.cli.views.exported import restored_page, written_page
from keyturn.cli.views.plain import plain
from keyturn.cli.views.question import question_page
from keyturn.cli.why import why
from keyturn.core.sealed import Sealed
from support.agreement import ANN, BOB
from support.canaries import leaks
from support.consent import AskingWorld
from support.incident_page import is_shown
from support.memory_backend import Role
from support.sealing import Offline, offline
from support.world_api import WorldApi

T = TypeVar("T")
PAGE = "code-spaces-2014.md"
ENOUGH = 400
ATTACKER = "10.9.9.9"
HIS = {"metrics_ro": Sealed("a-value-that-he-has-chosen-1"), "backup_tmp": Sealed("a-value-that-he-has-chosen-2")}
ORDERS = Sealed("the-old-value-of-orders")


class Story(AskingWorld):
    """An adopted plan, and then: he holds orders_a's value, and has made two logins that reach the same data."""

    def break_in(self) -> None:
        for id_, value in HIS.items():
            self.backend.roles[id_] = Role(value, declared=False)

    def his_logins(self) -> dict[str, bool]:
        """With which of the values he knows can he log in right now?"""
        known = {"orders_a": ORDERS, **HIS}
        return {id_: self.backend.login(id_, value, ATTACKER) is not None for id_, value in known.items()}

    def ask_for(self, mode: str, name: str = "orders-1") -> None:
        wish = {"planRef": {"name": "orders"}, "mode": mode, "requestedBy": ANN, "reason": "IncidentSeven"}
        self.cluster.add_rotation("shop", name, RotationSpec.model_validate(wish))

    def terminal(self, me: str = ANN) -> WorldApi:
        return WorldApi(self, me)

    def do(self, verb: Coroutine[Any, Any, T]) -> T:
        """A verb at the terminal: nothing of the world moves meanwhile."""
        try:
            verb.send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError("the verb waited for something that is not in this world")

    def see(self, name: str) -> str:
        """``kubectl keyturn why NAME``."""
        return plain(self.do(why(self.terminal().session, self.clock, name)))

    def approve(self, *strangers: str) -> str:
        """``kubectl keyturn approve orders-1 --stranger ...``, by Bob; what he was shown."""
        session = self.terminal(BOB).session
        asked = self.do(question(session, "orders-1", strangers))
        self.do(approve(session, asked, "incident 7"))
        return plain(question_page(asked, self.clock.now()))


@pytest.fixture
def story() -> Story:
    world = Story()
    world.run(8)
    assert world.plan_status.current_id == "orders_a"
    world.break_in()
    return world


def contained(world: Story, *strangers: str) -> str:
    """Containment, approved with these strangers; to its end. What the approver was shown."""
    world.ask_for("Containment")
    world.run(ENOUGH, until=lambda w: w.phase == "Approve")
    world.run(1)
    shown = world.approve(*strangers)
    world.run(ENOUGH)
    return shown


def test_logins_that_nobody_declared_are_reported_while_nothing_runs(story: Story) -> None:
    story.run(ENOUGH, until=lambda w: bool(w.plan_status.drift))
    assert {line.reason for line in story.plan_status.drift} == {"StrangerInInventory"}
    page = story.see("orders")
    for id_ in HIS:
        assert f"{id_} can reach the data of this plan's owner and nobody declared it" in " ".join(page.split())
    is_shown(PAGE, "kubectl keyturn why orders", page)


def test_the_ordinary_rotation_changes_nothing_and_names_them(story: Story) -> None:
    story.ask_for("Graceful")
    story.run(40)
    assert story.phase == "Preflight"
    assert story.rotation_status.blocked_by == "StrangerInInventory"
    assert set(story.backend.roles) == {"orders_a", *HIS}
    assert all(story.his_logins().values())
    is_shown(PAGE, "kubectl keyturn why orders-1", story.see("orders-1"))


def test_containment_shuts_him_out_before_anything_else_and_rotates_on(story: Story) -> None:
    story.run(ENOUGH, until=lambda w: bool(w.plan_status.drift))
    assert all(story.his_logins().values())
    shown = contained(story, *HIS)
    assert story.phase == "Complete"
    assert not any(story.his_logins().values())
    assert not [s for s in story.backend.sessions.values() if s.client_address == ATTACKER]
    writes = story.board.writes
    assert writes.index("contain") < writes.index("write-secret") < writes.index("restart")
    assert "enable" not in writes
    assert story.plan_status.current_id == "orders_b"
    is_shown(PAGE, "kubectl keyturn approve orders-1", shown)
    after = plain(story.do(status(story.terminal().session, story.clock, "orders", everywhere=False)))
    is_shown(PAGE, "kubectl keyturn status orders", after)


def test_until_somebody_agrees_nothing_is_cut_off(story: Story) -> None:
    story.ask_for("Containment")
    story.run(40)
    assert story.phase == "Approve"
    assert all(story.his_logins().values())
    assert "contain" not in story.board.writes


def test_who_was_not_named_keeps_his_login_and_is_reported_on(story: Story) -> None:
    contained(story, "metrics_ro")
    assert story.phase == "Complete"
    assert story.his_logins() == {"orders_a": False, "metrics_ro": False, "backup_tmp": True}
    story.run(ENOUGH, until=lambda w: bool(w.plan_status.drift))
    assert "backup_tmp" in story.see("orders")


def test_it_holds_though_he_holds_on(story: Story) -> None:
    """He stays connected under all three, and changes the old password when he notices."""
    assert all(story.his_logins().values())
    story.ask_for("Containment")
    story.run(ENOUGH, until=lambda w: w.phase == "Approve")
    story.backend.roles["orders_a"].value = HIS["metrics_ro"]
    story.run(1)
    story.approve(*HIS)
    story.run(ENOUGH)
    assert story.phase == "Complete"
    assert story.backend.login("orders_a", HIS["metrics_ro"], ATTACKER) is None
    assert not [s for s in story.backend.sessions.values() if s.client_address == ATTACKER]


# ------------------------------------------------------------------------- and if the cluster was deleted, backups too


@pytest.fixture
def keys(tmp_path: Path) -> Offline:
    return offline(tmp_path)


def saved(world: Story, keys: Offline) -> tuple[Path, str]:
    """``kubectl keyturn export orders``: the file, and what was shown."""
    found = world.do(export(world.terminal().session, world.clock, "orders", ""))
    written = write(found, recipient_of(keys.recipient), keys.recipient.parent / "orders.sealed")
    shown = plain(written_page(replace(written, path=Path(written.path.name), digest=64 * "0")))
    return written.path, shown.replace(64 * "0", f"{6 * '0'}... (64 digits, another each time)")


def empty_cluster(world: Story) -> Story:
    """The backend is what it was; of the cluster nothing is left but a namespace and workloads that wait."""
    anew = Story()
    anew.backend.roles = world.backend.roles
    anew.clock.true = world.clock.true
    anew.cluster.delete_secret()
    for workload in anew.cluster.workloads.values():
        workload.pods.clear()
    anew.backend.sessions.clear()
    assert anew.cluster.the_plan is not None
    anew.cluster.the_plan = replace(anew.cluster.the_plan, uid="uid-of-the-plan-made-anew", status=PlanStatus())
    return anew


def restored(anew: Story, file: Path, keys: Offline) -> str:
    """``kubectl keyturn restore``: what was shown."""
    found = from_content(unseal(content_of(file), identity_of(keys.identity, lambda: "")))
    return plain(restored_page(found, anew.do(restore(anew.terminal().session, found, {}))))


def test_what_was_sealed_offline_brings_the_plan_back_on_an_empty_cluster(story: Story, keys: Offline) -> None:
    contained(story, *HIS)
    file, shown = saved(story, keys)
    is_shown(PAGE, "kubectl keyturn export orders", shown)
    secret = dict(story.cluster.secret_data)
    anew = empty_cluster(story)
    anew.run(20)
    assert anew.plan_status.current_id == ""  # nothing to adopt
    is_shown(PAGE, "kubectl keyturn restore orders.sealed", restored(anew, file, keys))
    assert anew.cluster.secret_data == {"url": secret["url"]}
    anew.run(ENOUGH, until=lambda w: bool(w.plan_status.current_id))
    anew.run(5)
    assert anew.plan_status.current_id == "orders_b"
    assert {s.principal for s in anew.backend.sessions.values() if not s.ours} == {"orders_b"}  # consumers are back
    assert anew.cluster.the_escrow is not None
    assert anew.cluster.the_escrow.values["orders_b"] == story.backend.roles["orders_b"].value


def test_who_reads_the_sealed_file_has_nothing(story: Story, keys: Offline) -> None:
    file, shown = saved(story, keys)
    content = file.read_bytes()
    told = [shown, content.decode("latin-1"), content.hex(), repr(content)]
    assert leaks(told, [ORDERS.reveal_text()]) == []
    assert leaks(told[1:], ["orders_a", "rotationplan", "postgresql"]) == []


def test_a_secret_that_he_has_put_there_is_not_taken_for_ours(story: Story, keys: Offline) -> None:
    file, _ = saved(story, keys)
    anew = empty_cluster(story)
    anew.cluster.edit_secret({"url": Sealed("postgresql://metrics_ro:his@evil.example.com:5432/shop")}, "kubectl")
    shown = restored(anew, file, keys)
    assert "REFUSED: it exists and holds something else" in " ".join(shown.split())
    assert anew.cluster.secret_data["url"] == Sealed("postgresql://metrics_ro:his@evil.example.com:5432/shop")
    anew.run(20)
    assert anew.plan_status.current_id == ""  # and what he has put there is adopted by nobody


def test_without_him_the_same_plan_rotates() -> None:
    """What blocks above is he, and nothing else."""
    world = Story()
    world.ask_for("Graceful")
    world.run(ENOUGH, until=lambda w: w.phase == "Approve")
    world.run(1)
    world.approve()
    world.run(ENOUGH)
    assert world.phase == "Complete"
