"""``approve``: exactly what one person is asked to agree to. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from keyturn.api.base import format_duration
from keyturn.cli.views.spans import ago, span
from keyturn.core.model import Mode, Phase

if TYPE_CHECKING:
    from keyturn.cli.approve import Question

_INDENT = (0, 0, 0, 2)


def question_page(asked: Question, now: datetime) -> RenderableType:
    """What, for whom, proved how, asked by whom, and what happens next."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in _facts(asked, now):
        facts.add_row(f"  {name}", value)
    return Group(
        Text(f"{asked.record.key.name}: may {asked.record.status.old_id} go?", style="bold"),
        Text(),
        facts,
        Text(),
        Text("What happens next"),
        Padding(Text(_next(asked)), _INDENT),
        Text(),
        Text(f"You are {asked.me}, and will be on record."),
    )


def _facts(asked: Question, now: datetime) -> Iterator[tuple[str, str]]:
    record, plan, status = asked.record, asked.plan, asked.record.status
    yield "Credential", f"{status.old_id} → {status.new_id}, {record.spec.mode}"
    yield "Plan", f"{plan.key.name} in namespace {plan.key.namespace}"
    yield "Secret", f"{plan.spec.secret.name} ({', '.join(sorted(plan.spec.secret.keys))})"
    yield "Provider", f"{asked.provider.kind} {asked.provider.key.name}"
    if (backend := asked.provider.spec.backend) is not None:
        yield "Backend", backend.where
    yield "System", plan.status.system_id or "not named by the backend"
    proof = f"{status.pods.proven} of {status.pods.total} pods prove {status.new_id}"
    yield "Proof", "none: pods are asked afterwards" if record.spec.mode == Mode.CONTAINMENT else proof
    yield "Sessions", _sessions(asked)
    yield "Consumers", "\n".join(consumer.partition("@")[0] for consumer in asked.consumers)
    if record.spec.accept_loss:
        yield "Lost pods", "accepted as lost: " + ", ".join(record.spec.accept_loss)
    if record.spec.mode == Mode.CONTAINMENT:
        found = [line.message for line in plan.status.drift if line.reason == "StrangerInInventory"]
        yield "Undeclared", "\n".join(found) or "nobody, when the plan was last looked at"
    if asked.strangers:
        yield "Strangers", "you name these to be cut off too: " + ", ".join(asked.strangers)
    yield (
        "Asked by",
        f"{record.spec.requested_by or 'the schedule'}, {ago(record.created, now)} ago: {record.spec.reason}",
    )
    for who, did in asked.editors.items():
        if did != "asked for the rotation":
            yield "", f"{who} {did}"
    yield "Agreed", f"{len(asked.agreed)} of {asked.needed} people" + _named(asked.agreed)
    yield "Digest", asked.digest


def _named(people: tuple[str, ...]) -> str:
    return f": {', '.join(people)}" if people else ""


def _sessions(asked: Question) -> str:
    status = asked.record.status
    count = len(status.old_sessions)
    told = "none" if not count else f"{count}, from " + ", ".join(s.pod or s.client for s in status.old_sessions[:5])
    soaked = not count and asked.record.spec.mode == Mode.GRACEFUL and status.phase != Phase.SOAK
    idle = f"; seen idle for {span(asked.plan.spec.verify.soak)}" if soaked else ""
    return f"{told} under {status.old_id}{idle}"


def _next(asked: Question) -> str:
    record, watch = asked.record, format_duration(asked.plan.spec.retire.watch)
    old, new = record.status.old_id, record.status.new_id
    missing = asked.needed - len(asked.agreed) - 1
    more = f"{missing} more must agree after you. Then " if missing > 0 and asked.me not in asked.agreed else ""
    also = f" and {', '.join(asked.strangers)}" if asked.strangers else ""
    if record.spec.mode == Mode.CONTAINMENT:
        return (
            f"{more}{new} is made and logins as {old}{also} are refused, in one step; sessions are ended. Pods that "
            f"hold {old} cannot log in until they are restarted. Nothing brings it back."
        )
    if record.status.phase in (Phase.WATCH, Phase.DELETE):
        return f"{more}{old}, which is disabled, is deleted for good."
    undone = "That can be undone, and is by itself if a known consumer misses it. "
    return (
        f"{more}{old} is disabled and its sessions are ended. "
        + (undone if record.spec.mode == Mode.GRACEFUL else "Nothing brings it back. ")
        + f"After {watch} in which nobody misses it, it is deleted for good."
    )
