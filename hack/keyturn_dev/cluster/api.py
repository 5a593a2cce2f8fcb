"""The cluster for Python: what `hack/demo`, `hack/test` and `hack/bench` use to get one. Prints progress only."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from keyturn_dev.cluster import tools
from keyturn_dev.cluster.driver import Driver, Part
from keyturn_dev.cluster.existing import ExistingDriver
from keyturn_dev.cluster.home import DEFAULT_NAME, Home
from keyturn_dev.cluster.kind import KindDriver, engine
from keyturn_dev.cluster.local.driver import LocalDriver
from keyturn_dev.cluster.shell import Trouble, say
from keyturn_dev.images import builder

DRIVERS: Mapping[str, type[ExistingDriver | KindDriver | LocalDriver]] = {
    driver.name: driver for driver in (ExistingDriver, KindDriver, LocalDriver)
}


@dataclass(frozen=True, slots=True)
class Etcd:
    """Where the cluster's database answers, and what it wants to see: for tests that search it for secrets."""

    url: str
    authority: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that is up. `audit_log` and `etcd` are None where the driver has no way to them."""

    name: str
    driver: str
    kubeconfig: Path
    kubectl: Path
    helm: Path
    audit_log: Path | None
    etcd: Etcd | None

    def environment(self) -> dict[str, str]:
        """The variables that make kubectl and helm of the pinned versions, and every client, use this cluster."""
        search = f"{self.kubectl.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {"KUBECONFIG": str(self.kubeconfig), "PATH": search}


def ensure_cluster(name: str = DEFAULT_NAME, driver: str | None = None) -> Cluster:
    """Bring the cluster up if it is not, and say how to use it.

    Raises Trouble, with a hint, where that cannot be done.
    """
    home = Home.of(name)
    with home.locked():
        chosen = _choose(home, driver)
        home.remember_driver(chosen.name)
        try:
            chosen.up()
        except Trouble:
            home.forget_if_empty()
            raise
    return _cluster(home, chosen.name)


def load_images(names: Iterable[str], name: str = DEFAULT_NAME) -> None:
    """Build those images that are not built as they should be now, and give them to the cluster's node."""
    home = Home.of(name)
    wanted = list(names)
    archives = builder.build(wanted)
    with home.locked():
        driver = _remembered(home)
        for image, path in zip(wanted, archives, strict=True):
            stamp = home.root / f"loaded-{path.stem.partition('-')[0]}"
            if stamp.exists() and stamp.read_text() == path.name:
                continue
            driver.load([path])
            stamp.write_text(path.name)
            say(f"cluster: loaded {image}")


def tear_down(name: str = DEFAULT_NAME) -> None:
    """Take the cluster away, whatever state it is in. Nothing stays but the user's cache."""
    home = Home.of(name)
    with home.locked():
        if home.driver:
            DRIVERS[home.driver](home).down()
        home.forget()


def status(name: str = DEFAULT_NAME) -> tuple[str | None, list[Part]]:
    """The driver of the cluster and how each part is; None and nothing when there is no cluster."""
    home = Home.of(name)
    return (home.driver, _remembered(home).status()) if home.driver else (None, [])


def describe(name: str = DEFAULT_NAME) -> Cluster:
    """The cluster as it was brought up last, without looking whether it still works."""
    home = Home.of(name)
    return _cluster(home, _remembered(home).name)


def automatic_driver() -> str | None:
    """What `up` would choose on this machine: never somebody's own cluster; None where nothing works."""
    if engine():
        return KindDriver.name
    return LocalDriver.name if sys.platform == "linux" and os.geteuid() == 0 else None


def _choose(home: Home, wanted: str | None) -> Driver:
    if wanted and wanted not in DRIVERS:
        raise Trouble(f"there is no driver '{wanted}'", f"Choose one of {', '.join(DRIVERS)}.")
    if home.driver and wanted and wanted != home.driver:
        raise Trouble(f"{home.name} is a cluster of the {home.driver} driver", "Run hack/cluster down first.")
    chosen = wanted or home.driver or automatic_driver()
    if chosen is None:
        hint = "Start Docker or Podman, or run as root on Linux, or use --driver existing with your own kubeconfig."
        raise Trouble("no driver works on this machine", hint)
    return DRIVERS[chosen](home)


def _remembered(home: Home) -> Driver:
    if home.driver is None:
        raise Trouble("there is no cluster", "Run hack/cluster up first.")
    return DRIVERS[home.driver](home)


def _cluster(home: Home, driver: str) -> Cluster:
    access = LocalDriver(home).access() if driver == LocalDriver.name else None
    return Cluster(
        name=home.name,
        driver=driver,
        kubeconfig=home.kubeconfig,
        kubectl=tools.path("kubectl"),
        helm=tools.path("helm"),
        audit_log=access.audit_log if access else None,
        etcd=Etcd(access.etcd_url, *access.etcd_credentials) if access else None,
    )
