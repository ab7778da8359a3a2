"""The dashboard: its structure, and data from the real server for every query."""

from __future__ import annotations

import itertools
import json
import math
import re
from typing import Any, Dict, Iterator, List, Tuple

import pytest
import yaml
from conftest import Service
from prometheus_process import MONITORING, wait_until

GRAFANA = MONITORING / "grafana"
DASHBOARD: Dict[str, Any] = json.loads((GRAFANA / "dashboards/mgral.json").read_text())
PANELS: List[Dict[str, Any]] = [p for p in DASHBOARD["panels"] if p["type"] != "row"]
DATASOURCE = {"type": "prometheus", "uid": "prometheus"}
# What Grafana puts in for its variables; Prometheus scrapes once a second here.
VARIABLES = {"$__rate_interval": "10s", "$pool": "shapes"}


def queries() -> Iterator[Tuple[Dict[str, Any], Dict[str, Any]]]:
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel, target


def title(value: Any) -> str:
    return str(value.get("title", value.get("refId")))


def test_it_is_a_dashboard_of_one_source() -> None:
    assert (DASHBOARD["uid"], DASHBOARD["schemaVersion"]) == ("mgral", 37)
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yaml").read_text())
    source, = sources["datasources"]
    assert {"type": source["type"], "uid": source["uid"]} == DATASOURCE
    assert source["url"] == "http://prometheus:9090"
    scraped = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == scraped["scrape_interval"]
    variable, = DASHBOARD["templating"]["list"]
    for part in [*PANELS, variable, *(target for _, target in queries())]:
        assert part["datasource"] == DATASOURCE, title(part)
    provider, = yaml.safe_load(
        (GRAFANA / "provisioning/dashboards/mgral.yaml").read_text())["providers"]
    compose = (MONITORING.parent / "compose/docker-compose.yml").read_text()
    assert f"../monitoring/grafana/dashboards:{provider['options']['path']}:ro" in compose


def test_panels_have_their_own_ids_and_places() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in PANELS]
    assert len(set(titles)) == len(titles)
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0 and place["w"] > 0 and place["x"] + place["w"] <= 24, panel["title"]
    for a, b in itertools.combinations(DASHBOARD["panels"], 2):
        p, q = a["gridPos"], b["gridPos"]
        apart = (p["x"] + p["w"] <= q["x"] or q["x"] + q["w"] <= p["x"] or
                 p["y"] + p["h"] <= q["y"] or q["y"] + q["h"] <= p["y"])
        assert apart, f"{a['title']} covers {b['title']}"


def test_rows_hold_their_panels() -> None:
    rows = [panel for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert [row["title"] for row in rows] == ["Overview", "Calls", "Pools & labeling",
                                              "Cycles & table", "Workers", "Resources"]
    assert all(not row["collapsed"] and row["panels"] == [] for row in rows)
    tops = [panel["gridPos"]["y"] for panel in DASHBOARD["panels"]]
    assert tops == sorted(tops)


@pytest.mark.parametrize("panel", PANELS, ids=title)
def test_a_panel_says_what_it_shows(panel: Dict[str, Any]) -> None:
    assert panel["type"] in ("stat", "timeseries", "bargauge")
    assert panel["description"].endswith(".")
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    levels = defaults["thresholds"]["steps"]
    assert levels[0]["value"] is None
    assert [x["value"] for x in levels[1:]] == sorted(x["value"] for x in levels[1:])
    references = [target["refId"] for target in panel["targets"]]
    assert references and len(set(references)) == len(references)
    for target in panel["targets"]:
        assert target["expr"] and target["legendFormat"], target["refId"]
        assert target["instant"] != target["range"]
        assert target["range"] == (panel["type"] == "timeseries")


def test_gauges_of_the_database_are_never_summed_over_processes() -> None:
    shared = r"mgral_(?:jobs|jobs_oldest_\w+|cycles|cycle_stalled_seconds|pools|pool_\w+)(?!\w)"
    expressions = [target["expr"] for _, target in queries()]
    for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]:
        expressions += [rule["expr"] for rule in group["rules"]]
    found = 0
    for expr in expressions:
        for match in re.finditer(shared, expr):
            found += 1
            assert re.search(r"(max(\(| by \([a-z, ]+\) \()|absent\()$", expr[:match.start()]), expr
    assert found > 20


def expression(target: Dict[str, Any]) -> str:
    expr = str(target["expr"])
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    assert "$" not in expr
    return expr


def finite(series: List[Dict[str, Any]]) -> bool:
    values = [point[1] for one in series for point in one.get("values", [one.get("value")])]
    return any(math.isfinite(float(value)) for value in values)


@pytest.mark.parametrize("panel,target", queries(), ids=title)
def test_every_query_has_data(panel: Dict[str, Any], target: Dict[str, Any],
                              service: Service) -> None:
    ask = service.prometheus.query if target["instant"] else service.prometheus.query_range
    series = wait_until(lambda: ask(expression(target)), f"{panel['title']} {target['refId']}", 20)
    assert finite(series), series
    for one in series:  # a legend names labels that there are
        for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
            assert one["metric"].get(label), f"no label {label}: {one['metric']}"


def test_replicas_and_workers_are_counted(service: Service) -> None:
    shown = {panel["title"]: service.prometheus.query(expression(panel["targets"][0]))
             for panel in PANELS if panel["type"] == "stat"}
    value = {name: float(series[0]["value"][1]) for name, series in shown.items()}
    assert value["API replicas serving"] == 2
    assert value["Workers"] == 1
    assert value["Pools"] == 1
    assert value["Latest cycle"] == 0


def test_the_variable_finds_the_pool(service: Service) -> None:
    variable, = DASHBOARD["templating"]["list"]
    match = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
    assert match
    series = service.prometheus.query(match[1])
    assert {one["metric"][match[2]] for one in series} == {"shapes"}
