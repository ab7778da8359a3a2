"""The experiments' files, the file of their results, and the tables made from it."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from typing import Any, Dict, List

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import experiments  # noqa: E402
import tables  # noqa: E402
from experiments import Experiment, Row  # noqa: E402

SMALL = Experiment("small", "cards", ["mgral", "random"], seeds=3, initial=10, batch=10, cycles=2)


def results(gains: Dict[str, List[float]], seconds: float = 5.0) -> Dict[str, Any]:
    """Curves of three points; a strategy's areas exceed 0.4 by its gain of each seed."""
    runs = []
    for strategy, values in gains.items():
        for seed, gain in enumerate(values, start=1):
            runs.append({"strategy": strategy, "seed": seed, "complete": True, "points": [
                {"labels": labels, "boxes": 4 * labels, "cost": 6 * labels, "map50": value,
                 "map": value / 2, "seconds": seconds}
                for labels, value in ((10, 0.3), (20, 0.4 + 2 * gain), (30, 0.5))]})
    return {"dataset": "cards", "protocol": {"profile": "frozen"}, "runs": runs}


def rows(gains: Dict[str, List[float]]) -> List[Row]:
    return experiments.rows_of(results(gains), SMALL, "abc1234")


@pytest.mark.parametrize("path", sorted(HERE.glob("*.json")), ids=lambda path: path.stem)
def test_every_experiment_can_be_loaded_and_has_the_baseline(path: pathlib.Path) -> None:
    experiment = experiments.load(path.stem)
    assert "random" in experiment.strategies
    assert experiment.seeds >= 10


def test_an_unknown_experiment_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(SystemExit, match="aquarium"):
        experiments.load("nothing")


def test_a_run_takes_the_place_of_its_older_self(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "data.csv"
    first = rows({"random": [0.0, 0.01]})
    assert experiments.add_rows(first, file) == 2
    assert experiments.read_rows(file) == first
    again = [dict(row, commit="def5678") for row in first]
    assert experiments.add_rows(again, file) == 0  # the same figures: the older commit stays
    changed = [dict(row, test_map50="0.9") if row["seed"] == "2" else row for row in again]
    assert experiments.add_rows(changed, file) == 1
    kept = experiments.read_rows(file)
    assert len(kept) == 6
    assert {row["commit"] for row in kept if row["seed"] == "1"} == {"abc1234"}
    assert {row["test_map50"] for row in kept if row["seed"] == "2"} == {"0.9"}


def test_runs_that_broke_off_are_left_out() -> None:
    document = results({"random": [0.0]})
    document["runs"][0]["complete"] = False
    assert experiments.rows_of(document, SMALL, "abc1234") == []


def test_the_time_left_is_that_of_the_missing_runs() -> None:
    document = results({"mgral": [0.0], "random": [0.0, 0.0]})  # 15 s of work each
    for run in document["runs"]:
        if run["strategy"] == "mgral":
            run["points"][0]["seconds"] = 35.0  # 45 s
    # Missing: two of mgral, one of random; each second of work took two.
    assert experiments.seconds_left(document, SMALL, 2.0) == pytest.approx(2 * (2 * 45 + 15))
    assert experiments.spoken(experiments.seconds_left({"runs": []}, SMALL, 2.0)) == "an unknown time"


def made(gains: Dict[str, List[float]]) -> str:
    return tables.section(rows(gains), os.environ["MGRAL_BINARY"])


def test_the_tables_say_wins_losses_and_ties() -> None:
    page = made({"mgral": [0.03, 0.031, 0.029, 0.03, 0.032],
                 "random": [0.0] * 5,
                 "entropy": [0.001, -0.001, 0.002, 0.0, -0.001],
                 "core_set": [-0.03, -0.031, -0.029, -0.03, -0.032]})
    assert ("worse than `random`: `core_set`; better: `mgral`; a tie with it: `entropy`" in page)
    assert "### small: 10 to 30 labels in batches of 10" in page
    assert "| `mgral` | 5 | +3.0 (+2.9 to +3.2) [+" in page
    assert "**100 %**" in page
    assert "commit abc1234" in page


def test_one_seed_is_said_to_show_nothing() -> None:
    page = made({"mgral": [0.03], "random": [0.0], "entropy": [0.01]})
    assert "One seed shows nothing" in page
    assert "better" not in page and "%" not in page


def test_headroom_is_what_all_labels_reach() -> None:
    everything = experiments.rows_of(
        {**results({}), "runs": [{"strategy": "random", "seed": 1, "complete": True, "points": [
            {"labels": 90, "boxes": 360, "cost": 540, "map50": 0.6, "map": 0.3, "seconds": 9.0}]}]},
        SMALL, "abc1234", experiments.ALL_LABELS)
    page = tables.section(rows({"mgral": [0.03, 0.02], "random": [0.0, 0.01]}) + everything,
                          os.environ["MGRAL_BINARY"])
    assert "All 90 labels of the pool: 0.600 (one seed), +10.0 points above" in page


def test_without_its_dataset_an_experiment_is_skipped_loudly(tmp_path: pathlib.Path) -> None:
    environment = dict(os.environ, MGRAL_SERVER_BINARY=os.environ["MGRAL_BINARY"])
    for data, why in ((None, "MGRAL_DATA"), (str(tmp_path), f"there is no {tmp_path}/cards")):
        environment.pop("MGRAL_DATA", None)
        if data:
            environment["MGRAL_DATA"] = data
        done = subprocess.run([str(HERE / "run"), "cards"], check=False, capture_output=True,
                              text=True, env=environment)
        assert done.returncode == 77
        assert "SKIPPED: cards was NOT run" in done.stderr and why in done.stderr
