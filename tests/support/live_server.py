"""The real mgral-server over a private PostgreSQL, for tests written in Python.

Both listen on loopback, on ports that the kernel chose, live in one temporary folder, and die with
the thread that started them, also when that is killed. The standard library suffices.
"""

from __future__ import annotations

import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Callable, Dict, List, Optional, Type, TypeVar

_START_SECONDS = 60
_Self = TypeVar("_Self", bound="_Running")


# Before a command: it dies with the thread that started it. Not a function for the child to call
# (preexec_fn): with gRPC's threads about, a forked Python may wait for a lock that nobody holds.
DIE_WITH_PARENT = ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--"]


def _wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes],
                log: pathlib.Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"it did not start; its log:\n{log.read_text(errors='replace')}")
        time.sleep(0.02)  # between looks, not instead of one


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server_binary() -> str:
    """What MGRAL_SERVER_BINARY names, else what the preset "release" builds."""
    root = pathlib.Path(__file__).resolve().parents[2]
    given = os.environ.get("MGRAL_SERVER_BINARY")
    return given or str(root / "build/release/server/main/mgral-server")


class _Running:
    """A program with a folder of its own, in a `with`: both go at its end."""

    _end = signal.SIGKILL  # how it is told to go

    def __init__(self, folder: str) -> None:
        self.folder = pathlib.Path(folder)
        self._process: Optional[subprocess.Popen[bytes]] = None

    def __enter__(self: _Self) -> _Self:
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if self._process is not None:
            self._process.send_signal(self._end)
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        raise NotImplementedError


class PostgresCluster(_Running):
    """A cluster of its own; as root it runs as user postgres. Use it in a `with`."""

    _end = signal.SIGINT  # ends its sessions, then itself

    def __init__(self) -> None:
        # /tmp and not TMPDIR: the path of a unix socket has 107 bytes.
        super().__init__(tempfile.mkdtemp(prefix="mgral-python-", dir="/tmp"))
        self.port = _free_port()
        self._user: Optional[str] = "postgres" if os.geteuid() == 0 else None

    def create_database(self, name: str) -> str:
        """Returns its libpq connection string."""
        command = ["psql", "-XqAt", self.conninfo("postgres"), "-c", f'CREATE DATABASE "{name}"']
        subprocess.run(command, check=True)
        return self.conninfo(name)

    def conninfo(self, database: str) -> str:
        return f"host={self.folder} port={self.port} user=postgres dbname={database}"

    def _start(self) -> None:
        binaries = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not binaries:
            raise RuntimeError("PostgreSQL is not installed (looked in /usr/lib/postgresql/*/bin)")
        if self._user:
            owner = pwd.getpwnam(self._user)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        data = self.folder / "data"
        subprocess.run([f"{binaries[-1]}/initdb", "-D", str(data), "-U", "postgres", "-A", "trust",
                        "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"], check=True, cwd="/",
                       user=self._user, stdout=subprocess.DEVNULL)
        log = self.folder / "postgres.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*DIE_WITH_PARENT, f"{binaries[-1]}/postgres", "-D", str(data), "-k", str(self.folder),
                 "-h", "127.0.0.1", "-p", str(self.port), "-F"],
                cwd="/", user=self._user, stdout=output, stderr=output)
        probe = [f"{binaries[-1]}/pg_isready", "-q", "-h", str(self.folder), "-p", str(self.port)]
        _wait_until(lambda: subprocess.run(probe, check=False).returncode == 0, self._process, log)


class LiveServer(_Running):
    """mgral-server on a database of its own, or on `conninfo`; use it in a `with`.

    `folder` holds `images/` (its image root), `artifacts/` and its log; it goes with the server.
    """

    def __init__(self, conninfo: str, *flags: str, image_root: Optional[str] = None,
                 environment: Optional[Dict[str, str]] = None) -> None:
        super().__init__(tempfile.mkdtemp(prefix="mgral-server-"))
        self.image_root = pathlib.Path(image_root or self.folder / "images")
        self.image_root.mkdir(exist_ok=True)
        self.target = ""  # "127.0.0.1:PORT"
        self.metrics_port = 0
        self._flags: List[str] = [f"--database={conninfo}", "--listen=127.0.0.1:0",
                                  "--metrics_listen=127.0.0.1:0",
                                  f"--port_file={self.folder / 'ports'}",
                                  f"--image_root={self.image_root}",
                                  f"--artifact_dir={self.folder / 'artifacts'}", *flags]
        self._environment = {key: value for key, value in os.environ.items()
                             if not key.startswith("MGRAL_")}
        self._environment.update(environment or {})

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def wait(self) -> int:
        """For its end, which something else brings about."""
        assert self._process is not None
        return self._process.wait(timeout=60)

    def terminate(self) -> int:
        """SIGTERM; returns what it exits with (negative: the signal that killed it)."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout=60)

    def _start(self) -> None:
        log = self.folder / "log"
        with log.open("wb") as output:
            self._process = subprocess.Popen([*DIE_WITH_PARENT, server_binary(), *self._flags],
                                             stdout=output, stderr=output,
                                             env=self._environment)
        ports = self.folder / "ports"
        _wait_until(ports.exists, self._process, log)
        named = dict(line.split() for line in ports.read_text().splitlines())
        self.target = f"127.0.0.1:{named['grpc']}"
        self.metrics_port = int(named["metrics"])
