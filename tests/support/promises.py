"""What must always hold, asked after every event of the simulated world, from what is really so and not from status.

I1 nobody is locked out, I2 nothing is lost, I3 order, I4 no leak, I5 bounded; and what people asked for is kept: a
freeze, a pause, their approval. That it ends (I6) and that a rollback is clean (I7) can only be said at the end:
``endings.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from keyturn.core.model import Idle
from keyturn.core.rotation import FINISHED
from keyturn.core.sealed import Sealed
from support.memory_backend import KEYTURN
from support.pods import KUBELET_LAG, Pod, Reading, parsed
from support.said import forms

if TYPE_CHECKING:
    from support.world import World

HEALED_WITHIN = 12  # steps of an undisturbed operator, until a lock-out that others caused is mended
LONGEST_LOOK = timedelta(seconds=15)  # at a slow API server; a longer gap between two looks is not quiet
ENTERED_JUST_NOW = timedelta(seconds=1)
CHANGES = frozenset({"ensure", "contain", "disable", "delete", "end-sessions", "write-secret", "restart", "touch"})


class Broken(AssertionError):
    """A promise was broken."""


@dataclass
class Quiet:
    """Since when a principal was seen idle, look by look, without a gap."""

    since: datetime | None = None
    last: datetime | None = None
    used: datetime | None = None  # when it was last seen in use


class Promises:
    """Watches one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.quiet: dict[str, Quiet] = {}
        self.step_began: datetime = world.clock.true
        self.last_look = world.clock.true  # the one that the end was decided on
        self.answered: set[str] = set()  # pods whose probe answered in this step
        self.asked_usage: set[str] = set()
        self.standing = ""  # what people held up when this step began
        self.agreed = True  # had enough people agreed when this step began?
        self.phase = ""
        self.soaked: datetime | None = None  # before people were asked
        self.cut_off = 0
        self.forms: frozenset[str] = frozenset()  # of every value that there is
        self.values = 0
        self.suspended = False  # a test breaks the world on purpose

    # ------------------------------------------------------------------------------------------- what it hears

    def step_begins(self) -> None:
        world = self.world
        self.step_began = world.clock.true
        self.answered.clear()
        self.asked_usage.clear()
        self.standing = "a freeze" if world.cluster.frozen_by else "a pause" if world.paused_by_people else ""
        self.agreed = bool(world.cluster.said_yes) or not world.approvals

    def usage_told(self, id_: str, idle: Idle) -> None:
        """The operator was told whether a principal is in use."""
        now, chain = self.world.clock.true, self.quiet.setdefault(id_, Quiet())
        self.asked_usage.add(id_)
        if idle is Idle.IN_USE:
            chain.since = chain.last = chain.used = now  # quiet at the earliest from here on
        elif idle is Idle.NOT_SEEN:
            longest = max(3 * self.world.sample + timedelta(1e-6), LONGEST_LOOK)
            if chain.since is None or chain.last is None or now - chain.last > longest:
                chain.since = now
            chain.last = now

    def login_refused(self, pod: Pod, id_: str, value: Sealed) -> None:
        """I1. Ours, unless somebody else closed the role, or gave the pod a value that was closed already."""
        if self.suspended:
            return
        role, words = self.world.backend.roles.get(id_), f"I1: {pod.name} is refused as {id_} in {self.world.phase}"
        known = [parsed_value for parsed_value in self.world.known_values if parsed_value == value]
        if role is None or not known or pod.uid in self.world.losses:
            return  # a value that neither Keyturn nor the plan's owner ever put anywhere
        if role.changed_by != KEYTURN and not role.retired:
            return
        plan = self.world.plan_status  # it remembers, should the Rotation be deleted
        cut_off = self.world.rotation_status.old_id or plan.current_id
        if "Containment" in (self.world.mode, plan.active_mode) and id_ == cut_off:
            self.cut_off += 1  # the price of that mode: refused until the pod has rolled
            return
        read = _read(pod, self.world)
        closed = role.changed_at if not role.enabled else None
        others = read is not None and read.writer not in ("keyturn", "kubectl")
        if closed is not None and others and read is not None and read.at >= closed:
            self._must_heal(pod, words)
            return
        raise Broken(words)

    def _must_heal(self, pod: Pod, words: str) -> None:
        if pod.refused_since is None:
            pod.refused_since = self.world.clock.true
            pod.refused_steps = 0
        if not self.world.disturbed and not self.world.rotation_status.paused:
            pod.refused_steps += 1
        followed = self.world.clock.true - self.world.cluster.secret_changed > 2 * KUBELET_LAG
        if followed and pod.refused_steps > HEALED_WITHIN and self.world.phase not in ("Delete", "Complete"):
            raise Broken(f"{words}, for good")

    def wrote(self, kind: str, about: str) -> None:
        """Right after a write of the operator."""
        if self.suspended:
            return
        if kind == "save-rotation":
            self._entered(self.world.phase)
            self.said(self.world.rotation_status.model_dump_json())
        elif kind == "save-plan":
            self.said(self.world.plan_status.model_dump_json())
        elif kind in CHANGES:
            self._people_are_heeded(kind, about)
        held = not self.world.issues or about in self.world.cluster.kept_ids  # else nobody ever knew its value
        if held and kind in ("disable", "delete") and (self.world.mode != "Containment" or kind == "delete"):
            self._safe_to_close(about, kind)
        self.check()

    def _entered(self, phase: str) -> None:
        """Disable and Delete are entered only after time that was really seen quiet."""
        if phase == self.phase:
            return
        self.phase, old = phase, self.world.rotation_status.old_id
        if phase in FINISHED:
            self.last_look = self.step_began
        entered = self.world.rotation_status.entered_at
        if entered is None or abs(self.world.clock.now() - entered) > ENTERED_JUST_NOW:
            return  # put there by a test, or another version
        since = self.quiet.get(old, Quiet()).since
        if phase in ("Approve", "Disable") and self.world.mode == "Graceful":
            self._soaked(old, since, phase)
        if phase == "Delete":
            self._quiet_for(old, self.world.watch, self._unmissed_since(old, since), f"I3: Delete entered, {old}")

    def _unmissed_since(self, id_: str, since: datetime | None) -> datetime | None:
        """Seen idle, closed, and without a correct login that was refused; if compromised, of a known consumer."""
        role, backend = self.world.backend.roles[id_], self.world.backend
        if role.changed_by != KEYTURN and role.changed_at is not None and role.changed_at > self.step_began:
            return since  # opened after the look: nobody can have seen it
        if since is None or role.enabled or role.changed_at is None:
            return None
        known = {pod.address for pod in self.world.cluster.fleet.pods()}
        counts = [a for a in backend.attempts if self.world.mode == "Graceful" or a.client_address in known]
        seen = [a.started for a in counts if a.principal == id_ and a.started and a.started <= self.step_began]
        return max([since, role.bites_at or role.changed_at, *seen])

    # ----------------------------------------------------------------------------------------------------- I3

    def _safe_to_close(self, id_: str, kind: str) -> None:
        """Nobody holds it who held it when the operator looked; every pod was asked; the backend showed it idle."""
        world, words = self.world, f"I3: {kind} of {id_} in {self.world.phase}"
        for pod in world.cluster.fleet.pods():
            read = _read(pod, world)
            if read is None or pod.crashed or read.at > self.step_began or pod.uid in world.losses:
                continue
            login = parsed(read.value)
            if login is not None and login[0] == id_:
                raise Broken(f"{words}, while {pod.name} holds it")
            asked = pod.uid in self.answered or world.overtaken  # whom a stopped leader asked is not known any more
            if pod.created <= self.step_began and not asked and world.asks_pods:
                raise Broken(f"{words}, and {pod.name} was not asked")
        secret = world.cluster.secret_data.get("url")
        held = parsed(secret) if secret is not None else None
        if held is not None and held[0] == id_ and world.cluster.secret_changed <= self.step_began:
            raise Broken(f"{words}, while the Secret holds it")
        if id_ not in self.asked_usage and not world.overtaken:
            raise Broken(f"{words}, and the backend was not asked who uses it")

    def _people_are_heeded(self, kind: str, about: str) -> None:
        """What was held up before the look began stays so, but for what cannot be undone; OLD goes only if agreed."""
        world, old = self.world, about == self.world.rotation_status.old_id
        if world.overtaken:
            return  # a stopped leader's late write: decided before people said anything
        unstoppable = world.phase in ("Enable", "Delete") and self.standing == "a pause"
        if self.standing and not unstoppable:
            raise Broken(f"people are not heeded: {kind} {about} in {world.phase}, in spite of {self.standing}")
        if kind in ("disable", "contain", "delete") and old and not self.agreed:
            raise Broken(f"people are not heeded: {kind} of {about} in {world.phase} without their approval")

    def _soaked(self, id_: str, since: datetime | None, phase: str) -> None:
        """Soak's time is completed once; while people are asked it need not be watched, but no look may show OLD."""
        chain = self.quiet.get(id_, Quiet())
        if phase == "Approve" or self.soaked is None or (chain.used or self.soaked) > self.soaked:
            self._quiet_for(id_, self.world.soak, since, f"I3: {phase} entered, {id_}")
        self.soaked = self.world.clock.true if phase == "Approve" else None

    def _quiet_for(self, id_: str, wanted: timedelta, since: datetime | None, words: str) -> None:
        chain = self.quiet.get(id_, Quiet())
        seen = chain.last - since if chain.last is not None and since is not None else timedelta()
        if seen < wanted:
            raise Broken(f"{words}, seen quiet for {seen.total_seconds():.0f} s of {wanted.total_seconds():.0f} s")

    # ------------------------------------------------------------------------------------------------- I2, I5, I4

    def check(self) -> None:
        """I2 and I5, cheap enough for every event."""
        if self.suspended:
            return
        enabled = {i: r for i, r in self.world.backend.roles.items() if r.enabled and not r.retired and r.declared}
        if len(enabled) > 2:
            raise Broken(f"I5: {sorted(enabled)} are enabled")
        escrow, plan = self.world.cluster.the_escrow, self.world.cluster.the_plan
        if plan is None or plan.deleting or plan.status.adopted_at is None:
            return
        pending = escrow.pending if escrow is not None else None
        for id_, role in enabled.items():
            if self.world.issues and (self.world.overtaken or (pending and id_ not in pending.before)):
                continue  # the answer is on its way, or lost: it is swept; or deleted by a leader that came too late
            if role.made_by == KEYTURN and (escrow is None or escrow.values.get(id_) != role.value):
                raise Broken(f"I2: {id_} is enabled and its value is not in escrow, in {self.world.phase}")

    def said(self, text: str) -> None:
        """I4: something that others can read."""
        if self.values != len(values := self.world.known_values):
            self.forms, self.values = forms(values), len(values)
        if any(form in text for form in self.forms):
            raise Broken("I4: a value stands where others can read it")


def _read(pod: Pod, world: World) -> Reading | None:
    workload = world.cluster.workloads.get(pod.consumer)
    return pod.mounted if workload is not None and workload.reload else pod.held
