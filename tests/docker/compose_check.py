"""The stack of docker-compose.yml as ops and a pipeline use it; prints figures as JSON.

Started by tests/docker/run, which has built the image. Every check is an assertion; the first that
fails ends the run, with the containers' logs.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import signal
import time
import urllib.request
from typing import Any, Dict

import mgral
from stack import Stack, wait_until

FIRST_LABELS = 40
BATCH = 20


def start(stack: Stack) -> float:
    begin = time.monotonic()
    stack.compose("up", "-d", "--no-build", "--scale", "worker=2")
    wait_until("api and workers are healthy",
               lambda: stack.healthy("api") and stack.healthy("worker"))
    seconds = time.monotonic() - begin
    assert len(stack.containers("worker")) == 2
    (migrate,) = stack.containers("migrate")
    assert stack.inspect(migrate)["State"]["ExitCode"] == 0
    return seconds


def check_hardening(stack: Stack) -> None:
    """What docker-compose.yml asks for is what the engine does, and the kernel sees."""
    for name in stack.containers("api") + stack.containers("worker"):
        container = stack.inspect(name)
        host = container["HostConfig"]
        assert container["Config"]["User"] == "10001:10001"
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["Privileged"]
        assert host["Memory"] > 0 and host["NanoCpus"] > 0, "limits are not applied"
        status = stack.docker("exec", name, "cat", "/proc/1/status")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["Uid"].split() == ["10001"] * 4, fields["Uid"]
        assert int(fields["CapEff"], 16) == 0 and fields["NoNewPrivs"] == "1"
        refused = stack.docker("exec", name, "sh", "-c", "touch /etc/x 2>&1 || true")
        assert "Read-only file system" in refused, refused
    secret = stack.docker("exec", stack.containers("api")[0], "sh", "-c",
                          "env; cat /proc/1/environ")
    password = (pathlib.Path(stack.folder) / "secrets/postgres_password").read_text()
    assert password not in secret, "the password is in the environment"


def make_pool(client: mgral.Client, dataset: pathlib.Path) -> mgral.Pool:
    coco = mgral.read_coco(dataset / "annotations.json")
    pool = client.create_pool("cells", classes=coco.classes, profile="micro", batch_size=BATCH,
                              training_steps=60, probes=6, replay_probes=4, seed=1)
    report = pool.register_coco(dataset / "annotations.json", splits=True, server_path="")
    assert report.registered > 100 and not report.refused, report
    pool.ingest_coco(dataset / "annotations.json", registered_for="validation")
    pool.ingest_coco(dataset / "annotations.json", registered_for="training",
                     limit=FIRST_LABELS)
    return pool


def kill_prober(stack: Stack) -> str:
    """SIGKILL to the worker that holds a probe, from outside; returns its container."""
    host = ""

    def probing() -> bool:
        nonlocal host
        host = stack.sql("SELECT split_part(worker, ':', 1) FROM job WHERE kind = 4 AND state = 2")
        return host != ""

    wait_until("a worker probes", probing, 300)
    (victim,) = [name for name in stack.containers("worker") if name.startswith(host)]
    os.kill(stack.inspect(victim)["State"]["Pid"], signal.SIGKILL)
    return victim


def label_batch(pool: mgral.Pool, dataset: pathlib.Path) -> mgral.Batch:
    with pool.query_batch(BATCH, annotator="compose-check") as batch:
        assert len(batch) == BATCH and batch.strategy == "mgral", batch.strategy_note
        assert batch.estimated_gain is not None
        report = batch.ingest_coco(dataset / "annotations.json")
        assert report.ingested == BATCH and report.late == 0, report
    return batch.refresh()


def check_monitoring(stack: Stack) -> None:
    stack.compose("--profile", "monitoring", "up", "-d", "--no-build", "--no-deps", "prometheus")
    base = f"http://127.0.0.1:{stack.prometheus_port}/api/v1"

    def ask(path: str) -> Any:
        with urllib.request.urlopen(f"{base}/{path}", timeout=5) as answer:
            return json.load(answer)["data"]

    def all_up() -> bool:
        try:
            targets = [t for t in ask("targets")["activeTargets"] if t["labels"]["job"] == "mgral"]
        except OSError:
            return False  # it has just been started
        return len(targets) == 3 and all(target["health"] == "up" for target in targets)

    wait_until("Prometheus scrapes the api and both workers", all_up, 90)
    rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
    assert len(rules) >= 7 and all(rule["health"] != "err" for rule in rules), rules
    firing = [alert["labels"]["alertname"] for alert in ask("alerts")["alerts"]
              if alert["state"] == "firing"]
    assert not firing, f"alerts fire on a healthy stack: {firing}"


def check_drain(stack: Stack, pool: mgral.Pool) -> float:
    """SIGTERM in the middle of a cycle: every process exits with 0, and nothing is lost."""
    cycle = pool.start_cycle()
    for news in cycle.watch():
        if news.stage == "TRAIN" and news.fraction > 0:
            break
    begin = time.monotonic()
    stack.compose("stop", "api", "worker")
    seconds = time.monotonic() - begin
    for name in stack.containers("api") + stack.containers("worker"):
        state = stack.inspect(name)["State"]
        assert state["ExitCode"] == 0, (name, state, stack.docker("logs", "--tail", "20", name))
    stack.compose("start", "worker", "api")
    wait_until("the api is healthy again", lambda: stack.healthy("api"))
    assert cycle.wait().state == "SUCCEEDED"
    return seconds


def check(stack: Stack, dataset: pathlib.Path) -> Dict[str, float]:
    seconds = {"compose_up": start(stack)}
    check_hardening(stack)
    with mgral.Client(stack.target) as client:
        begin = time.monotonic()
        pool = make_pool(client, dataset)
        seconds["register_and_first_labels"] = time.monotonic() - begin

        begin = time.monotonic()
        cycle = pool.start_cycle()
        victim = kill_prober(stack)
        first = cycle.wait()
        seconds["cycle_with_a_worker_killed"] = time.monotonic() - begin
        wait_until("the killed worker was started again",
                   lambda: stack.inspect(victim)["RestartCount"] >= 1 and stack.healthy("worker"))

        batch = label_batch(pool, dataset)
        assert batch.state == "COMPLETED"
        begin = time.monotonic()
        second = pool.start_cycle().wait()
        seconds["second_cycle"] = time.monotonic() - begin
        assert second.training_images == first.training_images + BATCH
        assert second.realised_gain is not None
        print(f"mAP@.5 {first.map50:.3f} with {first.training_images} labels, "
              f"{second.map50:.3f} with {second.training_images}", flush=True)

        check_monitoring(stack)
        seconds["drain"] = check_drain(stack, pool)
        client.delete_pool("cells")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("compose", "docker", "dataset"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("first-build", "rebuild"):
        parser.add_argument(f"--{name}", type=float, required=True)
    given = parser.parse_args()
    with Stack(given.compose, given.docker, []) as stack:
        seconds = check(stack, pathlib.Path(given.dataset))
        size = int(stack.inspect(os.environ["MGRAL_IMAGE"])["Size"])
    left = stack.docker("ps", "-aq", "--filter",
                        f"label=com.docker.compose.project={stack.project}").split()
    assert not left, f"containers are left: {left}"
    print(json.dumps({"image_mb": round(size / 1e6), "first_build_s": given.first_build,
                      "rebuild_s": given.rebuild,
                      **{f"{name}_s": round(value, 1) for name, value in seconds.items()}},
                     indent=2))
    assert given.rebuild < given.first_build / 2, "a change of one source takes too long"


if __name__ == "__main__":
    main()
