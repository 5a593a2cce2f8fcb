"""A real MySQL for tests, of a program that somebody names: TLS only, on a free loopback port, gone afterwards."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pymysql

from keyturn_dev.cluster.shell import wait_until
from support.mariadb_server import ROOT_PASSWORD, MariadbServer

_STANDING = {"root", "mysql.sys", "mysql.session", "mysql.infoschema"}
_SYSTEMS = {"mysql", "information_schema", "performance_schema", "sys"}


class MysqlServer(MariadbServer):
    """One server in a directory of its own. ``program``: a mysqld, or a script that starts one with these options."""

    def __init__(self, program: Path, *further: str) -> None:
        super().__init__()
        self.program, self._further = program, further

    def twin(self) -> MysqlServer:
        other = MysqlServer(self.program)
        other.authority = self.authority
        return other

    def start(self) -> MysqlServer:
        certificate, key = self.authority.issue("localhost", "127.0.0.1")
        for name, content in (("cert.pem", certificate), ("key.pem", key), ("ca.pem", self.authority.ca_pem)):
            (self.home / name).write_bytes(content)
        made = subprocess.run(
            (str(self.program), *self._options(), "--initialize-insecure"), capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise RuntimeError(f"{self.program} could not be initialised: {made.stderr[-4000:]}")
        self.launch()
        self.sql(f"ALTER USER root@localhost IDENTIFIED BY '{ROOT_PASSWORD}'", password="")
        return self

    def launch(self) -> None:
        """Start what was made (again)."""
        home = str(self.home)
        (self.home / "sock").unlink(missing_ok=True)
        with (self.home / "server.err").open("ab") as errors:
            self._process = process = subprocess.Popen(
                (str(self.program), *self._options(), f"--port={self.port}", "--bind-address=127.0.0.1",
                 f"--socket={home}/sock", f"--pid-file={home}/pid", "--mysqlx=OFF", "--skip-name-resolve",
                 "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0",
                 "--general-log=1", f"--general-log-file={home}/general.log", "--max-connections=60",
                 f"--ssl-cert={home}/cert.pem", f"--ssl-key={home}/key.pem", f"--ssl-ca={home}/ca.pem",
                 "--require-secure-transport=1"),
                stdout=errors, stderr=errors,
            )  # fmt: skip
        wait_until(lambda: self._listens() or process.poll() is not None, timeout=60, every=0.05)
        if not self._listens():
            raise RuntimeError((self.home / "server.err").read_text(errors="replace")[-4000:])

    @property
    def version(self) -> str:
        """As the server says it."""
        return f"MySQL {self.sql('SELECT VERSION()')[0][0].split('-')[0]}"

    def script(self, path: Path) -> None:
        """A file as the client runs it, which knows of other ends of statements; Debian's is MariaDB's."""
        with self._root(ROOT_PASSWORD) as connection, connection.cursor() as cursor:
            for statement in _statements(path.read_text()):
                cursor.execute(statement)

    def clean(self) -> None:
        """No databases, accounts, roles and sessions but those that were there at first."""
        self.revive()
        for (name,) in self.sql("SHOW DATABASES"):
            if name not in _SYSTEMS:
                self.sql(f"DROP DATABASE `{name}`")
        for user, host in self.sql("SELECT user, host FROM mysql.user"):
            if user not in _STANDING:
                self.sql(f"DROP USER '{user}'@'{host}'")
        for number, user in self.sql("SELECT id, user FROM performance_schema.processlist"):
            if user not in {"root", "system user", "event_scheduler"}:
                self.sql(f"KILL {number}")

    def _root(self, password: str) -> pymysql.Connection[Any]:
        return pymysql.connect(unix_socket=str(self.home / "sock"), user="root", password=password, autocommit=True)

    def _options(self) -> tuple[str, ...]:
        return (
            "--no-defaults",
            *self._user(),
            f"--datadir={self.home}/data",
            "--secure-file-priv=NULL",
            *self._further,
        )


def _statements(script: str) -> list[str]:
    """Those of a script that sets ``DELIMITER //`` once and ``;`` after it."""
    before, inside, after = re.split(r"^DELIMITER .*$", script, flags=re.MULTILINE)
    bare = [re.sub(r"^--.*$", "", part, flags=re.MULTILINE) for part in (before, inside, after)]
    found: list[str] = []
    for part, end in zip(bare, (";", "//", ";"), strict=True):
        found += re.split(rf"{end}[^\n']*$", part, flags=re.MULTILINE)
    return [one.strip() for one in found if one.strip()]
