"""The files and command lines of a local cluster fit together."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from keyturn_dev.cluster.local import components, configs, node
from keyturn_dev.cluster.local.layout import MOST_CLUSTERS, Layout
from keyturn_dev.cluster.local.pki import Authority

LONGEST_INTERFACE = 15  # bytes, of the kernel's own limit


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout("keyturn", 0, tmp_path / "state", tmp_path / "programs")


def test_no_two_clusters_share_an_address_or_an_interface(tmp_path: Path) -> None:
    clusters = [Layout(f"c{index}", index, tmp_path, tmp_path) for index in range(MOST_CLUSTERS)]

    networks = [network for one in clusters for network in (one.link, one.pods, one.services)]

    assert not [pair for pair in combinations(networks, 2) if pair[0].overlaps(pair[1])]
    assert len({one.interface for one in clusters}) == MOST_CLUSTERS
    assert max(len(one.interface) for one in clusters) <= LONGEST_INTERFACE


def test_every_file_that_a_part_is_told_to_read_has_been_written(layout: Layout, tmp_path: Path) -> None:
    configs.write(layout, tmp_path / "state" / "kubeconfig")
    plan = components.plan(layout)
    made_by_the_parts = {layout.audit_log, layout.file("etcd"), layout.containerd_socket}

    told = [value.partition("=")[2] or value for part in plan["components"] for value in part["argv"]]
    files = {Path(value) for value in told if value.startswith(str(layout.root))}

    assert len(files) > 20
    assert [path for path in files - made_by_the_parts if not path.exists()] == []


def test_every_file_that_a_configuration_names_has_been_written(layout: Layout, tmp_path: Path) -> None:
    configs.write(layout, tmp_path / "state" / "kubeconfig")
    kubelet = yaml.safe_load(layout.file("kubelet.yaml").read_text())
    containerd = tomllib.loads(layout.file("containerd.toml").read_text())

    cri = containerd["plugins"]["io.containerd.grpc.v1.cri"]
    named = [kubelet["tlsCertFile"], kubelet["resolvConf"], kubelet["podLogsDir"], cri["cni"]["conf_dir"]]

    assert [path for path in named if not Path(path).exists()] == []
    assert kubelet["containerRuntimeEndpoint"] == f"unix://{containerd['grpc']['address']}"


def test_keys_and_kubeconfigs_are_readable_by_their_owner_only(layout: Layout, tmp_path: Path) -> None:
    configs.write(layout, tmp_path / "state" / "kubeconfig")

    secret = [*layout.root.glob("**/*.key"), *layout.root.glob("**/*kubeconfig")]

    assert len(secret) > 10
    assert [path.name for path in secret if path.stat().st_mode & 0o077] == []


def test_a_server_certificate_is_accepted_at_its_names_and_refused_elsewhere(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path, "ca")
    pair = authority.sign("server", user="server", reached_at=("kubernetes.default.svc", "10.96.0.1"))
    leaf = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    trust = PolicyBuilder().store(Store([authority.certificate]))

    chain = trust.build_server_verifier(x509.DNSName("kubernetes.default.svc")).verify(leaf, [])

    assert chain[-1] == authority.certificate
    with pytest.raises(x509.verification.VerificationError):
        trust.build_server_verifier(x509.DNSName("elsewhere.example")).verify(leaf, [])


def test_a_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    ours, theirs = Authority.create(tmp_path, "ca"), Authority.create(tmp_path, "other-ca")
    pair = theirs.sign("server", user="server", reached_at=("kubernetes",))
    leaf = x509.load_pem_x509_certificate(pair.certificate.read_bytes())

    verifier = PolicyBuilder().store(Store([ours.certificate])).build_server_verifier(x509.DNSName("kubernetes"))

    with pytest.raises(x509.verification.VerificationError):
        verifier.verify(leaf, [])


def test_the_node_does_nothing_when_whoever_started_it_is_gone(layout: Layout, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(components.plan(layout)))

    ended = subprocess.run([sys.executable, "-I", node.__file__, str(plan)], input=b"", timeout=30, check=False)

    assert ended.returncode == 1
    assert not layout.root.exists()


def test_a_part_that_ended_is_started_again_but_not_at_once(tmp_path: Path) -> None:
    part = node.Part({"name": "short", "argv": ["sh", "-c", "echo started; exit 3"], "after": ""}, str(tmp_path))
    part.start()
    node.os.waitid(node.os.P_PID, part.pid, node.os.WEXITED | node.os.WNOWAIT)

    changed = node.reap([part])

    assert changed
    assert part.ended == "exit code 3"
    assert not part.due(part.not_before - 0.001)
    assert part.due(part.not_before)
    assert part.log.read_text() == "started\n"


def test_a_part_waits_for_the_socket_it_needs(tmp_path: Path) -> None:
    part = node.Part({"name": "late", "argv": ["true"], "after": str(tmp_path / "no.sock")}, str(tmp_path))

    assert not part.due(0.0)
