"""Every label, annotation, name and port that Keyturn puts into a cluster, in one place. Pure."""

from __future__ import annotations

from hashlib import sha256

from keyturn.api.base import GROUP

FIELD_MANAGER = "keyturn"
FINALIZER = f"{GROUP}/guard"

FREEZE = f"{GROUP}/freeze"  # annotation with the reason: on a plan, its namespace, or the operator's (everything)
INJECT = f"{GROUP}/inject"  # label, "true": this pod wants the probe

EDITED_BY = f"edited-by.{GROUP}/"  # annotations of plans and providers: any name after it, a user name as value

WRITTEN_FOR = f"{GROUP}/written-for"  # annotation of the consumers' Secret: rotation uid/generation of our last write

OPERATORS = "app.kubernetes.io/name=keyturn,app.kubernetes.io/component=operator"  # selects them, pods and Deployment

PROBE_CONTAINER = "keyturn-probe"
CHALLENGE_PORT = 9901
READINESS_PORT = 9902


def restart_annotation(namespace: str, plan: str) -> str:
    """The template's annotation that holds the generation. Hashed: a plan's name may be longer than an annotation's."""
    return f"{GROUP}/gen-{sha256(f'{namespace}/{plan}'.encode()).hexdigest()[:10]}"


def escrow_name(plan_uid: str) -> str:
    """The Secret in the operator's namespace that keeps both values of a plan."""
    return f"keyturn-escrow-{plan_uid}"


def acceptors_of(plan: str) -> str:
    """The acceptors of a plan's keys as a plan of their own. No plan can have this name: it holds a slash."""
    return f"{plan}/acceptors"


def are_acceptors(plan: str) -> bool:
    """Is this a name that ``acceptors_of`` made?"""
    return "/" in plan


def probe_secret_name(plan: str) -> str:
    """The Secret in the consumers' namespace that lets their probes answer for this plan, or for its acceptors."""
    name, _, acceptors = plan.partition("/")
    return f"keyturn-{acceptors or 'probe'}-{name}"
