"""Who else has a hand in a Secret: its controller, the marks other tools leave on it, the writers of its keys.

Pure. It only reports: whether that blocks a rotation is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterator

from keyturn.api.labels import FIELD_MANAGER
from keyturn.kube.raw import Json, at, listed, mapping, strings, text

# Labels and annotations by which controllers mark Secrets whose contents they own (each from the tool's documentation
# or source); a value of None accepts any value.
_MARKS: tuple[tuple[str, str | None, str], ...] = (
    ("reconcile.external-secrets.io/managed", "true", "External Secrets"),
    ("reconcile.external-secrets.io/created-by", None, "External Secrets"),
    ("reconcile.external-secrets.io/data-hash", None, "External Secrets"),
    ("sealedsecrets.bitnami.com/managed", "true", "Sealed Secrets"),
    ("sealedsecrets.bitnami.com/patch", "true", "Sealed Secrets"),
    ("secrets.hashicorp.com/vso-ownerRefUID", None, "Vault Secrets Operator"),
    ("app.kubernetes.io/managed-by", "hashicorp-vso", "Vault Secrets Operator"),
    ("cnpg.io/cluster", None, "CloudNativePG"),
    ("postgres-operator.crunchydata.com/cluster", None, "Crunchy Postgres"),
    ("cert-manager.io/certificate-name", None, "cert-manager"),
    ("secrets.infisical.com/version", None, "Infisical"),
)

# Field managers of controllers that keep putting back what Git says.
_GIT_WRITERS = {
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
}


def writers(secret: Json) -> dict[str, str]:
    """Data key -> the field manager that owns it. Where we own it together with another, the other one is named."""
    owners: dict[str, str] = {}
    for entry in listed(secret, "metadata", "managedFields"):
        manager = text(entry, "manager")
        for key in _data_keys(entry):
            if owners.get(key, FIELD_MANAGER) == FIELD_MANAGER:
                owners[key] = manager
    return owners


def controlled_by(secret: Json) -> str:
    """Which controller owns the contents, in words for people; "" if nobody is known to."""
    for owner in listed(secret, "metadata", "ownerReferences"):
        if at(owner, "controller") is True:
            group = text(owner, "apiVersion").partition("/")[0]
            return f"{text(owner, 'kind')}/{text(owner, 'name')} ({group})"
    marks = strings(secret, "metadata", "labels") | strings(secret, "metadata", "annotations")
    for mark, value, tool in _MARKS:
        if mark in marks and value in {None, marks[mark]}:
            return f"{tool} (marked {mark})"
    for key, manager in writers(secret).items():
        if manager in _GIT_WRITERS:
            return f"{_GIT_WRITERS[manager]} ({manager} writes the key {key})"
    return ""


def _data_keys(entry: Json) -> Iterator[str]:
    for field in mapping(entry, "fieldsV1", "f:data"):
        if field.startswith("f:"):
            yield field.removeprefix("f:")
