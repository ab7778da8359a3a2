"""A service that has worked, watched by a real Prometheus, for all tests of this folder."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any, Dict, Iterator, List, NamedTuple

import metrics_page
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from live_server import LiveServer, PostgresCluster  # noqa: E402
from prometheus_process import Prometheus, wait_until  # noqa: E402

_COMMAND = (os.environ.get("MGRAL_COMMAND_BINARY") or
            str(pathlib.Path(__file__).resolve().parents[2] / "build/release/client/cpp/mgral"))
_POOL = ["--profile", "micro", "--training-steps", "8", "--input-size", "64",
         "--replay-probes", "32", "--seed", "1"]


class Service(NamedTuple):
    """Two processes on one database: the first with both roles, and an API replica."""

    database: str  # as libpq reads it
    servers: List[LiveServer]
    prometheus: Prometheus

    def mgral(self, *arguments: str, exit_code: int = 0) -> str:
        """Runs the command; returns its standard output."""
        done = subprocess.run([_COMMAND, "--server", self.servers[0].target, *arguments],
                              capture_output=True, text=True, check=False)
        assert done.returncode == exit_code, f"{arguments}: {done.stderr}\n{self.servers[0].log()}"
        return done.stdout

    def metrics(self, server: int = 0) -> str:
        """What /metrics of a process says now."""
        return metrics_page.fetch(self.servers[server].metrics_port)


def _dataset(folder: pathlib.Path) -> Dict[str, str]:
    """COCO files of a drawn dataset: all of it, and its parts."""
    subprocess.run([_COMMAND, "synth", "--out", str(folder), "--images", "48", "--size", "64"],
                   check=True, stdout=subprocess.DEVNULL)
    whole = json.loads((folder / "annotations.json").read_text())
    parts = {"validation": slice(0, 12), "training": slice(12, None), "labeled": slice(12, 20)}
    files = {"all": str(folder / "annotations.json")}
    for name, part in parts.items():
        images = whole["images"][part]
        ids = {image["id"] for image in images}
        boxes = [box for box in whole["annotations"] if box["image_id"] in ids]
        files[name] = str(folder / f"{name}.json")
        pathlib.Path(files[name]).write_text(
            json.dumps({**whole, "images": images, "annotations": boxes}))
    return files


def _work(service: Service, folder: pathlib.Path) -> None:
    """Register, label, a cycle, a batch, another cycle; a late label, a call that fails."""
    def query(*arguments: str) -> Dict[str, Any]:
        batch: Dict[str, Any] = json.loads(service.mgral("--json", "query", "shapes", *arguments))
        return batch

    files = _dataset(folder)
    images = ["--images", str(folder / "images")]
    service.mgral("pool", "create", "shapes", "--coco", files["all"], *_POOL)
    service.mgral("register", "shapes", "--coco", files["training"], *images)
    service.mgral("register", "shapes", "--coco", files["validation"], "--use", "validation",
                  *images)
    forgotten = query("--size", "2", "--lease", "1s")
    for part in ("validation", "labeled"):
        service.mgral("label", "shapes", "--coco", files[part])
    service.mgral("cycle", "start", "shapes", "--watch")
    batch = query("--size", "12")
    service.mgral("label", "shapes", "--coco", files["training"], "--batch", batch["name"])
    service.mgral("query", "nobody", "--size", "1", exit_code=1)
    wait_until(lambda: "mgral_leases_expired_total 1" in service.metrics(0) + service.metrics(1),
               "a lease runs out")
    service.mgral("label", "shapes", "--coco", files["training"], "--batch", forgotten["name"])
    service.mgral("cycle", "start", "shapes", "--watch")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service when it has worked and its metrics say so."""
    with PostgresCluster() as cluster:
        database = cluster.create_database("monitored")
        often = "--expire_interval=200ms"
        with LiveServer(database, often) as whole, LiveServer(database, often,
                                                              "--roles=api") as replica:
            targets = {f"127.0.0.1:{whole.metrics_port}": "worker",
                       f"127.0.0.1:{replica.metrics_port}": "api"}
            with Prometheus(targets) as prometheus:
                service = Service(database, [whole, replica], prometheus)
                _work(service, tmp_path_factory.mktemp("dataset"))
                wait_until(lambda: prometheus.query("count(mgral_pool_table_fidelity_ratio) == 2"),
                           "both processes tell of the second cycle")
                # A rate needs two scrapes with calls between them, and a busy machine misses some.
                rates = 'rate(mgral_rpc_total{method="PoolService/ListPools"}[10s]) > 0'
                wait_until(lambda: service.mgral("pool", "list") and prometheus.query(rates),
                           "calls are seen to happen")
                yield service
