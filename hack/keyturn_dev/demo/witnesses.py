"""What the witnesses in the shop's pods counted, as the collector outside the shop tells it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from keyturn_dev.demo.kubectl import Kubectl


def role_of(url: str) -> str:
    """The public name of the role in a connection URL."""
    return urlsplit(url).username or ""


@dataclass(frozen=True, slots=True)
class Count:
    """Logins of all pods so far, by outcome; `by_role` has the good ones."""

    ok: int
    refused: int
    unreachable: int
    by_role: dict[str, int]
    by_consumer: dict[str, int]
    pods: int
    refused_by: tuple[str, ...] = ()
    refused_roles: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Witnesses:
    """The collector in its own namespace."""

    kubectl: Kubectl
    namespace: str

    def count(self, roles: Collection[str] = ()) -> Count:
        """Everything reported so far, or only logins as these roles."""
        page = f"/api/v1/namespaces/{self.namespace}/services/collector:http/proxy/report"
        outcomes, good, consumers = Counter[str](), Counter[str](), Counter[str]()
        refused_by, refused_roles, pods = list[str](), Counter[str](), set[str]()
        reports = json.loads(self.kubectl("get", "--raw", page))
        for report in reports:
            for key, number in report["counts"].items():
                role, _, outcome = key.partition(" ")
                if role == "?" or (roles and role not in roles):  # "?": its file was emptied, there was no credential
                    continue
                pods.add(report["uid"])
                outcomes[outcome] += number
                if outcome == "ok":
                    good[role] += number
                    consumers[report["consumer"]] += number
                if outcome == "refused":
                    refused_roles[role] += number
                    refused_by.append(f"{report['pod']} as {role}: {number}")
        return Count(
            ok=outcomes["ok"],
            refused=outcomes["refused"],
            unreachable=outcomes["unreachable"],
            by_role=dict(good),
            by_consumer=dict(consumers),
            pods=len(pods),
            refused_by=tuple(refused_by),
            refused_roles=dict(refused_roles),
        )
