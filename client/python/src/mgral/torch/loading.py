"""From the files of an export to a module."""

import json
import os
from typing import TYPE_CHECKING, Any, Dict, Optional, Union

import safetensors
import safetensors.torch

from mgral.connection import Path
from mgral.torch.detector import Detector

if TYPE_CHECKING:
    from mgral.torch.torchvision_detector import TorchvisionDetector

AnyDetector = Union[Detector, "TorchvisionDetector"]

_KNOWN = {
    "architecture": {"type", "trunk", "trunk_mean", "trunk_std", "trunk_features",
                     "trained_last_stage", "depth", "width", "norm_epsilon", "num_classes",
                     "pyramid_channels", "min_level", "max_level", "head_convs", "head_norm",
                     "separable"},
    "input": {"size", "longest_side", "resizing", "multiple_of", "channels", "value_range", "mean",
              "std", "letterbox", "rule"},
    "postprocessing": {"scores", "min_score", "candidates_per_level", "nms", "nms_iou",
                       "max_detections"},
}


def load(model: Path, description: Optional[Path] = None) -> AnyDetector:
    """The detector that Client.export_model or `mgral models export` wrote; of the profiles full,
    faster-rcnn and ssd300 it is around torchvision's own module.

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
        described = _read(description)
        detector = _detector(described)
        _refuse_unknown(described)
    except KeyError as missing:
        raise ValueError(f"{os.fspath(description)}: {missing} is missing") from missing
    except (TypeError, ValueError) as wrong:
        raise ValueError(f"{os.fspath(description)}: {wrong}") from wrong
    try:
        detector.network.load_state_dict(safetensors.torch.load_file(weights))
    except (RuntimeError, safetensors.SafetensorError) as wrong:
        raise ValueError(f"{weights}: {wrong}") from wrong
    return detector


def _detector(description: Dict[str, Any]) -> AnyDetector:
    if "resizing" not in description["input"]:
        return Detector(description)
    if description["input"]["resizing"] not in ("shortest_side", "square"):
        raise ValueError(f"resizing {description['input']['resizing']!r} is not known")
    try:
        from mgral.torch.torchvision_detector import TorchvisionDetector
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(f"this model needs {missing.name}: pip install mgral[torch]",
                                  name=missing.name) from missing
    return TorchvisionDetector(description)


def _read(path: Path) -> Dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        description = json.load(file)
    if not isinstance(description, dict) or description.get("format") != "mgral.model":
        raise ValueError("is not the description of a model of mgral's")
    if description["format_version"] != 1:
        raise ValueError(f"has format_version {description['format_version']}; this mgral reads 1")
    return description


def _refuse_unknown(description: Dict[str, Any]) -> None:
    """What is not known would change what is found."""
    for part, known in _KNOWN.items():
        unknown = set(description[part]) - known
        if unknown:
            raise ValueError(f"{part} has {sorted(unknown)[0]!r}, which this mgral does not know")
