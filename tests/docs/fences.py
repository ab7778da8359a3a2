"""The fenced blocks of a Markdown document, with what is to be done with each."""

from __future__ import annotations

import dataclasses
import re
from typing import List, Optional

RUN = {"sh": "sh", "bash": "sh", "python": "python"}


class DocumentError(Exception):
    """The document itself is wrong; the message names the line."""


@dataclasses.dataclass(frozen=True)
class Block:
    language: str  # "sh" or "python"
    line: int  # of its first line of text, from 1
    text: str
    own_terminal: bool  # runs beside the others until the document ends


def anchor(heading: str) -> str:
    """The heading's anchor as GitHub makes it."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def section(text: str, wanted: str) -> range:
    """The line numbers (from 1) of the section with that anchor, up to the next of its rank."""
    lines = text.splitlines()
    begin: Optional[int] = None
    rank = 0
    fenced = False
    for number, line in enumerate(lines, 1):
        fenced ^= line.lstrip().startswith("```")
        heading = None if fenced else re.match(r"(#+) (.*)", line)
        if not heading:
            continue
        if begin is not None and len(heading[1]) <= rank:
            return range(begin, number)
        if begin is None and anchor(heading[2]) == wanted:
            begin, rank = number, len(heading[1])
    if begin is None:
        raise DocumentError(f"there is no section #{wanted}")
    return range(begin, len(lines) + 1)


def blocks(text: str, within: Optional[range] = None) -> List[Block]:
    """The blocks that are run, in order."""
    found: List[Block] = []
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        opening = re.match(r"( *)(```+)(\S*)", lines[number])
        number += 1
        if not opening:
            continue
        begin, indent = number, len(opening[1])
        while number < len(lines) and lines[number].strip() != opening[2]:
            number += 1
        if number == len(lines):
            raise DocumentError(f"line {begin}: the block is not closed")
        body = "\n".join(line[indent:] for line in lines[begin:number]) + "\n"
        number += 1
        language = RUN.get(opening[3])
        remark = _remark(lines, begin)
        if language is None or (within is not None and begin not in within):
            continue
        if remark.startswith("not run"):
            if not re.match(r"not run: \S", remark):
                raise DocumentError(f"line {begin}: 'not run' gives no reason")
            continue
        found.append(Block(language, begin + 1, body, remark == "in a terminal of its own"))
    return found


def _remark(lines: List[str], fence: int) -> str:
    """The HTML comment just above the fence (its line number from 1), without its marks."""
    above = lines[fence - 2].strip() if fence >= 2 else ""
    comment = re.fullmatch(r"<!--\s*(.*?)\s*-->", above)
    return comment[1] if comment else ""
