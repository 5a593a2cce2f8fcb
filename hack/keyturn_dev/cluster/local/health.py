"""Looks at the parts of a local cluster from outside, and says in plain words how they are. Changes nothing."""

from __future__ import annotations

import json
import ssl
from http import HTTPStatus
from pathlib import Path
from typing import TypedDict

import httpx

from keyturn_dev.cluster.driver import Part
from keyturn_dev.cluster.local import layout as at
from keyturn_dev.cluster.local.layout import Layout
from keyturn_dev.cluster.local.node import answers


class Fate(TypedDict):
    """How one part fared, as node.py reports it."""

    running: bool
    starts: int
    ended: str


def parts(node: Layout) -> list[Part]:
    """Ask every part for its health, once, each with a short time limit."""
    fates = _fates(node.file("parts.json"))
    found = [judge("containerd", fates, healthy=_socket_answers(node.containerd_socket), log=node.log("containerd"))]
    context = _trust(node.file("pki", "ca.crt"))
    with httpx.Client(verify=context, timeout=2, trust_env=False) as client:
        for name, url in _health_urls(node).items():
            found.append(judge(name, fates, healthy=_says_ok(client, url), log=node.log(name)))
    return found


def api_server_ready(node: Layout) -> bool:
    """Whether the API server says that it is ready."""
    with httpx.Client(verify=_trust(node.file("pki", "ca.crt")), timeout=2, trust_env=False) as client:
        return _says_ok(client, f"{node.url}/readyz")


def _health_urls(node: Layout) -> dict[str, str]:
    return {
        "etcd": f"http://{node.node}:{at.ETCD_HEALTH_PORT}/health",
        "kube-apiserver": f"{node.url}/readyz",
        "kube-controller-manager": f"https://{node.node}:{at.CONTROLLER_MANAGER_PORT}/healthz",
        "kube-scheduler": f"https://{node.node}:{at.SCHEDULER_PORT}/healthz",
        "kubelet": f"http://{node.node}:{at.KUBELET_HEALTH_PORT}/healthz",
        "kube-proxy": f"http://{node.node}:{at.KUBE_PROXY_HEALTH_PORT}/healthz",
        "coredns": f"http://{node.node}:{at.COREDNS_HEALTH_PORT}/health",
    }


def _trust(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority) if authority.exists() else ssl.create_default_context()


def _says_ok(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).status_code == HTTPStatus.OK
    except httpx.HTTPError:
        return False


def _socket_answers(path: Path) -> bool:
    return answers(str(path))


def _fates(path: Path) -> dict[str, Fate]:
    return json.loads(path.read_text()) if path.exists() else {}


def judge(name: str, fates: dict[str, Fate], *, healthy: bool, log: Path) -> Part:
    """Put together what a part answers and how it fared into one line of words."""
    fate = fates.get(name)
    again = f", started {fate['starts']} times, last ended with {fate['ended']}" if fate and fate["starts"] > 1 else ""
    if healthy:
        return Part(name, works=True, words=f"up{again}")
    if fate is None or not fate["starts"]:
        return Part(name, works=False, words="down: not started yet, what it needs does not answer")
    state = "running but does not answer" if fate["running"] else "not running"
    return Part(name, works=False, words=f"down: {state}{again}; see {log}")
