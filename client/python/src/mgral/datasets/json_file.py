"""JSON files of strangers."""

from __future__ import annotations

import json
import pathlib
from typing import Any, Dict, cast

from mgral.datasets.dataset import read_text
from mgral.errors import DatasetError


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is no JSON number")


def read_json_object(path: pathlib.Path) -> Dict[str, Any]:
    text = read_text(path)
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise DatasetError(f"{path}: is not a JSON object")
    return cast(Dict[str, Any], document)
