"""Pascal VOC: Annotations/*.xml and JPEGImages (or images).

VOC's own files count pixels from 1, and xmax, ymax are the last pixels inside the box: x_min = xmin -
1, width = xmax - xmin + 1. Label Studio, CVAT and Datumaro write coordinates from 0, and xmax, ymax
are the edges of the box: x_min = xmin, width = xmax - xmin.
"""

from __future__ import annotations

import math
import pathlib
from typing import List, Literal, Optional, Tuple
from xml.etree import ElementTree
from xml.parsers import expat

from mgral.connection import Path
from mgral.datasets.dataset import (Builder, Dataset, DatasetImage, folder_name, is_file,
                                    read_text)
from mgral.datasets.splits import SplitLists
from mgral.errors import DatasetError
from mgral.values import Box

_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff",
            ".JPG", ".JPEG", ".PNG", ".WEBP", ".BMP", ".TIF", ".TIFF")
_MAX_DEPTH = 64

Corners = Literal["auto", "0", "1"]
_Documents = List[Tuple[str, ElementTree.Element]]  # name of the file, its root


def read_voc(directory: Path, *, require_files: bool = True, corners: Corners = "auto") -> Dataset:
    """Splits come from ImageSets/Main/{train,val,test}.txt if there are any. Without
    `require_files` the images need not be there: for labels alone. `corners`: whether the corners of
    boxes count from "0" or from "1"; "auto" decides for the dataset as a whole by what its files
    say, and notes what it decided and why."""
    if corners not in ("auto", "0", "1"):
        raise ValueError(f'corners: {corners!r} is none of "auto", "0", "1"')
    root = pathlib.Path(directory)
    images = root / "JPEGImages"
    if not images.is_dir():
        images = root / "images"
    if require_files and not images.is_dir():
        raise DatasetError(f"{root}: neither JPEGImages nor images is a folder in it")
    annotations = root / "Annotations"
    if not annotations.is_dir():
        raise DatasetError(f"{annotations}: there is no such folder")
    builder = Builder(str(annotations), images, require_files)
    documents = [(file.name, _parse(file)) for file in sorted(annotations.glob("*.xml"))]
    first, note = _decide_corners(annotations, documents) if corners == "auto" else (
        int(corners), "")
    for name in sorted({_text(thing, "name") for _, document in documents
                        for thing in document.findall("object")} - {""}):
        builder.add_class(name, "<name>")  # VOC has no list of them
    for entry, document in documents:
        if builder.gives_up():
            break
        image = builder.add_image(_image_file(images, entry, document, require_files),
                                  _size(document, "width"), _size(document, "height"), entry)
        for position, thing in enumerate(document.findall("object"), 1):
            _add_object(builder, image, thing, first, f"{entry} object {position}")
    dataset = builder.build(folder_name(root))
    if note:
        builder.note(note)
    _read_image_sets(root / "ImageSets" / "Main", dataset)
    return dataset


def _parse(file: pathlib.Path) -> ElementTree.Element:
    """Refuses declarations (entities could grow) and deep nesting: no file costs more than its size."""
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    depth = 0

    def start(name: str, attributes: object) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise DatasetError(f"{file}: is nested deeper than {_MAX_DEPTH}")
        builder.start(name, {})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def document_type(name: str, system: Optional[str], public: Optional[str],
                      internal: bool) -> None:
        if system or public or internal:
            raise DatasetError(f"{file}: has a document type with declarations, which no "
                               "annotation needs")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = document_type
    try:
        parser.Parse(read_text(file), True)
    except expat.ExpatError as error:
        raise DatasetError(f"{file}: is not XML: {error}") from error
    root = builder.close()
    if root.tag != "annotation":
        raise DatasetError(f"{file}: is <{root.tag}>, not the <annotation> of Pascal VOC")
    return root


