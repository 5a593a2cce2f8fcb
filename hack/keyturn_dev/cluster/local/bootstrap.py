"""The objects a local cluster starts with: the Service that points to its DNS, and what DNS may read."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from keyturn_dev.cluster.local.layout import Layout

_RBAC = "rbac.authorization.k8s.io"
_LABELS = {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"}


def manifests(node: Layout) -> str:
    """All of them, as one YAML stream."""
    return yaml.safe_dump_all([_dns_service(node), _dns_endpoints(node), _dns_role(), _dns_binding()])


def _ports(name: str) -> list[Mapping[str, object]]:
    return [{"name": name, "protocol": "UDP", "port": 53}, {"name": f"{name}-tcp", "protocol": "TCP", "port": 53}]


def _dns_service(node: Layout) -> Mapping[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": _LABELS},
        # No selector: CoreDNS is a process of the node, and its address is written below.
        "spec": {"clusterIP": str(node.dns), "ports": _ports("dns")},
    }


def _dns_endpoints(node: Layout) -> Mapping[str, object]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns",
            "namespace": "kube-system",
            "labels": {
                "kubernetes.io/service-name": "kube-dns",
                "endpointslice.kubernetes.io/managed-by": "keyturn-dev",
            },
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [str(node.node)], "conditions": {"ready": True}}],
        "ports": _ports("dns"),
    }


def _dns_role() -> Mapping[str, object]:
    def watch(group: str, *resources: str) -> Mapping[str, object]:
        return {"apiGroups": [group], "resources": list(resources), "verbs": ["list", "watch"]}

    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "system:coredns"},
        "rules": [watch("", "services", "namespaces"), watch("discovery.k8s.io", "endpointslices")],
    }


def _dns_binding() -> Mapping[str, object]:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "system:coredns"},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "system:coredns"},
        "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": "system:coredns"}],
    }
