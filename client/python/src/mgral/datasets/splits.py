"""Which images are for training, validation and test."""

from __future__ import annotations

import pathlib
from typing import Dict, List

from mgral.connection import Path
from mgral.datasets.dataset import Dataset, Splits
from mgral.datasets.json_file import read_json_object
from mgral.errors import DatasetError

_MEANING = {"train": "train", "pool": "train", "val": "validation", "validation": "validation",
            "valid": "validation", "test": "test"}


def read_splits(file: Path, dataset: Dataset) -> Splits:
    """JSON lists of file names under "train" or "pool", "val" (or "validation", "valid") and
    "test". Images in no list are in no split."""
    lists = SplitLists(str(file), dataset)
    seen: Dict[str, str] = {}
    for key, names in read_json_object(pathlib.Path(file)).items():
        split = _MEANING.get(key)
        if split is None:
            if not isinstance(names, list):
                continue  # a remark
            raise DatasetError(f'{file}: "{key}" is not a split: use "train" (or "pool"), "val", '
                               '"test"')
        if split in seen:
            raise DatasetError(f'{file}: "{seen[split]}" and "{key}" mean the same: use one of '
                               "them")
        seen[split] = key
        if not isinstance(names, list):
            raise DatasetError(f'{file}: "{key}" is not a list of file names')
        for name in names:
            if not isinstance(name, str):
                raise DatasetError(f'{file}: "{key}" holds {str(name)[:40]}, which is not a file '
                                   "name")
            lists.add(name, key, split)
    return lists.splits


class SplitLists:
    """Checks that the images exist and that the lists don't overlap."""

    def __init__(self, file: str, dataset: Dataset) -> None:
        self._file = file
        self._ids = {name: image.image_id for image in dataset.images
                     for name in (image.listed_name, image.file_name)}
        self._taken: Dict[str, str] = {}
        self.splits = Splits()

    def add(self, file_name: str, said: str, split: str) -> None:
        """`said`: what the file calls the split; `split`: the list of Splits."""
        image_id = self._ids.get(file_name)
        if image_id is None:
            raise DatasetError(f'{self._file}: "{said}" names "{file_name}", which the dataset does '
                               "not have")
        if image_id in self._taken:
            raise DatasetError(f'{self._file}: "{file_name}" is in "{said}" and in '
                               f'"{self._taken[image_id]}"')
        self._taken[image_id] = said
        chosen: List[str] = getattr(self.splits, split)
        chosen.append(image_id)
