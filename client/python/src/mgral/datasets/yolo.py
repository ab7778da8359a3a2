"""YOLO: for each image, images/.../NAME.jpg, a text file labels/.../NAME.txt with a line per box:
class number, then center and size as fractions of the image's width and height.
"""

from __future__ import annotations

import math
import pathlib
from typing import Dict, List, Optional, Sequence

from mgral.connection import Path
from mgral.datasets.dataset import (IMAGE_ENDINGS, Builder, Dataset, DatasetImage,
                                    folder_name, read_text)
from mgral.datasets.image_size import image_size
from mgral.datasets.splits import SplitLists
from mgral.errors import DatasetError
from mgral.values import Box

_SPLITS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}


def read_yolo(directory: Path, classes: Optional[Sequence[str]] = None) -> Dataset:
    """Images are all JPEG, PNG, WebP, BMP and TIFF files in a folder `images` or below one
    (images/train/, train/images/, or flat), upright as their EXIF orientation says; one without a text file has no boxes. Class names: `classes`, else
    classes.txt (one a line), else `names` of data.yaml, which needs PyYAML. Splits come from
    folders named train, val (or valid) and test. A polygon counts as the box around it."""
    root = pathlib.Path(directory)
    if not root.is_dir():
        raise DatasetError(f"{root}: there is no such folder")
    builder = Builder(str(root), root, require_files=True)
    names = list(classes) if classes is not None else _class_names(root)
    for number, name in enumerate(names):
        builder.add_class(name, f"class {number}")
    files = sorted(file.relative_to(root) for file in root.rglob("*")
                   if file.suffix.lower() in IMAGE_ENDINGS
                   and "images" in file.relative_to(root).parts[:-1])
    said: Dict[str, str] = {}
    for file in files:
        if builder.gives_up():
            break
        _add_image(builder, root, file, names)
        part = next((part for part in file.parts[:-1] if part in _SPLITS), None)
        if part is not None:
            said[file.as_posix()] = part
    dataset = builder.build(folder_name(root))
    if said:
        lists = SplitLists(str(root), dataset)
        for name, part in said.items():
            lists.add(name, part, _SPLITS[part])
        dataset.splits = lists.splits
    return dataset


def _add_image(builder: Builder, root: pathlib.Path, file: pathlib.Path,
               names: Sequence[str]) -> None:
    try:
        width, height = image_size(root / file)
    except DatasetError as error:
        return builder.problem(file.as_posix(), str(error))
    image = builder.add_image(file.as_posix(), width, height, file.as_posix())
    parts = list(file.with_suffix(".txt").parts)
    last = max(index for index, part in enumerate(parts[:-1]) if part == "images")
    parts[last] = "labels"
    labels = pathlib.Path(*parts)
    if image is None or not (root / labels).is_file():
        return
    for number, line in enumerate(read_text(root / labels).splitlines(), 1):
        if line.strip():
            _add_line(builder, image, line.split(), names, f"{labels.as_posix()} line {number}")


def _add_line(builder: Builder, image: DatasetImage, words: List[str], names: Sequence[str],
              entry: str) -> None:
    try:
        numbers = [float(word) for word in words[1:]]
        number = int(words[0])
    except ValueError:
        return builder.problem(entry, "is not a class number and fractions")
    if not 0 <= number < len(names):
        return builder.problem(entry, f"class {number} is none of the {len(names)} classes")
    if len(numbers) >= 6 and len(numbers) % 2 == 0:
        xs, ys = numbers[0::2], numbers[1::2]
        left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
    elif len(numbers) == 4:
        x, y, width, height = numbers
        left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    else:
        return builder.problem(entry, "is not CLASS X Y WIDTH HEIGHT, nor a polygon")
    # Pixels in a file meant for fractions would make boxes that are clipped to the whole image.
    if not all(math.isfinite(side) and -1 <= side <= 2 for side in (left, top, right, bottom)):
        return builder.problem(entry, "holds numbers that are not fractions of the image")
    builder.add_box(image, Box(names[number], left * image.width, top * image.height,
                               (right - left) * image.width, (bottom - top) * image.height), entry)


def _class_names(root: pathlib.Path) -> List[str]:
    if (root / "classes.txt").is_file():
        return [line.strip() for line in read_text(root / "classes.txt").splitlines()
                if line.strip()]
    for name in ("data.yaml", "data.yml", "dataset.yaml"):
        if (root / name).is_file():
            return _yaml_names(root / name)
    raise DatasetError(f"{root}: what are the classes? Give `classes`, or a file classes.txt or "
                       "data.yaml in it")


def _yaml_names(file: pathlib.Path) -> List[str]:
    try:
        import yaml
    except ImportError:
        raise DatasetError(f"{file}: reading it needs PyYAML (pip install mgral[yolo]); or give "
                           "`classes`") from None
    try:
        document = yaml.safe_load(read_text(file))
    except (yaml.YAMLError, RecursionError) as error:
        raise DatasetError(f"{file}: is not YAML: {error}") from error
    names = document.get("names") if isinstance(document, dict) else None
    if isinstance(names, dict) and sorted(names, key=str) == sorted(range(len(names)), key=str):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DatasetError(f'{file}: "names" is not a list of class names, or numbers from 0 with '
                           "names")
    return names
