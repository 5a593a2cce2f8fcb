"""The command lines of a local cluster's parts, in the order of their start. Data only: starts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keyturn_dev.cluster.local import layout as at
from keyturn_dev.cluster.local.layout import Layout
from keyturn_dev.cluster.local.node import Plan


@dataclass(frozen=True, slots=True)
class Component:
    """One long-running program of the node.

    `after` is what must be there first: a `host:port` or socket path that answers, or a `https:` page that says 200.
    """

    name: str
    argv: list[str]
    after: str = ""


def plan(node: Layout) -> Plan:
    """What `node.py` is told to do, as it goes into its JSON file."""
    parts = (
        _etcd(node),
        Component("containerd", ["containerd", "--config", str(node.file("containerd.toml"))]),
        _api_server(node),
        _controller_manager(node),
        _scheduler(node),
        _kubelet(node),
        _kube_proxy(node),
        Component("coredns", [node.program("coredns"), "-conf", str(node.file("Corefile"))], _api(node)),
    )
    return {
        "components": [{"name": part.name, "argv": part.argv, "after": part.after} for part in parts],
        "logs": str(node.file("logs")),
        "report": str(node.file("parts.json")),
        "uplink": at.UPLINK,
        "address": f"{node.node}/{node.link.prefixlen}",
        "gateway": str(node.machine),
        "private": {str(place): str(layers) for place, layers in node.private.items()},
    }


def _api(node: Layout) -> str:
    return f"{node.url}/readyz"


def _flags(**values: object) -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]


def _etcd(node: Layout) -> Component:
    pki = node.file("pki")
    flags = _flags(
        name=node.name,
        data_dir=node.file("etcd"),
        listen_client_urls=node.etcd_url,
        advertise_client_urls=node.etcd_url,
        listen_peer_urls="http://127.0.0.1:2380",
        initial_advertise_peer_urls="http://127.0.0.1:2380",
        initial_cluster=f"{node.name}=http://127.0.0.1:2380",
        listen_metrics_urls=f"http://{node.node}:{at.ETCD_HEALTH_PORT}",
        cert_file=pki / "etcd.crt",
        key_file=pki / "etcd.key",
        trusted_ca_file=pki / "etcd-ca.crt",
        client_cert_auth="true",
        unsafe_no_fsync="true",  # a cluster to try things out does not outlive its machine
        logger="zap",
        log_level="warn",
    )
    return Component("etcd", [node.program("etcd"), *flags])


def _api_server(node: Layout) -> Component:
    pki = node.file("pki")
    flags = _flags(
        advertise_address=node.node,
        bind_address=node.node,
        secure_port=at.API_PORT,
        etcd_servers=node.etcd_url,
        etcd_cafile=pki / "etcd-ca.crt",
        etcd_certfile=pki / "etcd-client.crt",
        etcd_keyfile=pki / "etcd-client.key",
        tls_cert_file=pki / "apiserver.crt",
        tls_private_key_file=pki / "apiserver.key",
        client_ca_file=pki / "ca.crt",
        kubelet_client_certificate=pki / "apiserver-kubelet.crt",
        kubelet_client_key=pki / "apiserver-kubelet.key",
        kubelet_certificate_authority=pki / "ca.crt",
        kubelet_preferred_address_types="InternalIP",  # else exec and logs look up the node's name
        requestheader_client_ca_file=pki / "front-proxy-ca.crt",
        requestheader_allowed_names="front-proxy",
        requestheader_username_headers="X-Remote-User",
        requestheader_group_headers="X-Remote-Group",
        requestheader_extra_headers_prefix="X-Remote-Extra-",
        proxy_client_cert_file=pki / "front-proxy.crt",
        proxy_client_key_file=pki / "front-proxy.key",
        service_cluster_ip_range=node.services,
        service_account_issuer=f"https://kubernetes.default.svc.{at.DOMAIN}",
        service_account_key_file=pki / "service-account.crt",
        service_account_signing_key_file=pki / "service-account.key",
        authorization_mode="Node,RBAC",
        enable_admission_plugins="NodeRestriction",
        allow_privileged="true",
        audit_policy_file=node.file("audit-policy.yaml"),
        audit_log_path=node.audit_log,
        audit_log_maxsize=200,
        audit_log_maxbackup=1,
        profiling="false",
    )
    return Component("kube-apiserver", [node.program("kube-apiserver"), *flags], f"{node.node}:{at.ETCD_PORT}")


def _controller_manager(node: Layout) -> Component:
    pki = node.file("pki")
    flags = _flags(
        **_serving(node, "controller-manager"),
        secure_port=at.CONTROLLER_MANAGER_PORT,
        root_ca_file=pki / "ca.crt",
        client_ca_file=pki / "ca.crt",
        cluster_signing_cert_file=pki / "ca.crt",
        cluster_signing_key_file=pki / "ca.key",
        service_account_private_key_file=pki / "service-account.key",
        use_service_account_credentials="true",
        leader_elect="false",
    )
    return Component("kube-controller-manager", [node.program("kube-controller-manager"), *flags], _api(node))


def _scheduler(node: Layout) -> Component:
    flags = _flags(**_serving(node, "scheduler"), secure_port=at.SCHEDULER_PORT, leader_elect="false")
    return Component("kube-scheduler", [node.program("kube-scheduler"), *flags], _api(node))


def _serving(node: Layout, name: str) -> Mapping[str, object]:
    kubeconfig = node.file(f"{name}.kubeconfig")
    return {
        "kubeconfig": kubeconfig,
        "authentication_kubeconfig": kubeconfig,
        "authorization_kubeconfig": kubeconfig,
        "bind_address": node.node,
        "tls_cert_file": node.file("pki", "serving.crt"),
        "tls_private_key_file": node.file("pki", "serving.key"),
        "profiling": "false",
    }


def _kubelet(node: Layout) -> Component:
    flags = _flags(
        config=node.file("kubelet.yaml"),
        kubeconfig=node.file("kubelet.kubeconfig"),
        root_dir=node.file("kubelet"),
        hostname_override=node.name,
        node_ip=node.node,
    )
    return Component("kubelet", [node.program("kubelet"), *flags], str(node.containerd_socket))


def _kube_proxy(node: Layout) -> Component:
    return Component("kube-proxy", [node.program("kube-proxy"), f"--config={node.file('kube-proxy.yaml')}"], _api(node))
