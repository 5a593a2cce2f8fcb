"""A real API server with our CRDs, and a namespace of its own for each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from keyturn.core.sealed import Sealed
from keyturn.kube.client import KubeClient
from keyturn.kube.cluster import KubeCluster
from keyturn.kube.probes import open_probes
from keyturn_dev.cluster.api import Cluster, load_images
from support.closing import all_closed
from support.kubectl import Kubectl, SystemClock, cluster_with_our_kinds
from support.probe_ground import IMAGE, NEW, OLD, Ground


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    return cluster_with_our_kinds()


@pytest.fixture
def kubectl(cluster: Cluster) -> Iterator[Kubectl]:
    kubectl = Kubectl(cluster, f"it-{uuid4().hex[:8]}")
    kubectl("create", "namespace", kubectl.namespace)
    yield kubectl
    kubectl("delete", "namespace", kubectl.namespace, "--wait=false")


@pytest.fixture
def namespace(kubectl: Kubectl) -> str:
    return kubectl.namespace


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    """A connection that is still being closed when its loop ends is complained of in another test."""
    yield
    await all_closed()


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[KubeClient]:
    async with await KubeClient.connect(cluster.kubeconfig) as client:
        yield client


@pytest.fixture
def world(client: KubeClient, namespace: str) -> KubeCluster:
    return KubeCluster(client, operator_namespace=namespace, identity="test", clock=SystemClock())


@pytest.fixture
async def ground(cluster: Cluster, kubectl: Kubectl, world: KubeCluster) -> Ground:
    await asyncio.to_thread(load_images, ["probe", "demo"], cluster.name)
    enforce = "pod-security.kubernetes.io/enforce=restricted"
    await asyncio.to_thread(kubectl, "label", "namespace", kubectl.namespace, enforce)
    made = Ground(kubectl, open_probes(world, kubectl.namespace, SystemClock(), [IMAGE]))
    await made.client.arm(made.plan, {3: {"url": Sealed(OLD)}, 4: {"url": Sealed(NEW)}}, "orders")
    await asyncio.to_thread(made.secret, NEW)
    return made
