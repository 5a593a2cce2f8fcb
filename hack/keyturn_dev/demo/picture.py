"""A picture of what a rollback must give back: the Secret's bytes, accounts, workloads but for our annotations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from keyturn_dev.demo.part import SHOP, Account
from keyturn_dev.demo.parts import PARTS
from keyturn_dev.demo.stage import Stage


@dataclass(frozen=True, slots=True)
class Picture:
    """The shop at one moment. Values in it are never printed."""

    secret: Mapping[str, Any]
    accounts: Mapping[str, Account]  # that can log in
    workloads: Mapping[str, Any]
    decoy: str


def take(stage: Stage) -> Picture:
    """Look at everything now."""
    secret = stage.kubectl.get("secret", stage.part.plan, "-n", SHOP)
    elsewhere = {name for part in PARTS.values() if part is not stage.part for name in (*part.names, part.decoy)}
    deployments = stage.kubectl.items("deployments", "-n", SHOP)
    return Picture(
        secret={"data": secret.get("data", {}), "type": secret["type"], "uid": secret["metadata"]["uid"]},
        accounts={name: account for name, account in stage.server.accounts().items() if account.enabled},
        workloads={
            name: _without_ours(item["spec"])
            for item in deployments
            if (name := item["metadata"]["name"]) not in elsewhere  # other backends' are rotated for themselves
        },
        decoy=_decoy(stage),
    )


def without_stored(shown: Picture, name: str) -> Picture:
    """The picture but for what the server stores as this account's password."""
    accounts = {one: replace(kept, stored="") if one == name else kept for one, kept in shown.accounts.items()}
    return replace(shown, accounts=accounts)


def differences(before: Picture, after: Picture) -> list[str]:
    """What is not as it was, in words that hold no value."""
    told = list[str]()
    if before.secret != after.secret:
        told.append("the Secret's bytes differ")
    told += [f"account {name} differs" for name in _different(before.accounts, after.accounts)]
    told += [f"Deployment {name} differs" for name in _different(before.workloads, after.workloads)]
    if before.decoy != after.decoy:
        told.append("the decoy was touched")
    return told


def _different(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _without_ours(spec: dict[str, Any]) -> dict[str, Any]:
    metadata = spec["template"]["metadata"]
    annotations = metadata.get("annotations", {})
    metadata["annotations"] = {key: value for key, value in annotations.items() if not key.startswith("keyturn.dev/")}
    return spec


def _decoy(stage: Stage) -> str:
    """The decoy's Deployment and pods, every byte of what somebody asked for."""
    deployment = stage.kubectl.get("deployment", stage.part.decoy, "-n", SHOP)
    pods = stage.kubectl.items("pods", "-n", SHOP, "-l", f"app={stage.part.decoy}")
    kept = ("uid", "generation", "labels", "annotations", "name")
    return json.dumps(
        [
            [{key: item["metadata"].get(key) for key in kept}, item["spec"]]
            for item in [deployment, *sorted(pods, key=lambda pod: pod["metadata"]["name"])]
        ],
        sort_keys=True,
    )
