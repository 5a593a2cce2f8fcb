"""People, as Keyturn's own words ask for them: once the faults are over, they do what the blocker says, and no more.

A reason that is not listed here is one that nobody was asked about: a rotation that waits for it waits for ever, which
breaks the promise that it ends.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from keyturn.core.model import Existence
from support.agreement import BOB, approval

if TYPE_CHECKING:
    from support.world import World

PATIENCE = timedelta(seconds=90)  # from the first time a reason is read until somebody acts
QUICKLY = timedelta(seconds=15)  # who only has to agree


class People:
    """The one who is on call."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.reason, self.since = "", world.clock.true
        self.did: list[str] = []
        self.answers = dict(ANSWERS)

    def act(self) -> None:
        """Act on what has been asked for long enough. Nobody acts while something is still broken."""
        reason = self._asked()
        if reason != self.reason or self.world.disturbed:
            self.reason, self.since = reason, self.world.clock.true
            return
        patience = QUICKLY if self.answers.get(reason) is agree else PATIENCE
        if reason in self.answers and self.world.clock.true - self.since >= patience:
            self.did.append(reason)
            self.answers[reason](self.world)
            self.since = self.world.clock.true

    def _asked(self) -> str:
        status = self.world.rotation_status
        if status.paused is not None:
            return f"{status.paused.reason}, paused"
        if status.phase and not status.completed_at:
            return status.blocked_by
        ready = [c for c in self.world.plan_status.conditions if c.type == "Ready"]
        return ready[0].reason if ready and ready[0].status == "False" else ""


def agree(world: World) -> None:
    """``kubectl keyturn approve``, by somebody who had no hand in it."""
    asked = world.rotation_status.approval
    if asked is not None:
        said = approval(BOB, asked.digest)
        world.cluster.said_yes[said.key.name] = said


def accept_losses(world: World) -> None:
    """``kubectl keyturn accept-loss``, for every pod whose node is gone."""
    gone = [pod.uid for pod in world.cluster.fleet.pods() if pod.lost]
    world.cluster.edit_rotation("orders-1", accept_loss=sorted({*world.losses, *gone}))


def abort(world: World) -> None:
    world.abort()


def settle_the_secret(world: World) -> None:
    """Whoever kept writing it is stopped. Going on, people abort; where that is no way, they mend it: try again."""
    if world.rotation_status.turned_back is None and world.mode == "Graceful":
        world.abort()
        return
    put_the_secret_back(world)
    retry(world)


def retry(world: World) -> None:
    record = world.cluster.the_rotations["orders-1"]
    world.cluster.edit_rotation("orders-1", retry=record.spec.retry + 1)


def put_the_secret_back(world: World) -> None:
    """From Git, or from a copy: the credential that served before; the new one once that is gone for good."""
    new = world.backend.roles.get(world.comes)
    forward = world.mode != "Graceful" and new is not None and new.state() is Existence.ACTIVE
    gone = world.phase in ("Delete", "Complete")
    world.cluster.edit_secret(world.secret_of(world.comes if gone or forward else "orders_a"), "kubectl")


def remove_the_stranger(world: World) -> None:
    for id_ in [i for i, role in world.backend.roles.items() if not role.declared]:
        del world.backend.roles[id_]


def end_unknown_sessions(world: World) -> None:
    known = {pod.address for pod in world.cluster.fleet.pods() if not pod.lost}
    for port, session in list(world.backend.sessions.items()):
        if session.client_address not in known:
            world.backend.hang_up(port)


def free_the_unused_slot(world: World) -> None:
    current = world.plan_status.current_id
    for id_, role in world.backend.roles.items():
        if id_ != current and role.state() is Existence.ACTIVE:
            world.backend.switch(id_, enabled=False, who="somebody")


