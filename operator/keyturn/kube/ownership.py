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
    """Data key -> the field manager that owns it: another's before ours, the latest before earlier ones.

    Who applies ``stringData`` owns it under that name beside the owner of ``data``, without any conflict, although the
    value is the same one (seen on 1.36): such a writer is named although we seem to own the key.
    """
    entries = sorted(listed(secret, "metadata", "managedFields"), key=_rank)
    return {key: text(entry, "manager") for entry in entries for key in _keys(entry, "f:data", "f:stringData")}


def applied_by_us(secret: Json) -> frozenset[str]:
    """The data keys of our last apply: what the next one leaves out, the API server deletes."""
    ours = (one for one in listed(secret, "metadata", "managedFields") if text(one, "manager") == FIELD_MANAGER)
    return frozenset(key for entry in ours if text(entry, "operation") == "Apply" for key in _keys(entry, "f:data"))


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


def _rank(entry: Json) -> tuple[bool, str]:
    return text(entry, "manager") != FIELD_MANAGER, text(entry, "time")


def _keys(entry: Json, *parts: str) -> Iterator[str]:
    for part in parts:
        for field in mapping(entry, "fieldsV1", part):
            if field.startswith("f:"):
                yield field.removeprefix("f:")
