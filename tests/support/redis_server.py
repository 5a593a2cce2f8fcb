"""A real Redis for tests, a replica beside it: TLS only, users in a file, on free loopback ports, gone afterwards.

It installs nothing.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from keyturn_dev.cluster.shell import wait_until
from support.tls import Authority

SERVER = Path("/usr/bin/redis-server")
ROOT, ROOT_PASSWORD = "root", "root-password-of-a-test"
REPLICA, REPLICA_PASSWORD = "replica", "replica-password-of-a-test"
ROTATOR, ROTATOR_PASSWORD = "keyturn-rotator", "rotator-password-of-a-test"
ROTATORS_RULES = (
    "+acl|list +acl|setuser +acl|save +acl|log +client|list +client|kill +config|get +config|rewrite +cluster|nodes "
    "+info +ping +select +multi +exec"
)
USERS = f"""\
user default off resetpass -@all
user {ROOT} on >{ROOT_PASSWORD} ~* &* +@all
user {REPLICA} on >{REPLICA_PASSWORD} resetchannels -@all +psync +replconf +ping
user {ROTATOR} on >{ROTATOR_PASSWORD} resetchannels -@all {ROTATORS_RULES}
"""
STANDING = ("default", ROOT, REPLICA, ROTATOR)


def lasting_port() -> int:
    """A free one that no outgoing connection is given while the server is down: a replica keeps calling it."""
    dice = random.Random()
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", dice.randrange(20_000, 32_000)))
            return int(probe.getsockname()[1])


@dataclass
class RedisServer:
    """One server in a directory of its own."""

    authority: Authority
    primary: RedisServer | None = None
    host: str = "localhost"
    port: int = field(default_factory=lasting_port)
    plain_port: int = 0  # without TLS, for who must read the protocol

    def __post_init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="keyturn-redis-"))
        self._process: subprocess.Popen[bytes] | None = None
        certificate, key = self.authority.issue("localhost", "127.0.0.1")
        for name, content in (("cert.pem", certificate), ("key.pem", key), ("ca.pem", self.authority.ca_pem)):
            (self.home / name).write_bytes(content)
        (self.home / "users.acl").write_text(USERS)

    def start(self, *, forgetful: bool = False) -> RedisServer:
        """True to the word: it answers when this returns, and a replica follows its primary.

        ``forgetful``: it has no file for users and no configuration file; a restart loses all.
        """
        if not SERVER.exists():
            raise RuntimeError(f"{SERVER} is missing: apt-get install redis-server")
        options = self._options()
        if forgetful:
            del options["aclfile"]
            self._words = [word for name, value in options.items() for word in (f"--{name}", value)]
        else:
            lines = [f'{name} "{value}"\n' for name, value in options.items()]
            (self.home / "redis.conf").write_text("".join(lines))
            self._words = [str(self.home / "redis.conf")]
        self._run()
        if forgetful:
            with self.client("default", "any", patient=True) as first:
                for line in reversed(USERS.splitlines()):
                    first.execute_command("ACL", "SETUSER", *line.split()[1:])
        self._until_ready()
        return self

    def launch(self) -> None:
        """Start what was made (again)."""
        self._run()
        self._until_ready()

    def _run(self) -> None:
        self._process = subprocess.Popen([str(SERVER), *self._words], cwd=self.home)

    def _until_ready(self) -> None:
        with self.client(ROOT, ROOT_PASSWORD, patient=True) as root:
            if not wait_until(lambda: self._follows(root), timeout=60, every=0.02):
                raise RuntimeError((self.home / "server.log").read_text())

    def _follows(self, root: redis.Redis) -> bool:
        replication: Any = root.info("replication")
        return self.primary is None or replication["master_link_status"] == "up"

    def _options(self) -> dict[str, str]:
        options = {
            "dir": str(self.home), "bind": "127.0.0.1", "save": "", "logfile": "server.log",
            "port": str(self.plain_port), "tls-port": str(self.port), "tls-cert-file": "cert.pem",
            "tls-key-file": "key.pem", "tls-ca-cert-file": "ca.pem", "tls-auth-clients": "no",
            "tls-replication": "yes", "maxclients": "4000",
            "aclfile": str(self.home / "users.acl"), "repl-diskless-sync-delay": "0",
        }  # fmt: skip
        if self.primary is not None:
            options |= {"replicaof": f'127.0.0.1" "{self.primary.port}', "masteruser": REPLICA,
                        "masterauth": REPLICA_PASSWORD}  # fmt: skip
        return options

    def client(self, user: str, password: str, *, patient: bool = False, **options: Any) -> redis.Redis:
        """As a consumer would log in; ``patient`` waits for a server that is starting."""
        retry = Retry(ConstantBackoff(0.05), 200 if patient else 0)
        return redis.Redis(
            host=self.host, port=self.port, username=user, password=password, ssl=True, decode_responses=True,
            ssl_ca_data=self.authority.ca_pem.decode(), retry=retry, protocol=2, **options,
        )  # fmt: skip

    def do(self, *words: str) -> Any:
        """As an administrator."""
        with self.client(ROOT, ROOT_PASSWORD) as root:
            return root.execute_command(*words)

    def clean(self) -> None:
        """Nobody but who was there at first, as he was; nobody connected; no keys, no log."""
        self.revive()
        with self.client(ROOT, ROOT_PASSWORD) as root:
            others = [name for name in root.acl_users() if name not in STANDING]
            if others:
                root.acl_deluser(*others)
            root.execute_command("ACL", "LOG", "RESET")
            if self.primary is None:
                root.flushall()

    def revive(self) -> None:
        """Start again if a test stopped it."""
        if self._process is None:
            self.launch()

    def halt(self) -> None:
        """Stop at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def stop(self) -> None:
        """Stop and leave nothing behind."""
        self.halt()
        shutil.rmtree(self.home, ignore_errors=True)


class RedisPair:
    """A primary and its replica. ``plain``: they listen without TLS too."""

    def __init__(self, *, plain: bool = False) -> None:
        authority = Authority()
        first, second = (lasting_port() if plain else 0 for _ in range(2))
        self.primary = RedisServer(authority, plain_port=first)
        self.replica = RedisServer(authority, primary=self.primary, plain_port=second)

    def start(self) -> RedisPair:
        for server in self.both:
            server.start()
        return self

    @property
    def both(self) -> tuple[RedisServer, RedisServer]:
        return self.primary, self.replica

    @cached_property
    def version(self) -> str:
        told: Any = self.primary.do("INFO", "server")
        return f"Redis {told['redis_version']}, with a replica"

    def everywhere(self, *words: str) -> None:
        for server in self.both:
            server.do(*words)

    def clean(self) -> None:
        for server in self.both:
            server.clean()

    def stop(self) -> None:
        for server in reversed(self.both):
            server.stop()
