"""The size of a JPEG or PNG from its header; nothing is decoded."""

from __future__ import annotations

import pathlib
import struct
from typing import BinaryIO, Tuple

from mgral.errors import DatasetError

# SOF0 to SOF15 without DHT, JPG and DAC, which are between them.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})


def image_size(path: pathlib.Path) -> Tuple[int, int]:
    """Width and height in pixels, as stored: an EXIF rotation is not applied."""
    try:
        with path.open("rb") as file:
            begin = file.read(24)
            if begin[:8] == b"\x89PNG\r\n\x1a\n" and begin[12:16] == b"IHDR" and len(begin) == 24:
                width, height = struct.unpack(">II", begin[16:24])
            elif begin[:2] == b"\xff\xd8":
                file.seek(2)
                width, height = _jpeg_size(file)
            else:
                raise DatasetError(f"{path}: is neither JPEG nor PNG")
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
    except (EOFError, struct.error):
        raise DatasetError(f"{path}: its header is cut off or broken") from None
    if width < 1 or height < 1:
        raise DatasetError(f"{path}: its header says {width} x {height} pixels")
    return width, height


def _jpeg_size(file: BinaryIO) -> Tuple[int, int]:
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
            return width, height
        _read(file, length - 2)


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise EOFError
    return data
