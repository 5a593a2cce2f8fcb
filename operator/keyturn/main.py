"""The only place that builds things: ``keyturn operator`` and ``keyturn injector``. Arguments and wiring, no logic."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import structlog
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from keyturn.core.model import ObjectKey
from keyturn.injector import server as injector
from keyturn.kube import handlers
from keyturn.kube.client import KubeClient
from keyturn.kube.cluster import KubeCluster
from keyturn.kube.keys import Keyring
from keyturn.kube.lease import Elector
from keyturn.kube.lease_store import KubeLease
from keyturn.kube.operating import Operation
from keyturn.kube.pages import Heartbeat, served
from keyturn.kube.probes import ProbeClient
from keyturn.kube.queue import WorkQueue
from keyturn.kube.wakeups import Wakeups
from keyturn.ports import KeyturnError
from keyturn.providers import OpenProviders
from keyturn.reconciler import Reconciler
from keyturn.reporters import log
from keyturn.reporters.fanout import Fanout
from keyturn.reporters.metrics import Metrics

LEASE = "keyturn-operator"
_LEASE_CALL_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """How the chart starts the operator."""

    operator_namespace: str
    namespaces: tuple[str, ...] = ()  # none: all
    probe_images: tuple[str, ...] = ()  # answers from others are not believed; none: any
    kubeconfig: Path | None = None  # None: the pod's service account
    health_port: int = 8081
    metrics_port: int = 8080
    concurrency: int = 8  # plans worked on at once


class SystemClock:
    """Implements ``ports.Clock``: the one place that asks for the time."""

    def now(self) -> datetime:
        """Aware, UTC."""
        return datetime.now(UTC)  # noqa: TID251 - everybody else takes the clock as an argument


def main() -> None:
    """The console script. Ends with 0 when asked to stop, with 1 and a line that says why otherwise."""
    arguments = _parser().parse_args()
    log.configure(arguments.log_level)
    if arguments.kubeconfig is not None:
        os.environ["KUBECONFIG"] = str(arguments.kubeconfig)  # kopf reads it from there
    try:
        asyncio.run(_injector(arguments) if arguments.process == "injector" else operate(_settings(arguments)))
    except KeyturnError as error:
        structlog.get_logger("keyturn").error("ended", reason=error.reason, message=error.message)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - its words may carry a secret: the log writes type and places only
        structlog.get_logger("keyturn").error("ended", reason="Bug", exc_info=error)
        sys.exit(1)


async def operate(settings: OperatorSettings) -> None:
    """Run the operator until SIGTERM or SIGINT. The lease is given back at the end."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with (
        await KubeClient.connect(settings.kubeconfig) as client,
        await KubeClient.connect(settings.kubeconfig, seconds=_LEASE_CALL_SECONDS) as lease_client,
    ):
        await _operate(settings, client, lease_client, stop)


async def _operate(
    settings: OperatorSettings, client: KubeClient, lease_client: KubeClient, stop: asyncio.Event
) -> None:
    clock, identity = SystemClock(), f"{os.environ.get('POD_NAME') or socket.gethostname()}_{uuid4().hex[:8]}"
    registry = _metrics_registry()
    metrics = Metrics(registry)
    lease = KubeLease(lease_client, ObjectKey(settings.operator_namespace, LEASE))
    elector = Elector(lease, identity, clock, monotonic=_monotonic)
    client.fenced_by(elector.fence)
    cluster = KubeCluster(client, operator_namespace=settings.operator_namespace, identity=identity, clock=clock)
    probes = ProbeClient(Keyring(cluster, settings.operator_namespace), cluster, settings.probe_images, clock)
    reporter = Fanout([metrics, log.LogReporter()])
    reconciler = Reconciler(cluster, OpenProviders(), probes, clock, reporter, lambda: elector.epoch)
    queue: WorkQueue[ObjectKey] = WorkQueue(concurrency=settings.concurrency, failed=_tell_bug)
    heartbeat, ready = Heartbeat(), asyncio.Event()
    wakeups = Wakeups(queue.wake)
    in_cluster = settings.kubeconfig is None

    async def everything() -> Sequence[ObjectKey]:
        found = [await cluster.plans(namespace) for namespace in settings.namespaces or (None,)]
        return [plan.key for plans in found for plan in plans]

    operation = Operation(
        elector=elector,
        queue=queue,
        reconcile=reconciler.reconcile,
        everything=everything,
        background=(
            handlers.watch(wakeups, settings.namespaces, in_cluster=in_cluster, ready=ready),
            heartbeat.beat(),
        ),
        stop=stop,
        leading=lambda epoch: _tell_lead(metrics, epoch),
    )
    async with served(heartbeat, ready, registry, ports=(settings.health_port, settings.metrics_port)):
        structlog.get_logger("keyturn").info(
            "operator starts", identity=identity, namespaces=settings.namespaces or ["*"]
        )
        await operation.run()


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


async def _injector(arguments: argparse.Namespace) -> None:
    settings = injector.Settings(
        probe_image=arguments.probe_image,
        namespaces=tuple(arguments.namespace),
        certificates=arguments.certificates,
        port=arguments.port,
    )
    serving = asyncio.ensure_future(injector.serve(settings))
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        return


def _settings(arguments: argparse.Namespace) -> OperatorSettings:
    return OperatorSettings(
        operator_namespace=arguments.operator_namespace,
        namespaces=tuple(arguments.namespace),
        probe_images=tuple(arguments.probe_image),
        kubeconfig=arguments.kubeconfig,
        health_port=arguments.health_port,
        metrics_port=arguments.metrics_port,
        concurrency=arguments.concurrency,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("keyturn", description="Rotates credentials, and proves that it was safe.")
    processes = parser.add_subparsers(dest="process", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    scope = shared.add_mutually_exclusive_group()
    scope.add_argument("--namespace", action="append", default=[], help="serve this namespace; can be repeated")
    scope.add_argument("--all-namespaces", action="store_true", help="serve the whole cluster (default)")
    shared.add_argument("--kubeconfig", type=Path, help="run outside the cluster; default: the pod's service account")
    operator = processes.add_parser("operator", parents=[shared], help="run rotations")
    operator.add_argument("--operator-namespace", required=True, help="where the lease and the escrow live")
    operator.add_argument(
        "--probe-image", action="append", default=[], help="believe probes of this image only; can be repeated"
    )
    operator.add_argument("--health-port", type=int, default=8081)
    operator.add_argument("--metrics-port", type=int, default=8080)
    operator.add_argument("--concurrency", type=int, default=8, help="plans worked on at once")
    sidecars = processes.add_parser("injector", parents=[shared], help="put the probe into pods that ask for it")
    sidecars.add_argument("--probe-image", required=True)
    sidecars.add_argument("--certificates", type=Path, default=Path("/etc/keyturn/tls"), help="tls.crt and tls.key")
    sidecars.add_argument("--port", type=int, default=8443)
    return parser
