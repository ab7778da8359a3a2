"""Small drawn images and datasets of them, for tests."""

from __future__ import annotations

import json
import pathlib
from typing import Any, Dict, List

import numpy
from PIL import Image

SIDE = 64


def draw(path: pathlib.Path, number: int) -> List[Dict[str, Any]]:
    """A light square or a dark disc on noise; returns its COCO boxes, none for every fifth."""
    random = numpy.random.default_rng(number)
    pixels = random.integers(90, 120, size=(SIDE, SIDE, 3), dtype=numpy.uint8)
    boxes = []
    if number % 5 != 4:
        size = int(random.integers(16, 28))
        x, y = (int(one) for one in random.integers(0, SIDE - size, size=2))
        rows, columns = numpy.mgrid[0:size, 0:size] - size / 2
        part = pixels[y:y + size, x:x + size]
        if number % 2:
            part[:] = (250, 240, 40)
        else:
            part[rows ** 2 + columns ** 2 < size ** 2 / 4] = (20, 10, 90)
        boxes.append({"bbox": [x, y, size, size], "category_id": 1 + number % 2})
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return boxes


def coco(folder: pathlib.Path, count: int, validation: int) -> pathlib.Path:
    """annotations.json, splits.json and images/ in `folder`; the last ones are for validation."""
    document: Dict[str, Any] = {"categories": [{"id": 1, "name": "disc"}, {"id": 2, "name": "square"}],
                                "images": [], "annotations": []}
    names = []
    for number in range(count):
        names.append(f"{number:03}.png")
        document["images"].append({"id": number, "file_name": names[-1], "width": SIDE,
                                   "height": SIDE})
        for box in draw(folder / "images" / names[-1], number):
            document["annotations"].append({"id": len(document["annotations"]), "image_id": number,
                                            "iscrowd": 0, **box})
    (folder / "annotations.json").write_text(json.dumps(document))
    splits = {"train": names[:-validation], "val": names[-validation:]}
    (folder / "splits.json").write_text(json.dumps(splits))
    return folder / "annotations.json"
