"""Other servers that a provider could be pointed at by mistake: one with the same names, and a clone."""

from __future__ import annotations

import copy
import json
from typing import Any

import yaml

from keyturn_dev.demo.database import Database
from keyturn_dev.demo.part import SHOP, Passwords
from keyturn_dev.demo.parts.postgres import HOST, POSTGRES, admin_secret
from keyturn_dev.demo.roles import DATABASE, roles_sql, rotator_sql
from keyturn_dev.demo.stage import Stage


def open_staging(stage: Stage) -> tuple[str, Database]:
    """A second server with the same role names, and passwords of its own. Its host, and itself."""
    made = Passwords(rotator=stage.passwords.rotator)
    init = {"roles.sql": roles_sql(made), "rotator.sql": rotator_sql()}
    return _open(stage, "postgres-staging", init, clone=False)


def open_clone(stage: Stage) -> tuple[str, Database]:
    """A physical copy of the shop's server, made a moment ago: same identifier, same roles, same passwords."""
    stage.kubectl.secret(SHOP, "postgres-superuser", {"password": stage.passwords.root})
    return _open(stage, "postgres-clone", {"roles.sql": "", "rotator.sql": ""}, clone=True)


def point_provider_at(stage: Stage, host: str) -> None:
    """Give the provider an admin Secret of this server. The endpoint that pods use stays allowed, as it was."""
    words = admin_secret(stage.passwords, stage.authority, host)
    if host != HOST:
        words["hosts"] = HOST
    stage.kubectl.secret(SHOP, "postgres-rotator", words)


def _open(stage: Stage, name: str, init: dict[str, str], *, clone: bool) -> tuple[str, Database]:
    host = f"{name}.{SHOP}.svc"
    stage.kubectl.secret(SHOP, f"{name}-tls", stage.authority.issue(host))
    stage.kubectl.secret(SHOP, f"{name}-init", init)
    documents = [_renamed(document, name) for document in _documents() if document["kind"] != "ConfigMap"]
    if clone:
        _copy_first(next(document for document in documents if document["kind"] == "StatefulSet"))
    stage.kubectl.apply(*documents)
    stage.kubectl.rolled_out(SHOP, f"statefulset/{name}")
    return host, Database(stage.kubectl, SHOP, f"{name}-0", DATABASE)


def _documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(POSTGRES.manifest("server").read_text()))


def _renamed(document: dict[str, Any], name: str) -> dict[str, Any]:
    """The same objects under another name, with TLS and first SQL of their own; the settings are shared."""
    text = json.dumps(document)
    for suffix in ("-tls", "-init"):
        text = text.replace(f'"postgres{suffix}"', f'"{name}{suffix}"')
    renamed = copy.deepcopy(json.loads(text))
    renamed["metadata"]["name"] = name
    selects = renamed["spec"]["selector"]
    selects.get("matchLabels", selects)["app"] = name
    if renamed["kind"] == "StatefulSet":
        renamed["spec"]["serviceName"] = name
        renamed["spec"]["template"]["metadata"]["labels"]["app"] = name
    return renamed


def _copy_first(statefulset: dict[str, Any]) -> None:
    """An init container that fills the data directory with a base backup of the shop's server."""
    pod = statefulset["spec"]["template"]["spec"]
    server = pod["containers"][0]
    backup = (
        f'test -s "$PGDATA/PG_VERSION" || pg_basebackup -h {HOST} -U postgres -D "$PGDATA" -X stream --checkpoint=fast'
    )
    pod["initContainers"] = [
        {
            "name": "copy",
            "image": server["image"],
            "command": ["sh", "-c", backup],
            "env": [
                {"name": "PGSSLMODE", "value": "require"},
                {
                    "name": "PGPASSWORD",
                    "valueFrom": {"secretKeyRef": {"name": "postgres-superuser", "key": "password"}},
                },
            ],
            "securityContext": server["securityContext"],
            "volumeMounts": server["volumeMounts"],
        }
    ]
