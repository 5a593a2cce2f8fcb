"""``keyturn operator``: builds everything that a running operator needs. Wiring, no logic."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import structlog
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from keyturn.core.model import ObjectKey
from keyturn.kube import handlers
from keyturn.kube.client import KubeClient
from keyturn.kube.cluster import KubeCluster
from keyturn.kube.following import Following
from keyturn.kube.keys import Keyring
from keyturn.kube.lease import Elector, LeaseTimes
from keyturn.kube.lease_store import KubeLease
from keyturn.kube.operating import Operation
from keyturn.kube.pages import Heartbeat, served
from keyturn.kube.probes import ProbeClient
from keyturn.kube.queue import WorkQueue
from keyturn.kube.wakeups import Wakeups
from keyturn.providers import OpenProviders
from keyturn.reconciler import Reconciler
from keyturn.reporters import log
from keyturn.reporters.fanout import Fanout
from keyturn.reporters.metrics import Metrics

LEASE = "keyturn-operator"


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """How the chart starts the operator."""

    operator_namespace: str
    backends: Callable[[], None]  # offers those that plans may name
    namespaces: tuple[str, ...] = ()  # none: all
    probe_images: tuple[str, ...] = ()  # answers from others are not believed; none: any
    kubeconfig: Path | None = None  # None: the pod's service account
    health_port: int = 8081
    metrics_port: int = 8080
    concurrency: int = 8  # plans worked on at once
    lease: LeaseTimes = field(default_factory=LeaseTimes)


class SystemClock:
    """Implements ``ports.Clock``: the one place that asks for the time."""

    def now(self) -> datetime:
        """Aware, UTC."""
        return datetime.now(UTC)  # noqa: TID251 - everybody else takes the clock as an argument


async def operate(settings: OperatorSettings) -> None:
    """Run the operator until SIGTERM or SIGINT. The lease is given back at the end."""
    stop = asyncio.Event()
    _end_with_signals(stop)
    async with (
        await KubeClient.connect(settings.kubeconfig) as client,
        await KubeClient.connect(settings.kubeconfig, seconds=settings.lease.call) as lease_client,
        await KubeClient.connect(settings.kubeconfig) as watch_client,
    ):
        await _operate(settings, Clients(client, lease_client, watch_client), stop)


@dataclass(frozen=True, slots=True)
class Clients:
    """Connections apart, so that neither a burst of calls nor many watches can hold up the lease."""

    calls: KubeClient
    lease: KubeClient
    watches: KubeClient


async def _operate(settings: OperatorSettings, clients: Clients, stop: asyncio.Event) -> None:
    clock, identity = SystemClock(), f"{os.environ.get('POD_NAME') or socket.gethostname()}_{uuid4().hex[:8]}"
    settings.backends()
    registry = _metrics_registry()
    metrics = Metrics(registry)
    lease = KubeLease(clients.lease, ObjectKey(settings.operator_namespace, LEASE))
    elector = Elector(lease, identity, clock, times=settings.lease, monotonic=_monotonic)
    clients.calls.fenced_by(elector.fence)
    queue: WorkQueue[ObjectKey] = WorkQueue(concurrency=settings.concurrency, failed=_tell_bug)
    following = Following(clients.watches, queue.wake)
    cluster = KubeCluster(
        clients.calls,
        operator_namespace=settings.operator_namespace,
        identity=identity,
        clock=clock,
        namespaces=settings.namespaces,
        following=following,
    )
    probes = ProbeClient(Keyring(cluster, settings.operator_namespace), cluster, settings.probe_images, clock)
    reporter = Fanout([metrics, log.LogReporter()])
    reconciler = Reconciler(cluster, OpenProviders(clock, cluster, probes), probes, clock, reporter, elector.act)
    heartbeat, ready = Heartbeat(), asyncio.Event()
    wakeups = Wakeups(queue.wake)
    in_cluster = settings.kubeconfig is None

    async def everything() -> Sequence[ObjectKey]:
        return [plan.key for plan in await cluster.plans()]

    def leading(epoch: int) -> None:
        _tell_lead(metrics, epoch)
        if not epoch:
            following.unfollow_all()

    operation = Operation(
        elector=elector,
        queue=queue,
        reconcile=reconciler.reconcile,
        everything=everything,
        background=(
            handlers.watch(
                wakeups,
                settings.namespaces,
                in_cluster=in_cluster,
                ready=ready,
                heartbeat=heartbeat,
                signals=lambda: _end_with_signals(stop),
            ),
            following.run(),
            heartbeat.beat(),
        ),
        stop=stop,
        leading=leading,
    )
    async with served(heartbeat, ready, registry, ports=(settings.health_port, settings.metrics_port)):
        structlog.get_logger("keyturn").info(
            "operator starts", identity=identity, namespaces=settings.namespaces or ["*"]
        )
        await operation.run()


def _end_with_signals(stop: asyncio.Event) -> None:
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)


def _monotonic() -> float:
    """Goes on while the machine is suspended, where the system can tell: a lease runs out meanwhile."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _metrics_registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry


def _tell_lead(metrics: Metrics, epoch: int) -> None:
    metrics.leading(epoch)
    structlog.get_logger("keyturn").info("leads" if epoch else "leads no more", epoch=epoch)


def _tell_bug(key: ObjectKey, error: Exception) -> None:
    """The reconciler lets none of the ports' errors through: this one is a mistake of ours."""
    structlog.get_logger("keyturn").error("reconcile failed", plan=str(key), exc_info=error)
