"""A real RabbitMQ for tests: TLS only, with its management API, on free loopback ports, gone afterwards.

It installs nothing. It has a port mapper of its own, so nothing of it outlives the tests.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from keyturn_dev.cluster.shell import wait_until
from support.redis_server import lasting_port
from support.tls import Authority

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
ROOT, ROOT_PASSWORD = "root", "root-password-of-a-test"
ROTATOR, ROTATOR_PASSWORD = "keyturn-rotator", "rotator-password-of-a-test"
STANDING = (ROOT, ROTATOR)
PLUGINS = ("rabbitmq_management", "rabbitmq_shovel")
OTHER_PROTOCOLS = ("rabbitmq_mqtt", "rabbitmq_stomp")


class RabbitmqServer:
    """One node in a directory of its own."""

    host = "localhost"

    def __init__(
        self, authority: Authority | None = None, *, peer: RabbitmqServer | None = None, others: bool = False
    ) -> None:
        """``peer``: a node whose cluster it can join. ``others``: it speaks MQTT and STOMP as well."""
        self.authority = authority or Authority()
        self.port, self.api_port, self._dist, self.mqtt_port, self.stomp_port, own = lasting_ports(6)
        self._mapper_port = peer._mapper_port if peer else own
        self._cookie = peer._cookie if peer else os.urandom(12).hex().upper()
        self.home = Path(tempfile.mkdtemp(prefix="keyturn-rabbitmq-"))
        self.node = f"kt{self.port}@localhost"
        self._process: subprocess.Popen[bytes] | None = None
        self._mapper: subprocess.Popen[bytes] | None = None
        self._has_mapper, self._others = peer is None, others

    def start(self) -> RabbitmqServer:
        """True to the word: it answers, and lets in, when this returns."""
        if not SERVER.exists():
            raise RuntimeError(f"{SERVER} is missing: apt-get install rabbitmq-server")
        certificate, key = self.authority.issue("localhost", "127.0.0.1")
        for name, content in (("cert.pem", certificate), ("key.pem", key), ("ca.pem", self.authority.ca_pem)):
            (self.home / name).write_bytes(content)
        cookie = self.home / ".erlang.cookie"
        cookie.write_text(self._cookie)
        cookie.chmod(0o400)
        (self.home / "rabbitmq.conf").write_text("".join(f"{name} = {value}\n" for name, value in self._options()))
        plugins = PLUGINS + OTHER_PROTOCOLS * self._others
        (self.home / "plugins").write_text(f"[{','.join(plugins)}].\n")
        if self._has_mapper:
            self._mapper = subprocess.Popen(("epmd", "-port", str(self._mapper_port), "-address", "127.0.0.1"))
        self.launch()
        self.put("users", ROTATOR, password=ROTATOR_PASSWORD, tags="administrator")
        return self

    def launch(self) -> None:
        """Start what was made (again)."""
        with (self.home / "out.log").open("ab") as out:
            self._process = process = subprocess.Popen(
                (str(SERVER),), env=self._environment(), cwd=self.home, stdout=out, stderr=out, start_new_session=True
            )
        wait_until(lambda: self._answers() or process.poll() is not None, timeout=120, every=0.1)
        if not self._answers():
            raise RuntimeError((self.home / "out.log").read_text(errors="replace")[-4000:])

    def _answers(self) -> bool:
        """In every protocol: the management API comes first."""
        with contextlib.suppress(httpx.HTTPError):
            answer = self.api.get("overview")
            open_ = {one["port"] for one in answer.json()["listeners"]} if answer.is_success else set()
            return {self.port, *((self.mqtt_port, self.stomp_port) if self._others else ())} <= open_
        return False

    def _options(self) -> list[tuple[str, object]]:
        tls = [("cacertfile", self.home / "ca.pem"), ("certfile", self.home / "cert.pem"),
               ("keyfile", self.home / "key.pem")]  # fmt: skip
        others = (("mqtt.listeners.tcp.1", f"127.0.0.1:{self.mqtt_port}"),
                  ("stomp.listeners.tcp.1", f"127.0.0.1:{self.stomp_port}"))  # fmt: skip
        return [
            ("listeners.tcp", "none"), ("listeners.ssl.1", f"127.0.0.1:{self.port}"),
            *((f"ssl_options.{name}", value) for name, value in tls), ("ssl_options.verify", "verify_none"),
            ("management.ssl.ip", "127.0.0.1"), ("management.ssl.port", self.api_port),
            *((f"management.ssl.{name}", value) for name, value in tls),
            ("default_user", ROOT), ("default_pass", ROOT_PASSWORD), ("loopback_users", "none"),
            ("collect_statistics_interval", 1000), *(others if self._others else ()),
        ]  # fmt: skip

    def _environment(self) -> dict[str, str]:
        home = str(self.home)
        return {
            "PATH": os.environ["PATH"], "HOME": home, "LANG": "C.UTF-8", "RABBITMQ_NODENAME": self.node,
            "ERL_EPMD_PORT": str(self._mapper_port), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(self._dist), "RABBITMQ_MNESIA_BASE": f"{home}/data",
            "RABBITMQ_LOG_BASE": f"{home}/log", "RABBITMQ_PID_FILE": f"{home}/pid",
            "RABBITMQ_CONFIG_FILE": f"{home}/rabbitmq.conf", "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +A 4 -kernel inet_dist_use_interface {127,0,0,1}",
        }  # fmt: skip

    @cached_property
    def security(self) -> ssl.SSLContext:
        """As a client of its."""
        return ssl.create_default_context(cadata=self.authority.ca_pem.decode())

    @cached_property
    def api(self) -> httpx.Client:
        """As an administrator."""
        base = f"https://{self.host}:{self.api_port}/api/"
        return httpx.Client(base_url=base, auth=(ROOT, ROOT_PASSWORD), verify=self.security, trust_env=False)

    def get(self, *path: str) -> Any:
        """What there is, None if there is no such thing."""
        answer = self.api.get(_path(path))
        return None if answer.status_code == 404 else answer.raise_for_status().json()

    def put(self, *path: str, **body: object) -> None:
        self.api.put(_path(path), json=body).raise_for_status()

    def drop(self, *path: str) -> None:
        answer = self.api.delete(_path(path))
        assert answer.status_code in {204, 404}, answer.text

    def ctl(self, *words: str) -> str:
        """On the command line."""
        command = (str(SERVER.with_name("rabbitmqctl")), "-n", self.node, *words)
        return subprocess.run(command, env=self._environment(), check=True, capture_output=True, text=True).stdout

    @cached_property
    def version(self) -> str:
        return f"RabbitMQ {self.get('overview')['rabbitmq_version']}"

    def clean(self) -> None:
        """Nobody but who was there at first; nobody connected; no queue, no limit, no parameter."""
        self.revive()
        self.put("vhosts", "/")
        self.put("permissions", "/", ROOT, configure=".*", write=".*", read=".*")
        self.drop("permissions", "/", ROTATOR)
        for row in self.get("users"):
            if row["name"] not in STANDING:
                self.drop("users", row["name"])
        for row in self.get("vhosts"):
            if row["name"] != "/":
                self.drop("vhosts", row["name"])
        self.drop("vhost-limits", "/", "max-connections")
        for row in self.get("parameters"):
            if row["component"] != "vhost-limits":
                self.drop("parameters", row["component"], row["vhost"], row["name"])
        for row in self.get("policies"):
            self.drop("policies", row["vhost"], row["name"])
        for row in self.get("queues"):
            self.drop("queues", row["vhost"], row["name"])

    def join(self, peer: RabbitmqServer) -> None:
        """Be a node of its cluster from now on."""
        for words in (("stop_app",), ("join_cluster", peer.node), ("start_app",)):
            self.ctl(*words)
        if not wait_until(self._answers, timeout=60, every=0.1):
            raise RuntimeError((self.home / "out.log").read_text(errors="replace")[-4000:])

    def revive(self) -> None:
        """Start again if a test stopped it."""
        if self._process is None:
            self.launch()

    def halt(self) -> None:
        """Stop at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(20)
            self._process = None

    def stop(self) -> None:
        """Stop and leave nothing behind."""
        self.halt()
        self.api.close()
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.wait(10)
        shutil.rmtree(self.home, ignore_errors=True)


def lasting_ports(count: int) -> list[int]:
    """So many different ones."""
    found: set[int] = set()
    while len(found) < count:
        found.add(lasting_port())
    return list(found)


def _path(path: tuple[str, ...]) -> str:
    return "/".join(part.replace("/", "%2F") for part in path)
