"""Writes what the parts of a local cluster read: certificates, kubeconfigs and configuration files.

Only files below the state directory. Each unusual setting says why it is there.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from keyturn_dev.cluster.local import layout as at
from keyturn_dev.cluster.local.layout import Layout
from keyturn_dev.cluster.local.pki import Authority, Pair

PAUSE_IMAGE = "docker.io/keyturn/pause:local"


def write(node: Layout, kubeconfig: Path) -> None:
    """Write everything; `kubeconfig` is the administrator's."""
    below = (node.file(name) for name in ("logs", "pods", "kubelet", "etcd", "cni/net.d", "pki"))
    layers = (place / layer for place in node.private.values() for layer in ("upper", "work"))
    for directory in (*below, *layers):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    _certificates(node, kubeconfig)
    node.file("containerd.toml").write_text(_containerd(node))
    node.file("cni", "net.d", "10-keyturn.conflist").write_text(json.dumps(_network(node), indent=2))
    node.file("audit-policy.yaml").write_text(yaml.safe_dump(_AUDIT_POLICY))
    node.file("kubelet.yaml").write_text(yaml.safe_dump(_kubelet(node)))
    node.file("kube-proxy.yaml").write_text(yaml.safe_dump(_kube_proxy(node)))
    node.file("Corefile").write_text(_corefile(node))
    node.file("resolv.conf").write_text(f"nameserver {node.node}\n")


def _certificates(node: Layout, kubeconfig: Path) -> None:
    pki = node.file("pki")
    etcd = Authority.create(pki, "etcd-ca")
    etcd.sign("etcd", user="etcd", reached_at=(str(node.node),))
    etcd.sign("etcd-client", user="keyturn")
    Authority.create(pki, "front-proxy-ca").sign("front-proxy", user="front-proxy")
    cluster = Authority.create(pki, "ca")
    Authority.create(pki, "service-account")  # only its key is used, to sign tokens
    names = tuple(f"kubernetes{suffix}" for suffix in ("", ".default", ".default.svc", f".default.svc.{at.DOMAIN}"))
    here = (str(node.node), "127.0.0.1", "localhost")
    cluster.sign("apiserver", user="kube-apiserver", reached_at=(*names, str(node.kubernetes_service), *here))
    cluster.sign("apiserver-kubelet", user="kube-apiserver", groups=("system:masters",))
    cluster.sign("serving", user=node.name, reached_at=(node.name, *here))
    users = {
        node.file("controller-manager.kubeconfig"): ("system:kube-controller-manager", ()),
        node.file("scheduler.kubeconfig"): ("system:kube-scheduler", ()),
        node.file("kubelet.kubeconfig"): (f"system:node:{node.name}", ("system:nodes",)),
        node.file("kube-proxy.kubeconfig"): ("system:kube-proxy", ()),
        node.file("coredns.kubeconfig"): ("system:coredns", ()),
        kubeconfig: ("keyturn-admin", ("system:masters",)),
    }
    for path, (user, groups) in users.items():
        pair = cluster.sign(path.name, user=user, groups=groups)
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(_kubeconfig(node, user, cluster.pair, pair)))


def _kubeconfig(node: Layout, user: str, authority: Pair, pair: Pair) -> Mapping[str, object]:
    def inline(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    cluster = {"server": node.url, "certificate-authority-data": inline(authority.certificate)}
    secret = {"client-certificate-data": inline(pair.certificate), "client-key-data": inline(pair.key)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": node.name, "cluster": cluster}],
        "users": [{"name": user, "user": secret}],
        "contexts": [{"name": node.name, "context": {"cluster": node.name, "user": user}}],
        "current-context": node.name,
    }


def _containerd(node: Layout) -> str:
    return f"""\
version = 2
root = "{node.file("containerd")}"
state = "/run/containerd"   # a memory file system of the node's own: containerd's shims put their sockets there
disabled_plugins = [
  "io.containerd.internal.v1.opt",   # it would make a directory /opt/containerd on the machine
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{node.containerd_socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  disable_apparmor = true            # its profile would stay loaded in the machine's kernel
  restrict_oom_score_adj = true      # without CAP_SYS_RESOURCE runc could not lower the score and would die
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{at.CNI_PROGRAMS}"
    conf_dir = "{node.file("cni", "net.d")}"
"""


def _network(node: Layout) -> Mapping[str, object]:
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": str(node.pods)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(node.file("cni", "addresses")),
    }
    bridge = {
        "type": "bridge",
        "bridge": "pods",
        "isGateway": True,
        "ipMasq": False,  # backends must see the pods' own addresses
        "hairpinMode": True,
        "ipam": addresses,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "keyturn", "plugins": [bridge, ports]}


# Writes only: they are what benchmarks count. The node's heartbeats are no one's work.
_AUDIT_POLICY: Mapping[str, object] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {
            "level": "None",
            "userGroups": ["system:nodes"],
            "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}],
        },
        {"level": "None", "users": ["system:apiserver"]},
        {"level": "Metadata"},
    ],
}


def _kubelet(node: Layout) -> Mapping[str, object]:
    pki = node.file("pki")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": str(node.node),
        "healthzBindAddress": str(node.node),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "serving.crt"),
        "tlsPrivateKeyFile": str(pki / "serving.key"),
        "clusterDomain": at.DOMAIN,
        "clusterDNS": [str(node.dns)],
        "resolvConf": str(node.file("resolv.conf")),
        "containerRuntimeEndpoint": f"unix://{node.containerd_socket}",
        "podLogsDir": str(node.file("pods")),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.interface}",  # everything below it is ours, and goes with `down`
        "failCgroupV1": False,
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "oomScoreAdj": 0,  # to lower it takes CAP_SYS_RESOURCE
        "localStorageCapacityIsolation": False,
        "maxPods": 250,
        # Evict nothing and remove no image: a full disk is the machine's, and images cannot be pulled again.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "configMapAndSecretChangeDetectionStrategy": "Watch",
    }


def _kube_proxy(node: Layout) -> Mapping[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(node.file("kube-proxy.kubeconfig"))},
        "hostnameOverride": node.name,
        "mode": "iptables",
        "clusterCIDR": str(node.pods),
        "conntrack": {"maxPerCore": 0, "min": 0},  # the table's size belongs to the machine
        "oomScoreAdj": 0,
        "healthzBindAddress": f"{node.node}:{at.KUBE_PROXY_HEALTH_PORT}",
        "metricsBindAddress": "127.0.0.1:10249",
    }


def _corefile(node: Layout) -> str:
    return f"""\
{at.DOMAIN} in-addr.arpa ip6.arpa {{
    bind {node.node}
    errors
    kubernetes {at.DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {node.file("coredns.kubeconfig")}
        pods insecure
        ttl 5
    }}
}}
. {{
    bind {node.node}
    errors
    health {node.node}:{at.COREDNS_HEALTH_PORT}
    template IN ANY . {{
        rcode NXDOMAIN    # there is no way out of the cluster: say so at once
    }}
}}
"""
