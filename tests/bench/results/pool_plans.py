"""Subsampled pools of a dataset, for `pools`: seeded, from the dataset's training images alone."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import random
import shutil
from typing import Any, Dict, List

MOST_IMAGES = 600  # of a dataset
VARIED = 60  # images of a dataset that have near-duplicates
VARIATIONS = 2  # of each
LEAST_POOL, MOST_POOL = 60, 300
MOST_TEST = 150
KEPT_OF_RARE = 0.1
MOST_DUPLICATES, MOST_EMPTIES = 0.4, 0.25  # of a pool


@dataclasses.dataclass
class PoolPlan:
    """A pool: the split of its images, as `mgral simulate --splits` reads it, and its protocol."""

    name: str
    pool: List[str]
    test: List[str]
    initial: int
    batch: int
    rare: List[str]  # classes most of whose images were dropped


def training_names(folder: pathlib.Path, splits: str) -> List[str]:
    lists: Dict[str, List[str]] = json.loads((folder / (splits or "splits.json")).read_text())
    return lists["pool"] if "pool" in lists else lists["train"]


def grow(source: pathlib.Path, names: List[str], out: pathlib.Path) -> Dict[str, Any]:
    """Copies the images of these names, with near-duplicates of some, into a dataset of its own,
    unless it is there; returns its annotations. An image's "group" holds what is alike."""
    file = out / "annotations.json"
    if file.exists():
        found: Dict[str, Any] = json.loads(file.read_text())
        return found
    document = json.loads((source / "annotations.json").read_text())
    rng = random.Random(f"images of {out.name}")
    chosen = set(rng.sample(sorted(names), min(MOST_IMAGES, len(names))))
    images = [dict(image, group=_group_of(image)) for image in document["images"]
              if image["file_name"] in chosen]
    boxes: Dict[int, List[Dict[str, Any]]] = {}
    for annotation in document["annotations"]:
        boxes.setdefault(annotation["image_id"], []).append(annotation)
    for image in images:
        path = out / "images" / image["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / "images" / image["file_name"], path)
    with_objects = [image for image in images if image["id"] in boxes]
    next_id = max(image["id"] for image in document["images"]) + 1
    for image in rng.sample(with_objects, min(VARIED, len(with_objects))):
        for number in range(1, VARIATIONS + 1):
            stem, _, _ = image["file_name"].rpartition(".")
            varied = dict(image, id=next_id, file_name=f"{stem}~{number}.jpg", variation=True)
            _vary(out / "images" / image["file_name"], out / "images" / varied["file_name"], rng)
            boxes[next_id] = [dict(box, image_id=next_id) for box in boxes[image["id"]]]
            images.append(varied)
            next_id += 1
    annotations = [box for image in images for box in boxes.get(image["id"], [])]
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    grown = dict(document, images=images, annotations=annotations)
    file.write_text(json.dumps(grown))
    return grown


def _group_of(image: Dict[str, Any]) -> str:
    if image.get("near_dup_group") is not None:
        return f"near_dup_group {image['near_dup_group']}"
    return str(image.get("tile_of") or image["file_name"])


def _vary(source: pathlib.Path, out: pathlib.Path, rng: random.Random) -> None:
    try:
        from PIL import Image, ImageEnhance
    except ImportError:
        raise SystemExit("near-duplicates need Debian's python3-pil") from None
    with Image.open(source) as image:
        changed = ImageEnhance.Brightness(image.convert("RGB")).enhance(rng.uniform(0.9, 1.1))
        changed = ImageEnhance.Contrast(changed).enhance(rng.uniform(0.9, 1.1))
        changed.save(out, "JPEG", quality=rng.randrange(60, 90))


def plan(annotations: Dict[str, Any], dataset: str, number: int) -> PoolPlan:
    """The pool of this number. Whole groups go to its images or to its test images."""
    rng = random.Random(f"{dataset} {number}")
    names = {category["id"]: category["name"] for category in annotations["categories"]}
    classes: Dict[int, List[str]] = {image["id"]: [] for image in annotations["images"]}
    for annotation in annotations["annotations"]:
        classes[annotation["image_id"]].append(names[annotation["category_id"]])
    groups: Dict[str, List[Dict[str, Any]]] = {}
    for image in annotations["images"]:
        groups.setdefault(image["group"], []).append(image)
    originals = sum(not image.get("variation") for image in annotations["images"])
    size = min(_between(rng, LEAST_POOL, MOST_POOL), int(0.6 * originals))
    present = sorted({name for of_image in classes.values() for name in of_image})
    rare = sorted(rng.sample(present, rng.randint(0, len(present) // 2)))
    with_duplicates, with_empties = rng.random() < 0.5, rng.random() < 0.5

    def usable(image: Dict[str, Any]) -> bool:
        if image.get("variation"):
            return with_duplicates
        return with_empties or bool(classes[image["id"]])

    order = sorted(groups)
    rng.shuffle(order)
    order = _first(order, groups, with_duplicates, "variation", MOST_DUPLICATES * size)
    for image in annotations["images"]:
        image["empty"] = not classes[image["id"]]
    order = _first(order, groups, with_empties, "empty", MOST_EMPTIES * size)
    pool: List[str] = []
    passed: List[str] = []
    for group in order:
        images = [image for image in groups[group] if usable(image)]
        of_group = {name for image in images for name in classes[image["id"]]}
        dropped = bool(of_group & set(rare)) and rng.random() > KEPT_OF_RARE
        if dropped or not images or len(pool) >= size:
            passed.append(group)
        else:
            pool += [image["file_name"] for image in images]
    while len(pool) < min(size, LEAST_POOL):  # rare classes were nearly all that there is
        pool += [image["file_name"] for image in groups[passed.pop(0)] if usable(image)]
    test = [image["file_name"] for group in passed for image in groups[group]
            if not image.get("variation")]
    rng.shuffle(test)
    labeled = int(0.8 * len(pool))  # mgral simulate sets a fifth aside for validation
    initial = min(_between(rng, 10, 60), labeled // 2)
    batch = min(_between(rng, 5, 40), (labeled - initial) // 2)
    return PoolPlan(f"{dataset}-{number:02d}", pool, test[:MOST_TEST], initial, batch, rare)


def _between(rng: random.Random, least: int, most: int) -> int:
    """Uniform on the logarithmic scale."""
    return round(math.exp(rng.uniform(math.log(least), math.log(most))))


def _first(order: List[str], groups: Dict[str, List[Dict[str, Any]]], wanted: bool, key: str,
           images: float) -> List[str]:
    """Groups with an image that has the key come first, until there are so many images."""
    if not wanted:
        return order
    first: List[str] = []
    count = 0
    for group in order:
        if count < images and any(image.get(key) for image in groups[group]):
            first.append(group)
            count += len(groups[group])
    return first + [group for group in order if group not in first]
