"""``kubectl keyturn freeze|unfreeze``: stop every change but a re-enable, on a plan, a namespace, or everything.

The freeze is an annotation, so that Git and ``kubectl annotate`` can set and lift it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keyturn.api.labels import FREEZE
from keyturn.cli.session import Session
from keyturn.core.model import ObjectKey
from keyturn.kube.client import Patch
from keyturn.kube.paths import PLANS, core, ours
from keyturn.kube.raw import strings
from keyturn.ports import Misconfigured

_OTHERWISE = f"annotate the namespace of yours with {FREEZE}"


@dataclass(frozen=True, slots=True)
class Scope:
    """What is frozen: one plan, a namespace (no plan named), or everything."""

    plan: str | None = None
    everything: bool = False


async def freeze(session: Session, scope: Scope, reason: str) -> str:
    """One line about what stands still now. Raises Misconfigured when there is no such plan or namespace."""
    path, named = await _place(session, scope)
    await session.api.patch(path, _annotated({FREEZE: reason}), Patch.MERGE)
    return f"{named} is frozen: nothing is changed, but an old credential may be enabled again"


async def unfreeze(session: Session, scope: Scope) -> str:
    """One line about what goes on now. Raises Misconfigured when there is no such plan or namespace."""
    path, named = await _place(session, scope)
    found = await session.api.read(path)
    if found is None or FREEZE not in strings(found, "metadata", "annotations"):
        return f"{named} was not frozen; kubectl keyturn why names the place of a freeze"
    await session.api.patch(path, _annotated({FREEZE: None}), Patch.MERGE)
    return f"{named} is not frozen any more; what waited goes on, unless kubectl keyturn why names another freeze"


async def _place(session: Session, scope: Scope) -> tuple[str, str]:
    if scope.plan is not None:
        if scope.everything:
            raise Misconfigured("OneScope", "name a plan, or say --everything, not both")
        record = await session.plan(scope.plan)
        return ours(PLANS, record.key.namespace, record.key.name), f"plan {record.key.name}"
    namespace = await session.operator_namespace(_OTHERWISE) if scope.everything else session.namespace
    named = "everything" if scope.everything else f"namespace {namespace}"
    path = core("namespaces", ObjectKey("", namespace))
    if await session.api.read(path) is None:
        raise Misconfigured("NotFound", f"there is no namespace {namespace}")
    return path, named


def _annotated(changes: Mapping[str, str | None]) -> dict[str, object]:
    return {"metadata": {"annotations": dict(changes)}}
