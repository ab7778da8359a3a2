"""The alert rules, by promtool and against the real server."""

from __future__ import annotations

import pathlib
import re
import subprocess
from typing import Any, Dict, List

import metrics_page
import pytest
import yaml
from conftest import Service
from prometheus_process import MONITORING

ROOT = MONITORING.parents[1]
RULES: List[Dict[str, Any]] = [
    rule for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]]


def promtool(*arguments: str, stdin: str = "") -> str:
    done = subprocess.run(["promtool", *arguments], input=stdin, capture_output=True, text=True,
                          check=False, cwd=MONITORING)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_promtool_accepts_rules_and_configuration() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", "alerts.yml")
    promtool("check", "config", "prometheus.yml")


def test_rules_fire_when_they_should() -> None:
    promtool("test", "rules", "alerts_test.yml")


def test_a_rule_that_fires_wrongly_is_noticed(tmp_path: pathlib.Path) -> None:
    rules = (MONITORING / "alerts.yml").read_text()
    for name, text in {"alerts.yml": rules.replace("> 0.05", "> 0.5"),
                       "alerts_test.yml": (MONITORING / "alerts_test.yml").read_text()}.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(["promtool", "test", "rules", str(tmp_path / "alerts_test.yml")],
                          capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "MgralErrorRateHigh" in done.stdout + done.stderr


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_is_explained_and_tested(rule: Dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert {"summary", "description", "runbook_url"} == set(rule["annotations"])
    page, anchor = rule["annotations"]["runbook_url"].split("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor == rule["alert"].lower()
    assert rule["alert"] in headings
    cases = [case for test in yaml.safe_load((MONITORING / "alerts_test.yml").read_text())["tests"]
             for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]
    assert any(case["exp_alerts"] for case in cases), "no case in which it fires"
    assert any(not case["exp_alerts"] for case in cases), "no case in which it does not"


def test_the_runbook_explains_no_alert_that_is_gone() -> None:
    headings = re.findall(r"^#+ (Mgral\w+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(rule["alert"] for rule in RULES)


def test_promtool_accepts_the_metrics(service: Service) -> None:
    for server in range(len(service.servers)):
        assert promtool("check", "metrics", stdin=service.metrics(server)) == ""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_asks_for_metrics_that_exist(rule: Dict[str, Any], service: Service) -> None:
    names = metrics_page.names_in(rule["expr"])
    assert names
    for name in names:
        assert service.prometheus.query(f"count({name})"), name


def test_a_healthy_service_raises_no_alert(service: Service) -> None:
    assert service.prometheus.query('ALERTS{alertstate="firing"}') == []
