"""A real Prometheus for a test: on loopback, with the deployed rules, scraping once a second."""

from __future__ import annotations

import json
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Callable, Dict, List

import yaml
from live_server import DIE_WITH_PARENT

MONITORING = pathlib.Path(__file__).resolve().parents[2] / "deploy/monitoring"


def wait_until(ready: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """What `ready` returns as soon as that is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        result = ready()
        if result:
            return result
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)  # between looks, not instead of one


def _configuration(targets: Dict[str, str]) -> Dict[str, Any]:
    """The deployed one, but for where the targets are found and how often they are asked."""
    config: Dict[str, Any] = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    job, = config["scrape_configs"]
    del job["dns_sd_configs"], job["relabel_configs"]
    job["static_configs"] = [{"targets": [target], "labels": {"service": service}}
                             for target, service in targets.items()]
    return config


class Prometheus:
    """Use it in a `with`. `targets`: HOST:PORT of every /metrics, and its label `service`."""

    def __init__(self, targets: Dict[str, str]) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mgral-prometheus-"))
        shutil.copy(MONITORING / "alerts.yml", self.folder)
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(_configuration(targets)))
        self.start_time = time.time()

    def __enter__(self) -> Prometheus:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._address = f"127.0.0.1:{probe.getsockname()[1]}"
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*DIE_WITH_PARENT, "prometheus", f"--config.file={self.folder}/prometheus.yml",
                 f"--storage.tsdb.path={self.folder}/data",
                 f"--web.listen-address={self._address}", "--log.level=warn"],
                stdout=log, stderr=log)
        try:
            wait_until(self._ready, "Prometheus is ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _ready(self) -> bool:
        log = (self.folder / "log").read_text()
        assert self._process.poll() is None, f"Prometheus ended; its log:\n{log}"
        try:
            with urllib.request.urlopen(f"http://{self._address}/-/ready", timeout=5):
                return True
        except (urllib.error.URLError, ConnectionError):
            return False

    def _get(self, what: str, **parameters: Any) -> List[Dict[str, Any]]:
        url = f"http://{self._address}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                result: List[Dict[str, Any]] = json.load(answer)["data"]["result"]
                return result
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def query(self, expr: str) -> List[Dict[str, Any]]:
        """The series that the expression has now."""
        return self._get("query", query=expr)

    def query_range(self, expr: str) -> List[Dict[str, Any]]:
        """The series that the expression has had, second by second, since the start."""
        return self._get("query_range", query=expr, start=self.start_time, end=time.time(), step=1)
