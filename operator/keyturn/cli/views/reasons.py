"""``why``: who is waited for, pod by pod and session by session, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from keyturn.api.base import format_duration
from keyturn.api.conditions import ConditionType, condition
from keyturn.api.kinds import Blocker, PodLine
from keyturn.cli.views.plain import bullet, columns
from keyturn.cli.views.spans import ago
from keyturn.cli.views.standing import Holder, finished, headline, holders, obstacles, troubles, wanted, what_to_do
from keyturn.core.model import Kind
from keyturn.ports import PlanRecord, RotationRecord

_INDENT = (0, 0, 0, 2)


def rotation_reasons(record: RotationRecord, now: datetime, plan: PlanRecord | None = None) -> RenderableType:
    """Why a rotation stands where it stands; a plan that cannot go on is named first."""
    status = record.status
    stuck = () if finished(status) else troubles(plan)
    parts: list[RenderableType] = [Text(headline(record), style="bold")]
    if status.entered_at and not finished(status):
        parts.append(Text(f"In this phase for {ago(status.entered_at, now)}."))
    if stuck:
        parts += [Text(), Text(f"The plan {record.spec.plan_ref.name} cannot go on"), *(bullet(one) for one in stuck)]
    waited = obstacles(status)
    if waited:
        parts += [Text(), Text("Waited for"), *(_blocker(blocker) for blocker in waited)]
    if status.pod_proofs:
        counted = f"Pods ({status.pods.proven} of {status.pods.total} prove {wanted(status)})"
        named = {blocker.pod for blocker in waited}
        doubts = [line for line in status.pod_proofs if line.why and line.pod not in named]
        parts += [Text(), Text(counted), _pods(status.pod_proofs)]
        parts += [bullet(f"{line.pod}: {line.why}") for line in doubts if line.proves != wanted(status)]
    if status.old_sessions:
        parts += [Text(), Text(f"Sessions under {status.old_id}"), _sessions(holders(status), now)]
    return Group(*parts, Text(), Text("What to do"), Padding(Text(what_to_do(record, stuck)), _INDENT))


def _blocker(blocker: Blocker) -> RenderableType:
    itself = blocker.consumer in (blocker.pod, f"Pod/{blocker.pod}")  # no workload's: named once
    who = " ".join(part for part in ("" if itself else blocker.consumer, blocker.pod) if part)
    lead = f"{who}: " if who else ""
    return bullet(f"{lead}{blocker.message} ({blocker.reason})")


def _pods(lines: Sequence[PodLine]) -> RenderableType:
    kinds = [kind for kind in Kind if any(kind in line.evidence for line in lines)]
    table = columns("POD", "PROVES", *(kind.upper() for kind in kinds))
    for line in lines:
        name = f"{line.pod} (ending)" if line.terminating else line.pod
        table.add_row(name, line.proves, *(line.evidence.get(kind, "-") for kind in kinds))
    return Padding(table, _INDENT)


def _sessions(holding: Sequence[Holder], now: datetime) -> RenderableType:
    table = columns("FROM", "POD", "OPEN", "FOR")
    for holder in holding:
        table.add_row(holder.client, holder.whose, str(holder.count), ago(holder.since, now))
    return Padding(table, _INDENT)


def plan_reasons(plan: PlanRecord, latest: RotationRecord | None, now: datetime) -> RenderableType:
    """Why a plan is not ready, or what its rotation waits for."""
    if latest is not None and not finished(latest.status):
        return rotation_reasons(latest, now, plan)
    ready = condition(plan.status.conditions, ConditionType.READY)
    name = plan.key.name
    if ready is None:
        return Group(
            Text(f"{name} has not been looked at yet.", style="bold"),
            Text("Look whether the operator runs: kubectl get pods -A -l app.kubernetes.io/name=keyturn"),
        )
    stuck, drift = troubles(plan), plan.status.drift
    if not stuck and not drift:
        done = f" Last rotation: {latest.key.name}, {latest.status.phase}." if latest else ""
        return Text(f"{name} is ready: {plan.status.current_id} is in use, and nothing is waited for.{done}")
    state = "is ready, but needs a look" if ready.status == "True" else "is not ready; nothing was changed"
    return Group(Text(f"{name} {state}.", style="bold"), *(bullet(one) for one in stuck), *_drift(plan, now))


def _drift(plan: PlanRecord, now: datetime) -> tuple[RenderableType, ...]:
    if not plan.status.drift:
        return ()
    lines = (bullet(f"{one.message} ({one.reason}, for {ago(one.since, now)})") for one in plan.status.drift)
    every = format_duration(plan.spec.check_every)
    end = f"None of this is mended by itself. It is looked at again every {every}."
    return (Text(), Text("Other than it was left"), *lines, Text(), Text(end))