def open_the_current_one(world: World) -> None:
    """Whoever closed it opens it again; whoever wrote another into the Secret puts it back."""
    if world.cluster.secret_data != world.secret_before and not world.plan_status.active_rotation:
        put_the_secret_back(world)
    world.backend.switch(world.plan_status.current_id or "orders_a", enabled=True, who="somebody")


def heal_consumers(world: World) -> None:
    """Who looks why a pod is not ready sees it: its node is gone, its login is refused, or it holds a stray value."""
    open_the_current_one(world)
    end_pods_that_do_not_serve(world)


def resume_rollouts(world: World) -> None:
    for workload in world.cluster.workloads.values():
        workload.paused = False


def help_the_rollout(world: World) -> None:
    """Lost pods, and those that cannot get ready, are deleted; the Secret is what it was; then: try again."""
    end_pods_that_do_not_serve(world)
    resume_rollouts(world)
    if world.rotation_status.turned_back is not None:
        put_the_secret_back(world)
    retry(world)


def mend_and_retry(world: World) -> None:
    """Where it stopped and cannot go back: whatever is broken is mended, then: try again."""
    end_pods_that_do_not_serve(world)
    resume_rollouts(world)
    url = world.cluster.secret_data.get("url")
    if all(url != world.secret_of(id_)["url"] for id_ in ("orders_a", world.comes) if id_ in world.backend.roles):
        put_the_secret_back(world)
    retry(world)


def mend_replace_and_retry(world: World) -> None:
    """Where pods hold what nobody gave them: the Secret first, then those pods."""
    mend_and_retry(world)
    replace_those_behind(world)


def replace_those_behind(world: World) -> None:
    """``kubectl delete pod``, of those that hold another value than the Secret."""
    url = world.cluster.secret_data.get("url")
    for workload in world.cluster.workloads.values():
        for pod in workload.pods:
            read = pod.mounted if workload.reload else pod.held
            if read is not None and read.value != url and not pod.terminating:
                pod.leaving = 0


def end_lost_pods(world: World) -> None:
    """``kubectl delete pod --force`` of pods whose node is gone for good."""
    for pod in [p for p in world.cluster.fleet.pods() if p.lost]:
        world.cluster.fleet.end(pod)


def end_pods_that_do_not_serve(world: World) -> None:
    """``kubectl delete pod``, of those that cannot get ready; by force where their node is gone."""
    end_lost_pods(world)
    for pod in [p for p in world.cluster.fleet.pods() if not p.ready and not p.terminating]:
        pod.leaving = 0


ANSWERS: dict[str, Callable[[World], None]] = {
    "AwaitingApproval": agree,
    "SecretContested, paused": settle_the_secret,
    "RolloutDeadlineExceeded, paused": mend_and_retry,
    "ConsumerUnsettled, paused": mend_and_retry,
    "PodsHoldAnother, paused": mend_replace_and_retry,
    "PodsHoldAnother": replace_those_behind,
    "NewCredentialLacking, paused": mend_and_retry,
    "NewCredentialRefused, paused": mend_and_retry,
    "SecretForeign": put_the_secret_back,
    "SecretMissing": put_the_secret_back,
    "SecretDiffers": put_the_secret_back,
    "TemplateMismatch": put_the_secret_back,
    "PodHoldsOldCredential, paused": abort,
    "OldCredentialMissed, paused": abort,
    "SecretReverted, paused": abort,
    "StrangerInInventory": remove_the_stranger,
    "UnknownSession": end_unknown_sessions,
    "OldCredentialInUse": end_unknown_sessions,
    "CurrentCredentialDoesNotWork": open_the_current_one,
    "ConsumerRolling": heal_consumers,
    "ConsumerUnhealthy": heal_consumers,
    "NoFreeSlot": free_the_unused_slot,
    "ConsumerPaused": resume_rollouts,
    "PodsUnproven": end_lost_pods,
    "RolloutInProgress": end_lost_pods,
    "RolloutDeadlineExceeded": help_the_rollout,
    "ConsumerUnsettled": help_the_rollout,
}
