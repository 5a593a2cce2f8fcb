"""The only place that builds things: ``keyturn operator`` and ``keyturn injector``. Arguments here, wiring beside it.

Each process imports only what it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

import structlog

from keyturn.main.privacy import close_to_others
from keyturn.ports import KeyturnError
from keyturn.providers import discover
from keyturn.reporters import log


def main(backends: Callable[[], None] = discover) -> None:
    """The console script. Ends with 0 when asked to stop, with 1 and a line that says why otherwise.

    ``backends`` offers those that plans may name; a distribution with one of its own brings its own script.
    """
    arguments = _parser().parse_args()
    close_to_others()
    log.configure(arguments.log_level)
    if arguments.kubeconfig is not None:
        os.environ["KUBECONFIG"] = str(arguments.kubeconfig)  # kopf reads it from there
    try:
        asyncio.run(_injector(arguments) if arguments.process == "injector" else _operator(arguments, backends))
    except KeyturnError as error:
        structlog.get_logger("keyturn").error("ended", reason=error.reason, message=error.message)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - its words may carry a secret: the log writes type and places only
        structlog.get_logger("keyturn").error("ended", reason="Bug", exc_info=error)
        sys.exit(1)


def _operator(arguments: argparse.Namespace, backends: Callable[[], None]) -> Coroutine[None, None, None]:
    from keyturn.kube.lease import LeaseTimes  # noqa: PLC0415 - not in the injector's memory
    from keyturn.main.operator import OperatorSettings, operate  # noqa: PLC0415 - same

    settings = OperatorSettings(
        operator_namespace=arguments.operator_namespace,
        backends=backends,
        namespaces=tuple(arguments.namespace),
        probe_images=tuple(arguments.probe_image),
        kubeconfig=arguments.kubeconfig,
        health_port=arguments.health_port,
        metrics_port=arguments.metrics_port,
        concurrency=arguments.concurrency,
        lease=LeaseTimes.of(arguments.lease_duration, arguments.lease_renew_deadline, arguments.lease_retry_period),
    )
    return operate(settings)


def _injector(arguments: argparse.Namespace) -> Coroutine[None, None, None]:
    from keyturn.injector.server import Settings  # noqa: PLC0415 - not in the operator's memory
    from keyturn.main.injector import inject  # noqa: PLC0415 - same

    settings = Settings(
        probe_image=arguments.probe_image,
        namespaces=tuple(arguments.namespace),
        certificates=arguments.certificates,
        port=arguments.port,
    )
    return inject(settings)


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
    operator.add_argument("--lease-duration", type=int, default=15, help="seconds others wait for a silent leader")
    operator.add_argument("--lease-renew-deadline", type=float, default=10, help="seconds until a leader stops itself")
    operator.add_argument("--lease-retry-period", type=float, default=2, help="seconds between attempts")
    sidecars = processes.add_parser("injector", parents=[shared], help="put the probe into pods that ask for it")
    sidecars.add_argument("--probe-image", required=True)
    sidecars.add_argument("--certificates", type=Path, default=Path("/etc/keyturn/tls"), help="tls.crt and tls.key")
    sidecars.add_argument("--port", type=int, default=8443)
    return parser
