"""The pools that `pools` simulates."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any, Dict

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import pool_plans  # noqa: E402


def dataset(images: int) -> Dict[str, Any]:
    """Every second image shows a dog, every tenth a cat, every eighth nothing; pairs are alike."""
    document: Dict[str, Any] = {"categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}],
                                "images": [], "annotations": []}
    for i in range(images):
        document["images"].append({"id": i, "file_name": f"{i:03d}.jpg", "near_dup_group": i // 2})
        for category in ([] if i % 8 == 0 else [1]) + ([2] if i % 10 == 5 else []):
            document["annotations"].append({"id": len(document["annotations"]), "image_id": i,
                                            "category_id": category, "bbox": [1, 1, 9, 9]})
    return document


@pytest.fixture(name="grown", scope="module")
def fixture_grown(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    image = pytest.importorskip("PIL.Image")
    source = tmp_path_factory.mktemp("source")
    (source / "images").mkdir()
    for each in dataset(400)["images"]:
        image.new("RGB", (32, 24), (each["id"] % 256, 90, 40)).save(
            source / "images" / each["file_name"])
    (source / "annotations.json").write_text(json.dumps(dataset(400)))
    names = [f"{i:03d}.jpg" for i in range(300)]
    out = tmp_path_factory.mktemp("out") / "pets"
    found = pool_plans.grow(source, names, out)
    assert pool_plans.grow(source, names, out) == found  # the second time from the file
    files = {str(path.relative_to(out / "images")) for path in (out / "images").rglob("*.jpg")}
    assert files == {each["file_name"] for each in found["images"]}
    return found


def test_images_are_those_of_training_and_near_duplicates_of_them(grown: Dict[str, Any]) -> None:
    originals = [each for each in grown["images"] if not each.get("variation")]
    varied = [each for each in grown["images"] if each.get("variation")]
    assert {each["file_name"] for each in originals} == {f"{i:03d}.jpg" for i in range(300)}
    assert len(varied) == pool_plans.VARIED * pool_plans.VARIATIONS
    boxes: Dict[int, int] = {}
    for annotation in grown["annotations"]:
        boxes[annotation["image_id"]] = boxes.get(annotation["image_id"], 0) + 1
    group = {each["file_name"]: each["group"] for each in originals}
    ids = {each["file_name"]: each["id"] for each in originals}
    for each in varied:
        original = each["file_name"].partition("~")[0] + ".jpg"
        assert each["group"] == group[original]
        assert boxes[each["id"]] == boxes[ids[original]]


@pytest.mark.parametrize("number", range(1, 21))
def test_a_pool_can_be_simulated(grown: Dict[str, Any], number: int) -> None:
    plan = pool_plans.plan(grown, "pets", number)
    assert plan == pool_plans.plan(grown, "pets", number)
    assert plan.name == f"pets-{number:02d}"
    group = {each["file_name"]: each["group"] for each in grown["images"]}
    assert len(set(plan.pool)) == len(plan.pool) >= pool_plans.LEAST_POOL
    assert 60 <= len(plan.test) <= pool_plans.MOST_TEST
    assert not {group[name] for name in plan.pool} & {group[name] for name in plan.test}
    assert not any("~" in name for name in plan.test)
    assert plan.initial >= 10 and plan.batch >= 5
    assert plan.initial + plan.batch <= 0.8 * len(plan.pool)


def test_pools_differ_in_what_makes_batches_differ(grown: Dict[str, Any]) -> None:
    plans = [pool_plans.plan(grown, "pets", number) for number in range(1, 21)]
    cats = {each["file_name"] for each in grown["images"] if each["id"] % 10 == 5}
    empty = {each["file_name"] for each in grown["images"]
             if each["id"] % 8 == 0 and not each.get("variation")}
    duplicates = [sum("~" in name for name in plan.pool) / len(plan.pool) for plan in plans]
    empties = [len(empty & set(plan.pool)) / len(plan.pool) for plan in plans]
    for shares in (duplicates, empties):
        assert min(shares) == 0 and 0.15 < max(shares) < 0.6
    share = {"cat" in plan.rare: len(cats & set(plan.pool)) / len(plan.pool) for plan in plans}
    assert share[True] < 0.5 * share[False]
    assert len({len(plan.pool) for plan in plans}) > 10


def test_what_is_missing_is_said(tmp_path: pathlib.Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "MGRAL_DATA"}
    command = [str(HERE / "pools"), "--plan", "--out", str(tmp_path), "--only"]
    done = subprocess.run([*command, "cards"], check=False, capture_output=True, text=True,
                          env=environment)
    assert done.returncode == 77
    assert "SKIPPED: cards was NOT run" in done.stderr
    done = subprocess.run([*command, "cats"], check=False, capture_output=True, text=True,
                          env=environment)
    assert done.returncode == 1
    assert "--only: no dataset cats (there are cards, bccd" in done.stderr
