"""What the readers return, and the checks that all formats share."""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import pathlib
from typing import Dict, List, Optional, Set, Tuple

from mgral.datasets.matching import ImageMatcher, MatchedBy, counts, describe, id_of_file
from mgral.errors import DatasetError
from mgral.values import Box, NewImage, Use

IMAGE_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})

_LOG = logging.getLogger("mgral")
_TOO_LONG = "the file name is too long for an image_id (256 bytes): rename the file"
_MAX_WARNINGS = 100
_MAX_PROBLEMS = 10
_MAX_NAME_BYTES = 1024
_MAX_ID_BYTES = 256
_MAX_SIDE = 1e6  # pixels
_TOLERANCE = 1.0  # pixels that a box may extend past the edge without a warning
_MAX_TEXT_BYTES = 4 << 30
_MAX_IMAGE_BYTES = 60 << 20  # leaves room in a message of 64 MiB


@dataclasses.dataclass(frozen=True)
class DatasetImage:
    """image_id: file_name with "/" as ":", unless the file carries the id. file_name: below the
    images' folder. path: where the file is on this machine. width, height: 0 where the dataset
    does not say. listed_name, listed_id: the file name and the id as the dataset's file has them."""

    image_id: str
    file_name: str
    path: pathlib.Path
    width: int
    height: int
    boxes: List[Box]
    listed_name: str = ""
    listed_id: str = ""

    def to_new_image(self, use: Use, server_path: Optional[str]) -> NewImage:
        """With `server_path` ("" is the image root itself) the server reads server_path/file_name
        below its image root; without, the bytes are sent."""
        if server_path is not None:
            prefix = server_path.rstrip("/")
            path = f"{prefix}/{self.file_name}" if prefix else self.file_name
            return NewImage(self.image_id, path=path, use=use)
        try:
            size = self.path.stat().st_size
            if size > _MAX_IMAGE_BYTES:
                raise DatasetError(f"{self.path}: is {size} bytes, too many for a message: put it "
                                   "below the server's image root and give server_path")
            return NewImage(self.image_id, data=self.path.read_bytes(), use=use)
        except OSError as error:
            raise DatasetError(f"{self.path}: cannot be read: {error.strerror}") from error


