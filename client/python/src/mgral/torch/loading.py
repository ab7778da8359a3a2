"""From the files of an export to a module."""

import json
import os
from typing import Any, Dict, Optional

import safetensors
import safetensors.torch

from mgral.connection import Path
from mgral.torch.detector import Detector


def load(model: Path, description: Optional[Path] = None) -> Detector:
    """The detector that Client.export_model or `mgral models export` wrote.

    model: the folder of model.safetensors and model.json, or a safetensors file.
    description: the JSON file, where it is not model.json beside it.

    ValueError names the file and what is wrong with it: not a model of mgral's, one of a newer
    mgral, or a tensor missing or of another shape.
    """
    weights = os.fspath(model)
    if os.path.isdir(weights):
        weights = os.path.join(weights, "model.safetensors")
    if description is None:
        description = os.path.join(os.path.dirname(weights), "model.json")
    try:
        detector = Detector(_read(description))
    except KeyError as missing:
        raise ValueError(f"{os.fspath(description)}: {missing} is missing") from missing
    except (TypeError, ValueError) as wrong:
        raise ValueError(f"{os.fspath(description)}: {wrong}") from wrong
    try:
        detector.network.load_state_dict(safetensors.torch.load_file(weights))
    except (RuntimeError, safetensors.SafetensorError) as wrong:
        raise ValueError(f"{weights}: {wrong}") from wrong
    return detector


def _read(path: Path) -> Dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        description = json.load(file)
    if not isinstance(description, dict) or description.get("format") != "mgral.model":
        raise ValueError("is not the description of a model of mgral's")
    if description["format_version"] != 1:
        raise ValueError(f"has format_version {description['format_version']}; this mgral reads 1")
    return description