def _decide_corners(annotations: pathlib.Path, documents: _Documents) -> Tuple[int, str]:
    """What the corners count from, and why. One file of a dataset decides for all: a single program
    wrote them."""
    boxes = [thing.find("bndbox") for _, root in documents for thing in root.findall("object")]
    at_zero = sum(any(0 <= _number(box, side) < 1 for side in ("xmin", "ymin")) for box in boxes)
    writers = [_writer(root) for _, root in documents]
    from_zero, from_one = writers.count(0), writers.count(1)
    zero = (f"{at_zero} of {len(boxes)} boxes begin at 0, {from_zero} of {len(documents)} files are "
            "from Label Studio, CVAT or Datumaro")
    if at_zero or from_zero:
        if from_one:
            raise DatasetError(f"{annotations}: do the corners count from 0 or from 1? {zero}, but "
                               f"{from_one} are Pascal VOC's own, which counts from 1: say "
                               'corners="0" or corners="1"')
        return 0, f"corners count from 0: {zero}"
    if not boxes:
        return 1, ""
    if from_one:
        return 1, "corners count from 1: the files are Pascal VOC's own"
    return 1, ("corners count from 1, as in Pascal VOC: no box begins at 0, which would prove "
               'otherwise (corners="0")')


def _writer(root: ElementTree.Element) -> Optional[int]:
    """What the program that wrote the file counts from, where the file says which it was."""
    source = root.find("source")
    database = _text(source, "database")
    if database.startswith("The VOC") and database.endswith("Database"):
        return 1
    if _text(root.find("owner"), "name") == "Label Studio":
        return 0
    # CVAT's export, too, is Datumaro's. Other tools write "Unknown" for the database alone.
    if {database, _text(source, "annotation"), _text(source, "image")} == {"Unknown"}:
        return 0
    return None


def _text(element: Optional[ElementTree.Element], child: str) -> str:
    found = element.find(child) if element is not None else None
    return (found.text or "").strip() if found is not None else ""


def _number(element: Optional[ElementTree.Element], child: str) -> float:
    """NaN where the element is missing or no number."""
    try:
        return float(_text(element, child))
    except ValueError:
        return math.nan


def _size(document: ElementTree.Element, side: str) -> float:
    number = _number(document.find("size"), side)
    return 0 if math.isnan(number) else number


def _image_file(images: pathlib.Path, entry: str, document: ElementTree.Element,
                require_files: bool) -> str:
    """<filename> if there is such a file, else the annotation's own name with an image's ending:
    tools that rename files often forget the element."""
    named = _text(document, "filename")
    if named and (not require_files or is_file(images / named)):
        return named
    stem = pathlib.PurePath(entry).stem
    for ending in _ENDINGS:
        if (images / (stem + ending)).is_file():
            return stem + ending
    return named or stem + ".jpg"


def _add_object(builder: Builder, image: Optional[DatasetImage], thing: ElementTree.Element,
                first: int, entry: str) -> None:
    """`first`: what the corners count from."""
    name = _text(thing, "name")
    if not name:
        return builder.problem(entry, "<name> is missing")
    corners = thing.find("bndbox")
    x_min, y_min, x_max, y_max = (_number(corners, side)
                                  for side in ("xmin", "ymin", "xmax", "ymax"))
    if not math.isfinite(x_min + y_min + x_max + y_max):
        return builder.problem(entry, "<bndbox> does not hold four finite numbers")
    if image is not None:  # reported already otherwise
        builder.add_box(image, Box(name, x_min - first, y_min - first, x_max - x_min + first,
                                   y_max - y_min + first, _text(thing, "difficult") == "1"), entry)


def _read_image_sets(folder: pathlib.Path, dataset: Dataset) -> None:
    if not (folder / "train.txt").is_file():
        return
    lists = SplitLists(str(folder), dataset)
    by_stem = {pathlib.PurePath(image.file_name).stem: image.file_name for image in dataset.images}
    named: List[Tuple[str, str]] = [("train", "train"), ("val", "validation"), ("test", "test")]
    for said, split in named:
        if not (folder / f"{said}.txt").is_file():
            continue
        for line in read_text(folder / f"{said}.txt").splitlines():
            words = line.split()
            if words:
                lists.add(by_stem.get(words[0], words[0]), said, split)
    dataset.splits = lists.splits
