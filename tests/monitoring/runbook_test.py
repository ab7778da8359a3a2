"""The runbook's statements and commands and the list of metrics fit the server."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
from typing import List

import metrics_page
import pytest
from conftest import Service
from live_server import server_binary
from prometheus_process import MONITORING

RUNBOOK = MONITORING.parents[1] / "docs/runbook.md"
METRICS = MONITORING.parents[1] / "docs/reference/metrics.md"
STATEMENTS: List[str] = re.findall(r"```sql\n(.*?)```", RUNBOOK.read_text(), re.DOTALL)


def rows_of(service: Service, statement: str) -> List[str]:
    done = subprocess.run(["psql", "-XAt", "-v", "ON_ERROR_STOP=1", service.database, "-c",
                           f"BEGIN READ ONLY; {statement}"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line != "BEGIN"]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_its_statements_run(statement: str, service: Service) -> None:
    rows_of(service, statement)


def test_its_commands_about_artifacts_leave_what_is_needed(service: Service) -> None:
    folder = pathlib.Path(service.servers[0].folder) / "artifacts"
    for file in folder.glob("objects/*/*"):
        os.utime(file, (0, 0))
    printed = {}
    for words in re.findall(r"api mgral-server (artifacts .*?) *#", RUNBOOK.read_text()):
        done = subprocess.run([server_binary(), *words.split(), f"--database={service.database}",
                               f"--artifact_dir={folder}"],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        printed[words] = done.stdout.splitlines()
    *listed, total = printed["artifacts list"]
    needed = {line.split()[0] for line in listed if not line.endswith("unreferenced")}
    assert len(needed) > 40  # 48 images, weights, a selector, what the next cycle reads
    assert total.endswith("; 0 missing")
    *pruned, total = printed["artifacts prune"]
    assert len(pruned) > 5  # queues, plan, table, what the first snapshot needed
    assert printed["artifacts prune --dry-run"] == [*pruned, total.replace("deleted",
                                                                           "would delete")]
    assert {file.name for file in folder.glob("objects/*/*")} == needed


def test_the_list_of_metrics_is_what_the_server_tells(service: Service) -> None:
    metrics = metrics_page.parse(*(service.metrics(i) for i in range(len(service.servers))))
    lines = []
    for name, metric in sorted(metrics.items()):
        labels = f"{{{','.join(sorted(metric.labels))}}}" if metric.labels else ""
        if name.startswith("mgral_"):
            lines.append(f"- `{name}{labels}`: {metric.help}")
    listed = [line for line in METRICS.read_text().splitlines() if line.startswith("- ")]
    assert listed == lines, "it should be:\n" + "\n".join(lines)


def test_counters_end_in_total_and_the_runbook_names_the_histograms(service: Service) -> None:
    metrics = metrics_page.parse(*(service.metrics(i) for i in range(len(service.servers))))
    for name, metric in metrics.items():
        if name.startswith("mgral_"):
            assert (metric.kind == "counter") == name.endswith("_total"), name
            if metric.kind == "histogram":
                assert f"`{name}`" in RUNBOOK.read_text(), name


def test_the_runbook_names_no_metric_that_is_gone(service: Service) -> None:
    metrics = metrics_page.parse(*(service.metrics(i) for i in range(len(service.servers))))
    for name in re.findall(r"`(mgral_\w+|process_\w+)[`{]", RUNBOOK.read_text()):
        assert any(known.startswith(name) for known in metrics), name


def test_few_series_per_process(service: Service) -> None:
    """Labels are bounded: a process that has worked has hundreds of series, not thousands."""
    for server in range(len(service.servers)):
        series = [line for line in service.metrics(server).splitlines() if line[:1] != "#"]
        assert len(series) < 800
