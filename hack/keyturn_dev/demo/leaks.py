"""Looks for credentials' values where none may be: the cluster's database, every log, metrics, what the CLI prints.

It needs the values themselves to look for them; what it returns names places, never values.
"""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import quote

import httpx

from keyturn_dev.cluster.api import Etcd
from keyturn_dev.demo.kubectl import Kubectl
from keyturn_dev.demo.play import Seen


def forms(value: str) -> set[bytes]:
    """The ways a value may be written: as it is, quoted for a URL, as Python shows it, in base64 at any offset."""
    found = {value.encode(), quote(value, safe="").encode(), repr(value)[1:-1].encode()}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + value.encode())
        inner = encoded[(0, 2, 3)[shift] : -4]  # what does not depend on the neighbours
        found |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def holds(text: bytes, canaries: Mapping[str, str]) -> list[str]:
    """The names of the canaries that appear in a text, in any form."""
    return [name for name, value in canaries.items() if any(form in text for form in forms(value))]


@dataclass(frozen=True, slots=True)
class EtcdDump:
    """Every key and value that the cluster's database holds, and held since its last compaction."""

    etcd: Etcd

    def versions(self) -> Iterator[tuple[str, bytes]]:
        """Key and value of every version still kept."""
        context = ssl.create_default_context(cafile=str(self.etcd.authority))
        context.load_cert_chain(self.etcd.certificate, self.etcd.key)
        with httpx.Client(base_url=self.etcd.url, verify=context, timeout=60) as client:
            everything = {"key": _coded(b"\0"), "range_end": _coded(b"\0")}
            answer = client.post("/v3/kv/range", json=everything).raise_for_status().json()
            yield from _pairs(answer.get("kvs", []))
            yield from self._history(client, int(answer["header"]["revision"]))

    def _history(self, client: httpx.Client, until: int) -> Iterator[tuple[str, bytes]]:
        start = 1
        while True:
            everything = {"key": _coded(b"\0"), "range_end": _coded(b"\0"), "start_revision": str(start)}
            compacted = 0
            with client.stream("POST", "/v3/watch", json={"create_request": everything}) as stream:
                for line in stream.iter_lines():
                    result = json.loads(line)["result"]
                    compacted = int(result.get("compact_revision", 0))
                    if compacted:
                        break
                    events = result.get("events", [])
                    yield from _pairs([event["kv"] for event in events])
                    if events and int(events[-1]["kv"]["mod_revision"]) >= until:
                        return
            if not compacted:
                return
            start = compacted


def _coded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _pairs(entries: list[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
    for entry in entries:
        yield base64.b64decode(entry["key"]).decode(), base64.b64decode(entry.get("value", ""))


@dataclass(slots=True)
class LogKeeper:
    """Follows the log of every container of some namespaces as soon as its pod is seen: logs vanish with their pods."""

    kubectl: Kubectl
    seen: Seen
    namespaces: frozenset[str]
    place: Path
    _streams: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, subprocess.Popen[bytes]])
    _stop: Event = field(default_factory=Event)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        Thread(target=self._look, daemon=True).start()

    def finish(self) -> None:
        """Stop following."""
        self._stop.set()
        for stream in self._streams.values():
            stream.terminate()
            stream.wait(timeout=10)

    def texts(self) -> dict[str, bytes]:
        """What every pod wrote so far, by namespace and name."""
        return {path.stem: path.read_bytes() for path in self.place.glob("*.log")}

    def _look(self) -> None:
        with ExitStack() as files:
            while not self._stop.wait(0.5):
                for pod in self.seen.pods().values():
                    if pod.namespace in self.namespaces and pod.address and pod.uid not in self._streams:
                        out = files.enter_context((self.place / f"{pod.namespace}.{pod.name}.log").open("wb"))
                        self._streams[pod.uid] = self._follow(pod.namespace, pod.name, out.fileno())

    def _follow(self, namespace: str, pod: str, out: int) -> subprocess.Popen[bytes]:
        words = ["logs", "-f", "-n", namespace, pod, "--all-containers", "--prefix", "--pod-running-timeout=60s"]
        environment = self.kubectl.cluster.environment()
        argv = [str(self.kubectl.cluster.kubectl), *words]
        return subprocess.Popen(argv, env=environment, stdout=out, stderr=subprocess.STDOUT)


def scratch() -> Path:
    """A directory for logs; the caller removes it."""
    return Path(tempfile.mkdtemp(prefix="keyturn-logs-"))
