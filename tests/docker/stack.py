"""docker-compose as the test drives it: a project that goes with its `with` block."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from types import TracebackType
from typing import Any, Callable, Dict, List, Optional, Type


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(what: str, true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.2)  # between looks


class Stack:
    """`folder` holds docker-compose.yml; `docker` is the client's program."""

    def __init__(self, folder: str, docker: str, overrides: List[str]) -> None:
        self.folder = folder
        self.project = os.environ["COMPOSE_PROJECT_NAME"]
        self._docker = docker
        # Version 2 is a plugin of the client, 1.29 a program of its own.
        plugin = subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
        self._compose = [docker, "compose"] if plugin.returncode == 0 else ["docker-compose"]
        for name in ["docker-compose.yml", *overrides]:
            self._compose += ["-f", os.path.join(folder, name)]
        self.grpc_port = free_port()
        self.prometheus_port = free_port()
        self._environment = dict(
            os.environ, MGRAL_PUBLISH=f"127.0.0.1:{self.grpc_port}",
            MGRAL_PROMETHEUS_PUBLISH=f"127.0.0.1:{self.prometheus_port}")

    def __enter__(self) -> Stack:
        subprocess.run([os.path.join(self.folder, "make-secrets")], check=True)
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if error is not None:
            print(self.compose("logs", "--no-color", "--tail=60"))
        self.compose("--profile", "monitoring", "down", "--volumes", "--remove-orphans",
                     "--timeout", "5")
        shutil.rmtree(os.path.join(self.folder, "secrets"))
        os.remove(os.path.join(self.folder, ".env"))

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    def compose(self, *arguments: str) -> str:
        return self._run([*self._compose, *arguments])

    def docker(self, *arguments: str) -> str:
        return self._run([self._docker, *arguments])

    def containers(self, service: str) -> List[str]:
        """Ids of the service's containers, stopped ones too."""
        return self.docker("ps", "-aq", "--no-trunc", "--filter",
                           f"label=com.docker.compose.project={self.project}", "--filter",
                           f"label=com.docker.compose.service={service}").split()

    def inspect(self, container: str) -> Dict[str, Any]:
        found: List[Dict[str, Any]] = json.loads(self.docker("inspect", container))
        return found[0]

    def healthy(self, service: str) -> bool:
        states = [self.inspect(name)["State"] for name in self.containers(service)]
        return bool(states) and all(
            state.get("Health", {}).get("Status") == "healthy" for state in states)

    def sql(self, query: str) -> str:
        """The first column of the first row, "" without rows."""
        answer = self.docker("exec", self.containers("postgres")[0], "sh", "-c",
                           "PGPASSWORD=$(cat /run/secrets/postgres_password) "
                           f"psql -h 127.0.0.1 -U mgral -d mgral -XqAtc \"{query}\"")
        return answer.partition("\n")[0]

    def _run(self, command: List[str]) -> str:
        done = subprocess.run(command, env=self._environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}")
        return done.stdout
