"""A real MariaDB for tests: TLS only, on a free loopback port, gone afterwards. It installs nothing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pymysql

from keyturn_dev.cluster.shell import wait_until
from support.redis_server import lasting_port
from support.tls import Authority

SERVER = Path("/usr/sbin/mariadbd")
ROOT_PASSWORD = "root-password-of-a-test"


class MariadbServer:
    """One server in a directory of its own."""

    host = "localhost"

    def __init__(self) -> None:
        self.authority = Authority()
        self.port = lasting_port()
        self.home = Path(tempfile.mkdtemp(prefix="keyturn-mariadb-"))
        self._process: subprocess.Popen[bytes] | None = None

    def twin(self) -> MariadbServer:
        """Another one with a certificate of the same authority, not started."""
        other = MariadbServer()
        other.authority = self.authority
        return other

    def start(self) -> MariadbServer:
        """True to the word: it accepts logins when this returns."""
        if not SERVER.exists():
            raise RuntimeError(f"{SERVER} is missing: apt-get install mariadb-server")
        certificate, key = self.authority.issue("localhost", "127.0.0.1")
        for name, content in (("cert.pem", certificate), ("key.pem", key), ("ca.pem", self.authority.ca_pem)):
            (self.home / name).write_bytes(content)
        subprocess.run(
            ("mariadb-install-db", "--no-defaults", *self._user(), f"--datadir={self.home}/data",
             "--auth-root-authentication-method=normal", "--skip-test-db"),
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.launch()
        self.sql(f"SET PASSWORD FOR root@localhost = PASSWORD('{ROOT_PASSWORD}')", password="")
        self.sql("DELETE FROM mysql.global_priv WHERE user = 'root' AND host <> 'localhost'", "FLUSH PRIVILEGES")
        return self

    def launch(self) -> None:
        """Start what was made (again)."""
        home = str(self.home)
        self._process = process = subprocess.Popen(
            (str(SERVER), "--no-defaults", *self._user(), f"--datadir={home}/data", f"--port={self.port}",
             "--bind-address=127.0.0.1", f"--socket={home}/sock", f"--pid-file={home}/pid",
             f"--log-error={home}/server.err",
             "--skip-name-resolve", "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0",
             "--general-log=1", f"--general-log-file={home}/general.log", "--max-connections=60",
             f"--ssl-cert={home}/cert.pem", f"--ssl-key={home}/key.pem", f"--ssl-ca={home}/ca.pem",
             "--require-secure-transport=1"),
        )  # fmt: skip
        wait_until(lambda: self._listens() or process.poll() is not None, timeout=60, every=0.05)
        if not self._listens():
            raise RuntimeError((self.home / "server.err").read_text(errors="replace")[-4000:])

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.home / "sock")) == 0

    @cached_property
    def version(self) -> str:
        """As the server says it."""
        return f"MariaDB {self.sql('SELECT VERSION()')[0][0].split('-')[0]}"

    def connect(self, user: str, password: str, **options: Any) -> pymysql.Connection:
        """As a consumer would: TLS, over the network."""
        return pymysql.connect(
            host=self.host, port=self.port, user=user, password=password, ssl_ca=str(self.home / "ca.pem"),
            ssl_verify_cert=True, ssl_verify_identity=True, autocommit=True, **options,
        )  # fmt: skip

    def sql(self, *statements: str, password: str = ROOT_PASSWORD) -> Sequence[tuple[Any, ...]]:
        """As an administrator, over the socket; the rows of the last one."""
        with self._root(password) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    def script(self, path: Path) -> None:
        """A file, as the docs tell to run it."""
        subprocess.run(
            ("mariadb", "--no-defaults", f"--socket={self.home}/sock", "-uroot", f"-p{ROOT_PASSWORD}"),
            input=path.read_bytes(), check=True,
        )  # fmt: skip

    def clean(self) -> None:
        """No databases, accounts, roles and sessions but those that were there at first."""
        self.revive()
        for (name,) in self.sql("SHOW DATABASES"):
            if name not in {"mysql", "information_schema", "performance_schema", "sys"}:
                self.sql(f"DROP DATABASE `{name}`")
        rows = "SELECT user, host, COALESCE(JSON_VALUE(priv, '$.is_role'), '0') FROM mysql.global_priv"
        for user, host, role in self.sql(rows):
            if user not in {"root", "mariadb.sys"}:
                self.sql(f"DROP ROLE '{user}'" if role in {"1", "true"} else f"DROP USER '{user}'@'{host}'")
        for number, user in self.sql("SELECT id, user FROM information_schema.processlist"):
            if user not in {"root", "system user"}:
                self.sql(f"KILL {number}")

    def revive(self) -> None:
        """Start again if a test stopped it."""
        if self._process is None:
            self.launch()

    def halt(self) -> None:
        """Stop at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    def stop(self) -> None:
        """Stop and leave nothing behind."""
        self.halt()
        shutil.rmtree(self.home, ignore_errors=True)

    def _root(self, password: str) -> pymysql.Connection:
        return pymysql.connect(unix_socket=str(self.home / "sock"), user="root", password=password, autocommit=True)

    def _user(self) -> tuple[str, ...]:
        return ("--user=root",) if os.geteuid() == 0 else ()