@dataclasses.dataclass(frozen=True)
class Splits:
    """Image ids. An image is in one list at most, or in none."""

    train: List[str] = dataclasses.field(default_factory=list)
    validation: List[str] = dataclasses.field(default_factory=list)
    test: List[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Dataset:
    """classes: COCO: by category id; VOC: by name; YOLO: by number. images: in the file's order.
    splits: the dataset's own, where it has some. notes: what was decided about the file as a whole,
    e.g. how its coordinates are counted. warnings: what was corrected, the first hundred in words.
    clipped_boxes: extended past the edge by more than a pixel. dropped_boxes: had no area inside."""

    name: str
    classes: List[str]
    images: List[DatasetImage]
    splits: Optional[Splits] = None
    notes: List[str] = dataclasses.field(default_factory=list)
    warnings: List[str] = dataclasses.field(default_factory=list)
    clipped_boxes: int = 0
    dropped_boxes: int = 0


class Builder:
    """Collects what is wrong, so that one run names several mistakes and not only the first.
    Entries are named by the caller, e.g. "annotations[3]"."""

    def __init__(self, file: str, images: pathlib.Path, require_files: bool,
                 any_name: bool = False) -> None:
        """require_files: every image must have its file below `images`, at the path that the dataset
        names, or else the only one there of that base name. any_name: without require_files, take
        names that lead out of the folder, too; such an image has no id yet."""
        self._file, self._images, self._require_files = file, images, require_files
        self._any_name = any_name
        self._dataset = Dataset("", [], [])
        self._classes: Set[str] = set()
        self._entries: Dict[str, str] = {}  # image_id -> entry
        self._problems: List[str] = []
        self._files: Dict[str, str] = {}  # id -> file below images
        self._matcher: Optional[ImageMatcher] = None  # made when a path first leads nowhere
        self._matched: List[MatchedBy] = []

    def problem(self, entry: str, what: str) -> None:
        if not self.gives_up():
            self._problems.append(f"{self._file}: {entry}: {what}")

    def gives_up(self) -> bool:
        """So much is wrong that more messages would not help."""
        return len(self._problems) >= _MAX_PROBLEMS

    def has_class(self, name: str) -> bool:
        return name in self._classes

    def add_class(self, name: str, entry: str) -> None:
        if not name:
            self.problem(entry, "the class has no name")
        elif name in self._classes:
            self.problem(entry, f'class "{name}" is there twice')
        else:
            self._classes.add(name)
            self._dataset.classes.append(name)

    def add_image(self, file_name: str, width: float, height: float, entry: str,
                  listed_id: str = "") -> Optional[DatasetImage]:
        """None when something is wrong with it. `listed_id`: the image id that the file carries."""
        listed = file_name.replace("\\", "/")
        try:
            _check_text(listed, "file name", _MAX_NAME_BYTES)
            _check_size(width, height)
            found = self._find_file(listed) if self._require_files else listed
            image_id = self._image_id(found, listed_id)
            if image_id and image_id in self._entries:
                raise _Wrong(f'"{listed}" is also {self._entries[image_id]}')
        except _Wrong as wrong:
            self.problem(entry, str(wrong))
            return None
        self._entries[image_id] = entry
        path = self._images if _path_problem(found) else self._images / found
        image = DatasetImage(image_id, found, path, int(width), int(height), [], listed, listed_id)
        self._dataset.images.append(image)
        return image

    def _image_id(self, file_name: str, listed_id: str) -> str:
        problem = _path_problem(file_name)
        if problem and not self._any_name:
            raise _Wrong(problem)
        if listed_id:
            if "/" in listed_id:
                raise _Wrong('the image id holds a "/"')
            _check_text(listed_id, "image id", _MAX_ID_BYTES)
            return listed_id
        if problem:
            return ""  # to be matched
        image_id = id_of_file(file_name)
        if len(image_id.encode()) > _MAX_ID_BYTES:
            raise _Wrong(_TOO_LONG)
        return image_id

    def _find_file(self, listed: str) -> str:
        problem = _path_problem(listed)
        if not problem and is_file(self._images / listed):
            self._matched.append(MatchedBy.PATH)
            return listed
        if self._matcher is None:
            self._files = {id_of_file(name): name for name in _image_files(self._images)}
            self._matcher = ImageMatcher(self._files)
        match = self._matcher.find(listed)
        if match.by is MatchedBy.AMBIGUOUS:
            raise _Wrong(f'"{listed}" is not below {self._images}, where several files have that '
                         "base name")
        if match.id is None:
            if len(listed.encode()) > _MAX_ID_BYTES:
                raise _Wrong(_TOO_LONG)
            raise _Wrong(f"{problem}, and no file below {self._images} has its name" if problem
                         else f"there is no file {self._images / listed}")
        self._matched.append(match.by)
        return self._files[match.id]

    def add_box(self, image: DatasetImage, box: Box, entry: str) -> None:
        """Clips what extends past the edge of the image, drops what has no area."""
        numbers = (box.x_min, box.y_min, box.width, box.height)
        if not all(math.isfinite(number) for number in (*numbers, box.x_min + box.width,
                                                        box.y_min + box.height)):
            return self.problem(entry, "the box holds a number that is not finite")
        x_min, width, past_x = _within(box.x_min, box.width, image.width)
        y_min, height, past_y = _within(box.y_min, box.height, image.height)
        shown = "[" + ", ".join(f"{number:g}" for number in numbers) + "]"
        if not (width > 0 and height > 0):
            self._dataset.dropped_boxes += 1
            return self._warn(f"{entry}: dropped the box {shown} of {image.file_name}: it has no "
                              "area inside the image")
        if max(past_x, past_y) > _TOLERANCE:
            self._dataset.clipped_boxes += 1
            self._warn(f"{entry}: clipped the box {shown} to the {image.width} x {image.height} "
                       f"pixels of {image.file_name}")
        image.boxes.append(dataclasses.replace(box, x_min=x_min, y_min=y_min, width=width,
                                               height=height))

    def build(self, name: str) -> Dataset:
        """The dataset, or every problem in one error."""
        if not self._problems and not self._dataset.images:
            self._problems.append(f"{self._file}: there are no images in it")
        if self._problems:
            raise DatasetError("\n".join(self._problems)
                               + ("\n(and maybe more)" if self.gives_up() else ""))
        self._dataset.name = name
        matched = counts(self._matched)
        if matched["base_name"] + matched["unprefixed_base_name"]:
            self.note(f"images found below {self._images}: {describe(matched)}")
        return self._dataset

    def note(self, text: str) -> None:
        self._dataset.notes.append(f"{self._file}: {text}")
        _LOG.info("%s: %s", self._file, text)

    def _warn(self, text: str) -> None:
        if len(self._dataset.warnings) < _MAX_WARNINGS:
            self._dataset.warnings.append(f"{self._file}: {text}")


def read_text(path: pathlib.Path) -> str:
    """The whole of a UTF-8 file, at most 4 GiB."""
    try:
        if not path.is_file():
            raise DatasetError(f"{path}: there is no such file")
        if path.stat().st_size > _MAX_TEXT_BYTES:
            raise DatasetError(f"{path}: is larger than 4 GiB")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is not UTF-8 text") from error


def is_file(path: pathlib.Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL
        return False


def folder_name(folder: pathlib.Path) -> str:
    return pathlib.Path(os.path.abspath(folder)).name


class _Wrong(Exception):
    """What is wrong with an image's entry."""


def _image_files(folder: pathlib.Path) -> List[str]:
    """Below `folder`, relative to it. Links to folders are not followed."""
    return [(pathlib.Path(parent) / name).relative_to(folder).as_posix()
            for parent, _, names in os.walk(folder) for name in names
            if pathlib.PurePath(name).suffix.lower() in IMAGE_ENDINGS]


def _check_text(text: str, what: str, max_bytes: int) -> None:
    if not text:
        raise _Wrong(f"the {what} is empty")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:  # a lone surrogate: JSON can hold them
        raise _Wrong(f"the {what} is not valid Unicode") from None
    if size > max_bytes:
        raise _Wrong(f"the {what} is longer than {max_bytes} bytes")
    if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in text):
        raise _Wrong(f"the {what} holds a control character")


def _path_problem(name: str) -> str:
    """Why a file name may not be joined to a folder; empty if it may."""
    if name.startswith("/"):
        return f'"{name}" is an absolute path'
    if any(part in ("", ".", "..") for part in name.split("/")):
        return f'"{name}" holds "..", "." or an empty part'
    return ""


def _check_size(width: float, height: float) -> None:
    known = width != 0 or height != 0
    if known and not all(1 <= side <= _MAX_SIDE and side == math.floor(side)
                         for side in (width, height)):
        raise _Wrong(f"the image's size {width:g} x {height:g} is not in whole pixels from 1 to "
                     f"{_MAX_SIDE:g}")


def _within(low: float, length: float, limit: int) -> Tuple[float, float, float]:
    """[low, low + length] cut to [0, limit] (0: no limit): its beginning, its length, and by how
    much it was passed."""
    high = low + length
    begin, end = max(low, 0.0), min(high, limit) if limit > 0 else high
    cut = end - begin
    while cut > 0 and begin + cut > end:  # rounding must not carry it past the edge again
        cut = math.nextafter(cut, 0.0)
    return begin, cut, max(begin - low, high - end)
