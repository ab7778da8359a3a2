"""Pools with fewer objects of some classes or with near-copies, made from a labeled dataset.

    "derive": {"rare": ["ace", "king"], "share": 0.1, "images": 108, "copies": 0.5, "seed": 1}

A fifth of the pool's images is set aside for validation. Of the rest, only `share` of those with a
rare class are kept. `images` make up the new pool; the part `copies` of them are near-copies of the
others: cropped by up to 4 % at each side, a little brighter or darker, and encoded again. Test
images stay as they are. The same fields give the same pool.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import random
import shutil
from typing import Any, Dict, List, Optional, Set, Tuple

from PIL import Image, ImageEnhance, ImageOps

_VALIDATION_SHARE = 0.2
_MOST_CROPPED = 0.04  # of the width or height, at each side
_LEAST_VISIBLE = 0.3  # of a box's area, or the crop has lost the object
Json = Dict[str, Any]
Crop = Tuple[int, int, int, int]  # left, top, right, bottom


@dataclasses.dataclass
class Derivation:
    images: int = 0  # of the pool; 0: all that are left
    rare: List[str] = dataclasses.field(default_factory=list)
    share: float = 1.0  # of the images with a rare class that are kept
    copies: float = 0.0  # of the pool: near-copies of the rest of it
    seed: int = 1


def derive(source: pathlib.Path, splits: str, fields: Json, out: pathlib.Path) -> None:
    """Writes the dataset into `out`, unless it is there already. `splits`: a file in `source`."""
    wanted = {"source": str(source), "splits": splits, **fields}
    written = out / "derived.json"
    if written.exists() and json.loads(written.read_text()) == wanted:
        return
    derivation = _checked(fields)
    dataset = json.loads((source / "annotations.json").read_text())
    parts = json.loads((source / (splits or "splits.json")).read_text())
    if "val" in parts:
        raise SystemExit(f"{source / splits}: a split with validation images cannot be derived from")
    draw = random.Random(derivation.seed)
    pool = sorted(parts["pool"] if "pool" in parts else parts["train"])
    draw.shuffle(pool)
    validation = pool[:round(_VALIDATION_SHARE * len(pool))]
    originals = _drawn(pool[len(validation):], dataset, derivation, draw)
    if out.exists():
        shutil.rmtree(out)
    (out / "images").mkdir(parents=True)
    for name in [*originals, *validation, *parts["test"]]:
        shutil.copyfile(source / "images" / name, out / "images" / name)
    copies = _write_copies(originals, dataset, derivation, draw, out)
    kept = {*originals, *copies, *validation, *parts["test"]}
    _write_annotations(dataset, kept, out)
    (out / "splits.json").write_text(json.dumps(
        {"pool": sorted([*originals, *copies]), "val": sorted(validation),
         "test": sorted(parts["test"])}, indent=1))
    written.write_text(json.dumps(wanted))  # last: what was broken off is made anew


def _checked(fields: Json) -> Derivation:
    try:
        derivation = Derivation(**fields)
    except TypeError as error:
        raise SystemExit(f"derive: {error}") from None
    if not (0 <= derivation.share <= 1 and 0 <= derivation.copies < 1):
        raise SystemExit("derive: share must be from 0 to 1, copies at least 0 and less than 1")
    return derivation


def _drawn(train: List[str], dataset: Json, derivation: Derivation,
           draw: random.Random) -> List[str]:
    """The originals of the pool."""
    rare = {each["id"] for each in dataset["categories"] if each["name"] in derivation.rare}
    if len(rare) != len(derivation.rare):
        raise SystemExit(f"derive: not all of {', '.join(derivation.rare)} are classes of it")
    names = {image["id"]: image["file_name"] for image in dataset["images"]}
    with_rare = {names[box["image_id"]] for box in dataset["annotations"]
                 if box["category_id"] in rare}
    held = [name for name in train if name in with_rare]
    dropped = set(held[round(derivation.share * len(held)):])
    left = [name for name in train if name not in dropped]
    count = round((derivation.images or len(left)) * (1 - derivation.copies))
    if count > len(left) or count < 1:
        raise SystemExit(f"derive: {count} images are wanted, and {len(left)} are left")
    draw.shuffle(left)
    return left[:count]


def _write_copies(originals: List[str], dataset: Json, derivation: Derivation,
                  draw: random.Random, out: pathlib.Path) -> List[str]:
    """Adds the copies to the dataset, too; their names."""
    total = derivation.images or round(len(originals) / (1 - derivation.copies))
    ids = {image["file_name"]: image["id"] for image in dataset["images"]}
    boxes: Dict[int, List[Json]] = {}
    for box in dataset["annotations"]:
        boxes.setdefault(box["image_id"], []).append(box)
    next_id = 1 + max(image["id"] for image in dataset["images"])
    next_box = 1 + max((box["id"] for box in dataset["annotations"]), default=0)
    copies = []
    for k in range(total - len(originals)):
        original = draw.choice(originals)
        name = f"copy{k:04}_{pathlib.Path(original).stem}.jpg"
        crop = _write_copy(out / "images" / original, out / "images" / name, draw)
        dataset["images"].append({"id": next_id, "file_name": name, "width": crop[2] - crop[0],
                                  "height": crop[3] - crop[1]})
        for box in boxes.get(ids[original], []):
            seen = _cropped(box["bbox"], crop)
            if seen is not None:
                dataset["annotations"].append({**box, "id": next_box, "image_id": next_id,
                                               "bbox": seen, "area": seen[2] * seen[3]})
                next_box += 1
        copies.append(name)
        next_id += 1
    return copies


def _write_copy(original: pathlib.Path, copy: pathlib.Path, draw: random.Random) -> Crop:
    """What was cut out of the original."""
    with Image.open(original) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    width, height = picture.size
    left, top, right, bottom = (draw.uniform(0, _MOST_CROPPED) for _ in range(4))
    crop = (round(left * width), round(top * height), round((1 - right) * width),
            round((1 - bottom) * height))
    picture = ImageEnhance.Brightness(picture.crop(crop)).enhance(draw.uniform(0.85, 1.15))
    picture.save(copy, quality=draw.randint(75, 95))
    return crop


def _cropped(box: List[float], crop: Crop) -> Optional[List[float]]:
    """x, y, width, and height of what the crop has of the box; None where it has lost it."""
    x, y, width, height = box
    x0, y0 = max(x, crop[0]), max(y, crop[1])
    x1, y1 = min(x + width, crop[2]), min(y + height, crop[3])
    if x1 <= x0 or y1 <= y0 or (x1 - x0) * (y1 - y0) < _LEAST_VISIBLE * width * height:
        return None
    return [x0 - crop[0], y0 - crop[1], x1 - x0, y1 - y0]


def _write_annotations(dataset: Json, names: Set[str], out: pathlib.Path) -> None:
    images = [image for image in dataset["images"] if image["file_name"] in names]
    ids = {image["id"] for image in images}
    (out / "annotations.json").write_text(json.dumps({
        **dataset, "images": images,
        "annotations": [box for box in dataset["annotations"] if box["image_id"] in ids]}))
