"""Where things are at the API server. Pure; nothing here asks for anything."""

from __future__ import annotations

from keyturn.api.base import API_VERSION
from keyturn.core.model import ObjectKey

PLANS = "rotationplans"
ROTATIONS = "rotations"
APPROVALS = "rotationapprovals"
PROVIDERS = "credentialproviders"
CLUSTER_PROVIDERS = "clustercredentialproviders"

_PLURALS = {
    "RotationPlan": PLANS,
    "Rotation": ROTATIONS,
    "CredentialProvider": PROVIDERS,
    "ClusterCredentialProvider": CLUSTER_PROVIDERS,
}


def ours(plural: str, namespace: str | None = None, name: str = "") -> str:
    """Our own kinds; without a namespace the whole cluster, or a cluster-scoped one."""
    return _join(f"/apis/{API_VERSION}", namespace, plural, name)


def plural_of(kind: str) -> str:
    """The collection of one of our kinds."""
    return _PLURALS[kind]


def core(plural: str, key: ObjectKey) -> str:
    """``/api/v1`` objects: secrets, pods. An empty name is the collection."""
    return _join("/api/v1", key.namespace, plural, key.name)


def apps(plural: str, key: ObjectKey) -> str:
    """``apps/v1`` objects: deployments, replicasets. An empty name is the collection."""
    return _join("/apis/apps/v1", key.namespace, plural, key.name)


def events(namespace: str) -> str:
    """Where Events about objects of a namespace are made; those of cluster-scoped objects live in ``default``."""
    return _join("/apis/events.k8s.io/v1", namespace or "default", "events", "")


def signing(key: ObjectKey) -> str:
    """A CertificateRequest of cert-manager."""
    return _join("/apis/cert-manager.io/v1", key.namespace, "certificaterequests", key.name)


def lease(key: ObjectKey) -> str:
    """A Lease, or with an empty name the collection."""
    return _join("/apis/coordination.k8s.io/v1", key.namespace, "leases", key.name)


def _join(group: str, namespace: str | None, plural: str, name: str) -> str:
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{group}{scope}/{plural}" + (f"/{name}" if name else "")
