"""COCO: one JSON file, and the folder that its file names are below."""

from __future__ import annotations

import json
import pathlib
from typing import Any, Callable, Dict, Optional, Tuple

from mgral.connection import Path
from mgral.datasets.dataset import Builder, Dataset, DatasetImage, folder_name
from mgral.datasets.json_file import read_json_object
from mgral.errors import DatasetError
from mgral.values import Box


def read_coco(annotations: Path, images: Optional[Path] = None, *,
              require_files: bool = True) -> Dataset:
    """`images`: the folder of the images; `images` beside the file by default. An image that is
    not there at its path is found by a base name that is unique there, and that is noted. Without
    `require_files` the images need not be there: for labels alone."""
    file = pathlib.Path(annotations)
    folder = pathlib.Path(images) if images is not None else file.parent / "images"
    if require_files and not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder of images")
    return _read(file, Builder(str(file), folder, require_files))


def read_coco_labels(annotations: Path) -> Dataset:
    """For labels alone: an image whose file name leads out of its folder has no id yet."""
    file = pathlib.Path(annotations)
    return _read(file, Builder(str(file), file.parent, require_files=False, any_name=True))


def _read(file: pathlib.Path, builder: Builder) -> Dataset:
    _CocoReader(read_json_object(file), builder).read()
    return builder.build(folder_name(file.parent))


class _CocoReader:
    def __init__(self, document: Dict[str, Any], builder: Builder) -> None:
        self._document, self._builder = document, builder
        self._categories: Dict[int, Tuple[str, str]] = {}  # id -> name, entry
        self._images: Dict[object, Optional[DatasetImage]] = {}

    def read(self) -> None:
        self._for_each("categories", self._category)
        # By id: the detector's order of classes must not hang on the file's.
        for _, (name, entry) in sorted(self._categories.items()):
            self._builder.add_class(name, entry)
        self._for_each("images", self._image)
        self._for_each("annotations", self._annotation)

    def _for_each(self, key: str, read: Callable[[Dict[str, Any], str], None]) -> None:
        entries = self._document.get(key)
        if not isinstance(entries, list):
            return self._builder.problem(key, "the list is missing")
        for index, entry in enumerate(entries):
            if self._builder.gives_up():
                return
            if isinstance(entry, dict):
                read(entry, f"{key}[{index}]")
            else:
                self._builder.problem(f"{key}[{index}]", "is not an object")

    def _category(self, entry: Dict[str, Any], name: str) -> None:
        number, text = entry.get("id"), entry.get("name")
        if not isinstance(number, int) or isinstance(number, bool):
            return self._builder.problem(name, '"id" is not an integer')
        if not isinstance(text, str):
            return self._builder.problem(name, '"name" is not a string')
        if number in self._categories:
            return self._builder.problem(name, f"id {number} is there twice")
        self._categories[number] = (text, name)

    def _image(self, entry: Dict[str, Any], name: str) -> None:
        key, file_name = entry.get("id"), entry.get("file_name")
        if not _is_integer(key) and not isinstance(key, str):  # some tools write strings
            return self._builder.problem(name, '"id" is not an integer')
        if not isinstance(file_name, str):
            return self._builder.problem(name, '"file_name" is not a string')
        image_id = entry.get("mgral_image_id")
        if "mgral_image_id" in entry and (not isinstance(image_id, str) or not image_id):
            return self._builder.problem(name, '"mgral_image_id" is not an image id')
        image = self._builder.add_image(file_name, _number(entry.get("width")),
                                        _number(entry.get("height")), name, image_id or "")
        if key in self._images:
            self._builder.problem(name, f"image id {key!r} is there twice")
        self._images.setdefault(key, image)

    def _annotation(self, entry: Dict[str, Any], name: str) -> None:
        key, category = entry.get("image_id"), entry.get("category_id")
        if isinstance(key, (dict, list, bool)) or key not in self._images:
            return self._builder.problem(
                name, f'"image_id" {_shown(entry, "image_id")} is not the id of an image')
        if not _is_integer(category) or category not in self._categories:
            return self._builder.problem(
                name, f'"category_id" {_shown(entry, "category_id")} is not the id of a category')
        sides = entry.get("bbox")
        if not isinstance(sides, list) or len(sides) != 4 or not all(
                isinstance(side, (int, float)) and not isinstance(side, bool) for side in sides):
            return self._builder.problem(name, '"bbox" is not a list of four numbers')
        image, class_name = self._images[key], self._categories[category][0]
        if image is None or not self._builder.has_class(class_name):
            return  # reported already
        ignore = any(_flag(entry.get(word)) for word in ("iscrowd", "ignore", "difficult"))
        x_min, y_min, width, height = (_number(side) for side in sides)
        self._builder.add_box(image, Box(class_name, x_min, y_min, width, height, ignore), name)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> float:
    """0 where it is none; infinite where it is beyond all bounds."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return 0.0
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _flag(value: object) -> bool:
    return isinstance(value, (bool, int, float)) and value != 0


def _shown(entry: Dict[str, Any], key: str) -> str:
    return json.dumps(entry[key])[:40] if key in entry else "(missing)"
