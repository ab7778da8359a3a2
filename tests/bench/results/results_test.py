"""The experiments' files, the file of their results, and the tables made from it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any, Dict, List, Tuple

import pytest
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import derive  # noqa: E402
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
    for experiment in experiments.load(path.stem):
        assert "random" in experiment.strategies
        assert len(set(experiment.labels())) == len(experiment.strategies)
        assert experiment.seeds >= (5 if "/" in experiment.name else 10)
        if experiment.derive is not None:
            derive.Derivation(**experiment.derive)


def test_an_unknown_experiment_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(SystemExit, match="aquarium"):
        experiments.load("nothing")


def test_a_sweep_has_a_level_for_each_experiment(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "sizes.json"
    fields = {"dataset": "cards", "strategies": ["random", "few=mgral:replay_probes=8"], "seeds": 5,
              "batch": 10, "cycles": 2, "sweep": {"a": {"initial": 10}, "b": {"initial": 20}}}
    file.write_text(json.dumps(fields))
    found = experiments.load(str(file))
    assert [(each.name, each.initial) for each in found] == [("sizes/a", 10), ("sizes/b", 20)]
    found[0].choose(["few", "entropy"])
    assert found[0].strategies == ["few=mgral:replay_probes=8", "entropy"]
    assert found[0].labels() == ["few", "entropy"]
    file.write_text(json.dumps({**fields, "sweep": {"a": {"initially": 10}}}))
    with pytest.raises(SystemExit, match="initially"):
        experiments.load(str(file))
    assert [each.name for each in experiments.load("sizes_cards/initial20_batch10")] == [
        "sizes_cards/initial20_batch10"]
    for wrong in ("sizes_cards/nothing", "cards/nothing"):
        with pytest.raises(SystemExit, match="no such level"):
            experiments.load(wrong)


def test_tables_know_what_labels_mean() -> None:
    found = tables.protocol_of("ablations_cards")
    assert found["variants"]["prior"] == "mgral:replay_probes=-1"
    assert "prior" in found["strategies"] and "mgral" not in found["variants"]
    assert tables.protocol_of("of_another_folder") == {}


def small_dataset(folder: pathlib.Path) -> pathlib.Path:
    """Images 0 to 39 of a cat, each fourth with a dog, too; the last ten are for testing."""
    (folder / "images").mkdir(parents=True)
    names = [f"image{k:02}.png" for k in range(50)]
    boxes: List[Dict[str, Any]] = []
    for k, name in enumerate(names):
        Image.new("RGB", (100, 80), (5 * k, 100, 50)).save(folder / "images" / name)
        for category in [1] + [2] * (k % 4 == 0):
            boxes.append({"id": len(boxes), "image_id": k, "category_id": category,
                          "bbox": [0.0, 30.0, 50.0, 20.0], "area": 1000.0, "iscrowd": 0})
    (folder / "annotations.json").write_text(json.dumps({
        "images": [{"id": k, "file_name": name, "width": 100, "height": 80}
                   for k, name in enumerate(names)],
        "annotations": boxes, "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]}))
    (folder / "splits.json").write_text(json.dumps({"pool": names[:40], "test": names[40:]}))
    return folder


def parts_of(folder: pathlib.Path) -> Dict[str, List[str]]:
    found: Dict[str, List[str]] = json.loads((folder / "splits.json").read_text())
    return found


def test_a_pool_that_cannot_be_derived_is_refused(tmp_path: pathlib.Path) -> None:
    source = small_dataset(tmp_path / "source")
    refused: List[Tuple[Dict[str, Any], str]] = [
        ({"rare": ["bird"]}, "bird"), ({"images": 33}, "32 are left"), ({"copies": 1.0}, "copies"),
        ({"share": 2.0}, "share"), ({"copy": 0.5}, "copy")]
    for fields, why in refused:
        with pytest.raises(SystemExit, match=why):
            derive.derive(source, "", fields, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (source / "splits.json").write_text(json.dumps({"pool": [], "val": [], "test": []}))
    with pytest.raises(SystemExit, match="validation"):
        derive.derive(source, "", {}, tmp_path / "out")


def test_a_rare_class_keeps_its_share_of_the_images(tmp_path: pathlib.Path) -> None:
    source = small_dataset(tmp_path / "source")

    def dogs(**fields: Any) -> int:
        derive.derive(source, "", {"rare": ["dog"], **fields}, tmp_path / "out")
        parts = parts_of(tmp_path / "out")
        assert len(parts["val"]) == 8 and len(parts["test"]) == 10
        assert not set(parts["pool"]) & {*parts["val"], *parts["test"]}
        assert len(list((tmp_path / "out/images").iterdir())) == sum(map(len, parts.values()))
        return sum(int(name[5:7]) % 4 == 0 for name in parts["pool"])

    everything = dogs()
    assert dogs(share=0.5) == round(0.5 * everything)
    assert dogs(share=0.0) == 0


def test_copies_show_the_objects_of_their_originals(tmp_path: pathlib.Path) -> None:
    source = small_dataset(tmp_path / "source")
    fields = {"images": 30, "copies": 0.5, "seed": 3}
    for name in ("out", "again"):
        derive.derive(source, "", fields, tmp_path / name)
    out = tmp_path / "out"
    for file in ("annotations.json", "splits.json"):
        assert (out / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
    parts = parts_of(out)
    copies = [name for name in parts["pool"] if name.startswith("copy")]
    assert len(parts["pool"]) == 30 and len(copies) == 15
    dataset = json.loads((out / "annotations.json").read_text())
    boxes = {image["id"]: [box for box in dataset["annotations"] if box["image_id"] == image["id"]]
             for image in dataset["images"]}
    by_name = {image["file_name"]: image for image in dataset["images"]}
    assert len({box["id"] for box in dataset["annotations"]}) == len(dataset["annotations"])
    for name in copies:
        image = by_name[name]
        with Image.open(out / "images" / name) as picture:
            assert picture.size == (image["width"], image["height"])
        original = by_name[name.split("_")[1].replace(".jpg", ".png")]
        assert original["file_name"] in parts["pool"]
        assert len(boxes[image["id"]]) == len(boxes[original["id"]])
        for box in boxes[image["id"]]:
            x, y, width, height = box["bbox"]
            assert x == 0 and 26 <= y <= 30 and 46 <= width <= 50 and height == 20


def test_a_derived_pool_is_made_once_and_anew_when_its_fields_change(tmp_path: pathlib.Path) -> None:
    source = small_dataset(tmp_path / "source")
    derive.derive(source, "", {"images": 20}, tmp_path / "out")
    (tmp_path / "out/annotations.json").unlink()
    derive.derive(source, "", {"images": 20}, tmp_path / "out")
    assert not (tmp_path / "out/annotations.json").exists()
    derive.derive(source, "", {"images": 25}, tmp_path / "out")
    assert len(parts_of(tmp_path / "out")["pool"]) == 25


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
