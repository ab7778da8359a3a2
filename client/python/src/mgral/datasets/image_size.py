"""The size of a JPEG, PNG, WebP, BMP or TIFF from its header; nothing is decoded."""

from __future__ import annotations

import io
import pathlib
import struct
from typing import BinaryIO, Dict, Tuple

from mgral.errors import DatasetError

_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_EXIF = b"Exif\0\0"
_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274  # tags of a TIFF, and of EXIF data, which is one
# SOF0 to SOF15 without DHT, JPG and DAC, which are between them.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})


def image_size(path: pathlib.Path) -> Tuple[int, int]:
    """Width and height in pixels of the image as viewers show it: its EXIF orientation is
    applied."""
    try:
        with path.open("rb") as file:
            width, height, orientation = _read_header(file, str(path))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
    except (EOFError, struct.error):
        raise DatasetError(f"{path}: its header is cut off or broken") from None
    if width < 1 or height < 1:
        raise DatasetError(f"{path}: its header says {width} x {height} pixels")
    return (height, width) if 5 <= orientation <= 8 else (width, height)


def _read_header(file: BinaryIO, path: str) -> Tuple[int, int, int]:
    """Width and height as stored, and the orientation."""
    begin = file.read(12)
    if begin.startswith(b"\xff\xd8"):
        file.seek(2)
        return _jpeg(file)
    if begin.startswith(_PNG):
        file.seek(len(_PNG))
        return _png(file)
    if begin[:4] == b"RIFF" and begin[8:] == b"WEBP":
        return _webp(file)
    if begin.startswith(b"BM"):
        file.seek(14)
        return _bmp(file)
    if begin[:4] in _TIFF:
        file.seek(0)
        tags = _tags(file)
        return tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0), tags.get(_ORIENTATION, 1)
    raise DatasetError(f"{path}: is not a JPEG, PNG, WebP, BMP or TIFF")


def _jpeg(file: BinaryIO) -> Tuple[int, int, int]:
    orientation = 0
    while True:
        if _read(file, 1) != b"\xff":
            raise EOFError
        marker = 0xFF
        while marker == 0xFF:  # any number of fill bytes
            marker = _read(file, 1)[0]
        if marker in _WITHOUT_LENGTH:
            continue
        if marker in (0xD9, 0xDA):  # the end, or the picture, before any frame
            raise EOFError
        (length,) = struct.unpack(">H", _read(file, 2))
        if length < 2:
            raise EOFError
        if marker in _FRAMES:
            _, height, width = struct.unpack(">BHH", _read(file, 5))
            return width, height, orientation
        data = _read(file, length - 2)
        if marker == 0xE1 and data.startswith(_EXIF) and not orientation:
            orientation = _exif_orientation(data)


def _png(file: BinaryIO) -> Tuple[int, int, int]:
    length, kind, width, height = struct.unpack(">I4sII", _read(file, 16))
    if kind != b"IHDR":
        raise EOFError
    file.seek(length - 8 + 4, io.SEEK_CUR)  # what is left of it, and its checksum
    while True:
        head = file.read(8)
        if len(head) < 8:
            return width, height, 1
        length, kind = struct.unpack(">I4s", head)
        if kind == b"eXIf":
            return width, height, _exif_orientation(_read(file, length))
        file.seek(length + 4, io.SEEK_CUR)


def _webp(file: BinaryIO) -> Tuple[int, int, int]:
    kind, length = struct.unpack("<4sI", _read(file, 8))
    if kind == b"VP8 ":
        _, _, width, height = struct.unpack("<3s3sHH", _read(file, 10))
        return width & 0x3FFF, height & 0x3FFF, 1
    if kind == b"VP8L":
        _, sizes = struct.unpack("<BI", _read(file, 5))
        return (sizes & 0x3FFF) + 1, (sizes >> 14 & 0x3FFF) + 1, 1
    if kind != b"VP8X":
        raise EOFError
    data = _read(file, 10)
    width, height = (int.from_bytes(data[at:at + 3], "little") + 1 for at in (4, 7))
    while True:
        file.seek(length % 2, io.SEEK_CUR)
        head = file.read(8)
        if len(head) < 8:
            return width, height, 1
        kind, length = struct.unpack("<4sI", head)
        if kind == b"EXIF":
            return width, height, _exif_orientation(_read(file, length))
        file.seek(length, io.SEEK_CUR)


def _bmp(file: BinaryIO) -> Tuple[int, int, int]:
    (size,) = struct.unpack("<I", _read(file, 4))
    if size == 12:
        width, height = struct.unpack("<HH", _read(file, 4))
    else:
        width, height = struct.unpack("<ii", _read(file, 8))
    return width, abs(height), 1  # of a negative height the first row is the upper one


def _exif_orientation(data: bytes) -> int:
    try:
        return _tags(io.BytesIO(data[len(_EXIF):] if data.startswith(_EXIF) else data)).get(
            _ORIENTATION, 1)
    except (EOFError, struct.error):
        return 1


def _tags(file: BinaryIO) -> Dict[int, int]:
    """Of the first directory, those with one number."""
    order = _TIFF.get(_read(file, 4))
    if order is None:
        raise EOFError
    (at,) = struct.unpack(order + "I", _read(file, 4))
    file.seek(at)
    (entries,) = struct.unpack(order + "H", _read(file, 2))
    tags: Dict[int, int] = {}
    for _ in range(entries):
        tag, kind, count, value = struct.unpack(order + "HHI4s", _read(file, 12))
        if count == 1 and kind in (3, 4):
            (number,) = struct.unpack(order + ("H" if kind == 3 else "I"),
                                      value[:2 if kind == 3 else 4])
            tags.setdefault(tag, number)
    return tags


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise EOFError
    return data
