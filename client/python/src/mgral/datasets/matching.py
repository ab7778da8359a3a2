"""Finds the images that an annotation file names among those that exist.

Tools rename files and change their folders: Label Studio's export says
"../../upload/1/f5e0cb5c-a.jpg" of a.jpg.
"""

from __future__ import annotations

import enum
import re
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence

_UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-(?=.)", re.DOTALL)


class MatchedBy(enum.IntEnum):
    """What identified an image, the strongest evidence first."""

    IMAGE_ID = 0  # the file carries the image's id
    PATH = 1  # the whole path
    PATH_SUFFIX = 2  # its last components, two or more
    BASE_NAME = 3  # the last component, which is unique
    UNPREFIXED_BASE_NAME = 4  # the same without Label Studio's "f5e0cb5c-"
    AMBIGUOUS = 5  # several images have that base name, or several entries fit one image
    NOTHING = 6


_WORDS = {"image_id": "by image id", "path": "by path", "base_name": "by base name",
          "unprefixed_base_name": "by base name without its upload prefix",
          "ambiguous": "ambiguous", "unmatched": "not found"}


class Match(NamedTuple):
    """id: None for AMBIGUOUS and NOTHING."""

    id: Optional[str]
    by: MatchedBy


_NONE = Match(None, MatchedBy.NOTHING)


def id_of_file(file_name: str) -> str:
    """ "left:a.jpg" of "left/a.jpg": the id that the dataset readers give to a file."""
    return file_name.replace("\\", "/").replace("/", ":")


class ImageMatcher:
    def __init__(self, image_ids: Iterable[str]) -> None:
        self._ids = set(image_ids)
        self._by_base_name: Dict[str, Optional[str]] = {}  # None for a name that several have
        for image_id in self._ids:
            name = image_id.rpartition(":")[2]
            self._by_base_name[name] = None if name in self._by_base_name else image_id

    def find_id(self, image_id: str) -> Match:
        return Match(image_id, MatchedBy.IMAGE_ID) if image_id in self._ids else _NONE

    def find(self, file_name: str) -> Match:
        """`file_name` is only compared, never opened: it may be absolute and hold ".."."""
        rest = id_of_file(file_name)
        if rest in self._ids:
            return Match(rest, MatchedBy.PATH)
        while ":" in rest:
            rest = rest.partition(":")[2]
            if ":" in rest and rest in self._ids:
                return Match(rest, MatchedBy.PATH_SUFFIX)
        match = self._find_base_name(rest, MatchedBy.BASE_NAME)
        prefix = _UPLOAD_PREFIX.match(rest)
        if match.by is not MatchedBy.NOTHING or prefix is None:
            return match
        return self._find_base_name(rest[prefix.end():], MatchedBy.UNPREFIXED_BASE_NAME)

    def _find_base_name(self, name: str, by: MatchedBy) -> Match:
        if not name or name not in self._by_base_name:
            return _NONE
        image_id = self._by_base_name[name]
        return Match(None, MatchedBy.AMBIGUOUS) if image_id is None else Match(image_id, by)


def settle(matches: Sequence[Match]) -> List[Match]:
    """Where several entries fit one image, the strongest evidence wins; among equals nobody does."""
    claims: Dict[str, List[MatchedBy]] = {}
    for match in matches:
        if match.id is not None:
            claims.setdefault(match.id, []).append(match.by)

    def settled(match: Match) -> Match:
        if match.id is None:
            return match
        strongest = min(claims[match.id])
        if match.by != strongest:
            return _NONE
        return match if claims[match.id].count(strongest) == 1 else Match(None, MatchedBy.AMBIGUOUS)

    return [settled(match) for match in matches]


def counts(matched: Iterable[MatchedBy]) -> Dict[str, int]:
    """How many images were identified by what; a part of the path counts as the path."""
    result = dict.fromkeys(_WORDS, 0)
    for by in matched:
        word = {MatchedBy.PATH_SUFFIX: "path", MatchedBy.NOTHING: "unmatched"}.get(
            by, by.name.lower())
        result[word] += 1
    return result


def describe(matched: Dict[str, int]) -> str:
    return ", ".join(f"{count} {_WORDS[word]}" for word, count in matched.items() if count)
