"""The addresses, ports and files of a local cluster, in one place. Facts only: creates and starts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

API_PORT = 6443
ETCD_PORT = 2379
ETCD_HEALTH_PORT = 2381
KUBELET_PORT = 10250
KUBELET_HEALTH_PORT = 10248
KUBE_PROXY_HEALTH_PORT = 10256
CONTROLLER_MANAGER_PORT = 10257
SCHEDULER_PORT = 10259
COREDNS_HEALTH_PORT = 8080
DOMAIN = "cluster.local"
MOST_CLUSTERS = 16
UPLINK = "uplink"  # the node's end of the pair of interfaces; the machine's end is Layout.interface
PRIVATE = (Path("/etc"), Path("/var/lib"), Path("/var/log"))
CNI_PROGRAMS = Path("/usr/lib/cni")  # where Debian's containernetworking-plugins puts them


@dataclass(frozen=True, slots=True)
class Layout:
    """One local cluster. `index` (0 to 15) sets its networks apart from those of the machine's other clusters."""

    name: str
    index: int
    root: Path
    programs: Path

    @property
    def interface(self) -> str:
        """The machine's end of the link to the node, and the name of the cluster's control group."""
        return f"keyturn{self.index}"

    @property
    def link(self) -> IPv4Network:
        """The network between machine and node."""
        return IPv4Network(f"10.245.{self.index}.0/30")

    @property
    def machine(self) -> IPv4Address:
        """The machine's address on the link."""
        return self.link[1]

    @property
    def node(self) -> IPv4Address:
        """The node's address: API server, kubelet, etcd and DNS listen here and nowhere else."""
        return self.link[2]

    @property
    def pods(self) -> IPv4Network:
        """Where pods get their addresses; the machine reaches them through the node."""
        return IPv4Network(f"10.244.{self.index * 16}.0/20")

    @property
    def services(self) -> IPv4Network:
        """Where Services get their addresses."""
        return IPv4Network(f"10.96.{self.index * 16}.0/20")

    @property
    def kubernetes_service(self) -> IPv4Address:
        """The Service `kubernetes` in namespace `default`: always the first of the range."""
        return self.services[1]

    @property
    def dns(self) -> IPv4Address:
        """The Service `kube-dns`."""
        return self.services[10]

    @property
    def url(self) -> str:
        """The API server."""
        return f"https://{self.node}:{API_PORT}"

    @property
    def etcd_url(self) -> str:
        """Where etcd answers those with a certificate of its own authority."""
        return f"https://{self.node}:{ETCD_PORT}"

    def program(self, name: str) -> str:
        """The path of one of the programs built from hack/tools."""
        return str(self.programs / name)

    def file(self, *parts: str) -> Path:
        """A path below the state directory."""
        return self.root.joinpath(*parts)

    def log(self, name: str) -> Path:
        """The log of one part."""
        return self.file("logs", f"{name}.log")

    @property
    def private(self) -> Mapping[Path, Path]:
        """Directories that programs write to whatever they are told, and where what they write really goes."""
        return {place: self.file("private", *place.parts[1:]) for place in PRIVATE}

    @property
    def containerd_socket(self) -> Path:
        """The socket of our own containerd; reachable from the machine."""
        return self.file("containerd.sock")

    @property
    def etcd_credentials(self) -> tuple[Path, Path, Path]:
        """The authority of etcd, and the certificate and key of a client that may read everything."""
        return self.file("pki", "etcd-ca.crt"), self.file("pki", "etcd-client.crt"), self.file("pki", "etcd-client.key")

    @property
    def audit_log(self) -> Path:
        """One JSON line for every write to the API: who wrote what, never the content."""
        return self.file("logs", "audit.log")
