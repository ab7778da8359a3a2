"""The experiments and the file of their results, for `run` and `write`."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import pathlib
from typing import Any, Dict, Iterable, List, Optional, Tuple

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
DATA_FILE = ROOT / "docs/data/strategy_curves.csv"
ALL_LABELS = "all_labels"  # in the place of a strategy: the whole pool labeled
COLUMNS = ["experiment", "dataset", "profile", "commit", "strategy", "seed", "initial", "batch",
           "labels", "boxes", "cost", "test_map50", "test_map", "seconds"]
Row = Dict[str, str]


@dataclasses.dataclass
class Experiment:
    """One dataset and protocol. `name` is that of its file, and of its level in a sweep; a number of
    seeds is the seeds 1 to it."""

    name: str
    dataset: str
    strategies: List[str]  # as `mgral simulate` reads them: names, or LABEL=STRATEGY:SETTING=VALUE
    seeds: int
    initial: int
    batch: int
    cycles: int
    splits: str = ""  # in the dataset's folder; empty: its splits.json, or a seeded split
    synth: Optional[List[str]] = None  # options of `mgral synth`, which draws the dataset
    options: List[str] = dataclasses.field(default_factory=list)  # more of `mgral simulate`
    all_labels_seeds: int = 0  # seeds for the headroom: a detector of all labels
    derive: Optional[Dict[str, Any]] = None  # makes another pool of the dataset's: derive.py

    def labels(self) -> List[str]:
        """What the strategies are called in results."""
        return [item.split("=", 1)[0] for item in self.strategies]

    def variants(self) -> Dict[str, str]:
        """What those labels mean that are not a strategy's name."""
        return dict(item.split("=", 1) for item in self.strategies if "=" in item)

    def choose(self, strategies: List[str]) -> None:
        """Keeps these, which may be labels of its own."""
        own = dict(zip(self.labels(), self.strategies))
        self.strategies = [own.get(each, each) for each in strategies]


def load(name: str) -> List[Experiment]:
    """The experiments of a JSON file, or of one in this folder. The "sweep" of a file has levels with
    fields of their own: each is an experiment, FILE/LEVEL, which can be named alone."""
    stem, _, level = ("", "", "") if name.endswith(".json") else name.partition("/")
    path = HERE / f"{stem}.json" if stem else pathlib.Path(name)
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in HERE.glob("*.json")))
        raise SystemExit(f"no such experiment: {name} (there are {known})")
    fields = json.loads(path.read_text())
    sweep: Dict[str, Any] = fields.pop("sweep", {})
    if level and level not in sweep:
        raise SystemExit(f"{path}: no such level: {level} (there are {', '.join(sweep) or 'none'})")
    try:
        if not sweep:
            return [Experiment(name=path.stem, **fields)]
        return [Experiment(name=f"{path.stem}/{each}", **{**fields, **own})
                for each, own in sweep.items() if level in ("", each)]
    except TypeError as error:
        raise SystemExit(f"{path}: {error}") from None


def program(variable: str, built: str) -> str:
    """What an environment variable names, else what the preset "release" builds."""
    path = os.environ.get(variable) or str(ROOT / "build/release" / built)
    if not os.access(path, os.X_OK):
        raise SystemExit(f"no program {path}: build mgral and mgral-server (deploy/local/demo does), "
                         f"or set {variable}")
    return path


def rows_of(results: Dict[str, Any], experiment: Experiment, commit: str,
            strategy: Optional[str] = None) -> List[Row]:
    """A row per point of the finished runs; `strategy` replaces the name of theirs."""
    rows = []
    for run in results["runs"]:
        if not run["complete"]:
            continue
        for point in run["points"]:
            values = {"experiment": experiment.name, "dataset": results["dataset"],
                      "profile": results["protocol"]["profile"], "commit": commit,
                      "strategy": strategy or run["strategy"], "seed": run["seed"],
                      "initial": run["points"][0]["labels"], "batch": experiment.batch,
                      "labels": point["labels"], "boxes": point["boxes"], "cost": point["cost"],
                      "test_map50": point["map50"], "test_map": point["map"],
                      "seconds": point["seconds"]}
            rows.append({key: _text(value) for key, value in values.items()})
    return rows


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _run_of(row: Row) -> Tuple[str, str, int]:
    return row["experiment"], row["strategy"], int(row["seed"])


def read_rows(path: pathlib.Path = DATA_FILE) -> List[Row]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def add_rows(new: Iterable[Row], path: pathlib.Path = DATA_FILE) -> int:
    """Adds runs to the file, which stays sorted; returns how many. A run that is measured anew takes
    the place of the old one; one that is the same keeps its commit."""
    old: Dict[Tuple[str, str, int], List[Row]] = {}
    for row in read_rows(path):
        old.setdefault(_run_of(row), []).append(row)
    fresh: Dict[Tuple[str, str, int], List[Row]] = {}
    for row in new:
        fresh.setdefault(_run_of(row), []).append(row)

    def figures(rows: List[Row]) -> List[Dict[str, str]]:
        return [{key: row[key] for key in COLUMNS if key != "commit"} for row in rows]

    changed = {key: rows for key, rows in fresh.items()
               if key not in old or figures(old[key]) != figures(rows)}
    if not changed:
        return 0
    old.update(changed)
    partial = path.with_suffix(".part")
    with partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for _, rows in sorted(old.items()):
            writer.writerows(sorted(rows, key=lambda row: int(row["labels"])))
    partial.replace(path)
    return len(changed)


def seconds_left(results: Dict[str, Any], experiment: Experiment, wall_per_work: float) -> float:
    """Of the runs that are missing: each like the mean of its strategy's finished ones, or of all.
    `wall_per_work`: seconds on the clock per second of the server's work."""
    work: Dict[str, List[float]] = {}
    finished = set()
    for run in results["runs"]:
        if run["complete"]:
            finished.add((run["strategy"], run["seed"]))
            work.setdefault(run["strategy"], []).append(work_of(run))
    if not work:
        return float("nan")
    means = {strategy: sum(values) / len(values) for strategy, values in work.items()}
    overall = sum(means.values()) / len(means)
    return wall_per_work * sum(
        means.get(strategy, overall) for strategy in experiment.labels()
        for seed in range(1, experiment.seeds + 1) if (strategy, seed) not in finished)


def work_of(run: Dict[str, Any]) -> float:
    """Seconds of the server's work that a run's cycles took."""
    return sum(point["seconds"] or 0.0 for point in run["points"])


def spoken(seconds: float) -> str:
    if seconds != seconds:
        return "an unknown time"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
