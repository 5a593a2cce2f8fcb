"""``doctor``: the policies, and who could get around them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from keyturn.cli.views.plain import bullet

if TYPE_CHECKING:
    from keyturn.cli.doctor import Diagnosis


def diagnosis_page(found: Diagnosis) -> RenderableType:
    """First what is wrong, then whom to know."""
    parts: list[RenderableType] = [Text(f"Admission policies in namespace {found.namespace}", style="bold")]
    if found.flaws:
        parts += [bullet(f"{flaw}: no approval counts") for flaw in found.flaws]
        parts.append(bullet("put them back with helm upgrade, and admissionPolicies: true"))
    else:
        parts.append(bullet(f"all stand as this version installs them, for {found.operator}"))
    for power in found.powers:
        parts += [Text(), Text(f"Who can {power.what}", style="bold"), *map(bullet, power.who)]
        if power.of_kubernetes:
            parts.append(bullet(f"and {power.of_kubernetes} of Kubernetes' own accounts"))
    parts += [Text(), Text("By RBAC alone: other authorizers and webhooks are not looked at.")]
    return Group(*parts)
