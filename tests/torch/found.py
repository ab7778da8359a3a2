"""Images to find something in, and whether the same was found."""

from __future__ import annotations

import pathlib
from typing import Dict, List, Sequence

import numpy
import torch
from PIL import Image

import mgral

Found = List[mgral.Box]


def draw(folder: pathlib.Path) -> List[pathlib.Path]:
    """Images of many sizes: enlarged and reduced, by halves and not, turned by EXIF, gray."""
    random = numpy.random.default_rng(1)
    made = []
    for number, (height, width) in enumerate([(64, 64), (100, 37), (150, 160), (320, 320), (333, 517),
                                              (700, 901), (480, 640), (31, 400)]):
        coarse = random.integers(0, 255, (height // 12 + 2, width // 12 + 2, 3), dtype=numpy.uint8)
        image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        side = min(height, width) // 2
        image.paste((250, 240, 40), (side // 2, side // 3, side // 2 + side, side // 3 + side))
        made.append(folder / f"{number}.png")
        image.save(made[-1])
        if height > 300:
            made.append(folder / f"{number}.jpg")
            exif = Image.Exif()
            exif[0x0112] = 6 if width > 600 else 1
            image.save(made[-1], exif=exif, quality=90)
    image.convert("L").save(folder / "gray.png")
    return [*made, folder / "gray.png"]


def check_same(path: pathlib.Path, expected: Found, found: Found, relative: float = 1e-4) -> None:
    """Every box has its equal: coordinates to `relative` of the image's longer side, scores to `relative`."""
    with Image.open(path) as image:
        tolerance = relative * max(image.size)
    left = list(found)
    for box in expected:
        same = [one for one in left if one.class_name == box.class_name
                and abs(one.score - box.score) < relative
                and max(abs(one.x_min - box.x_min), abs(one.y_min - box.y_min),
                        abs(one.width - box.width), abs(one.height - box.height)) < tolerance]
        assert same, f"{path.name}: {box} is not among {left}"
        left.remove(same[0])
    assert not left, f"{path.name}: {left}"


def boxes_of(output: Dict[str, torch.Tensor], classes: Sequence[str]) -> Found:
    return [mgral.Box(classes[label], x_min, y_min, x_max - x_min, y_max - y_min, score=score)
            for (x_min, y_min, x_max, y_max), score, label
            in zip(output["boxes"].tolist(), output["scores"].tolist(), output["labels"].tolist())]


def pixels_of(path: pathlib.Path) -> torch.Tensor:
    with Image.open(path) as image:
        return torch.from_numpy(numpy.array(image.convert("RGB"))).permute(2, 0, 1)
