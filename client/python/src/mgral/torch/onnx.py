"""A detector as an ONNX file."""

import os
from typing import Any, Tuple

import torch
from torch import Tensor, nn

from mgral.connection import Path
from mgral.torch.detector import Detector

_OPSET = 18


def export_onnx(detector: Detector, path: Path, *, suppression: bool = True) -> None:
    """Writes `path`; needs `pip install mgral[onnx]`. Leaves the detector in evaluation mode.

    The input "images" is float [1, 3, height, width], as Detector.prepare makes it, of any size; so
    are the pixels of the boxes. With `suppression` the outputs are "boxes" [n, 4], "scores" [n] and
    "labels" [n], best first. Without, the batch may have any size, too, and the outputs are the
    network's: "logits" [B, A, C] and "boxes" [B, A, 4].

    TypeError for torchvision's modules (profiles full, faster-rcnn, ssd300): export their `network`
    as torchvision describes.
    """
    if not isinstance(detector, Detector):
        raise TypeError("export_onnx knows mgral's RetinaNet; this detector's network is torchvision's "
                        f"{type(detector.network).__name__}: export it as torchvision describes")
    side = detector.input_size
    images = torch.zeros(1 if suppression else 2, 3, side, side + 32, device=detector.mean.device)
    height, width = (torch.export.Dim(name, min=1, max=256) * 32 for name in ("rows", "columns"))
    shape = {2: height, 3: width}
    if not suppression:
        shape[0] = torch.export.Dim("batch")
    module: nn.Module = _Suppressed(detector) if suppression else detector.network
    names = ["boxes", "scores", "labels"] if suppression else ["logits", "boxes"]
    program = torch.onnx.export(
        module.eval(), (images,), input_names=["images"], output_names=names,
        dynamic_shapes=(shape,), opset_version=_OPSET, dynamo=True, verbose=False,
        custom_translation_table={torch.ops.mgral.suppress.default: _onnx_suppress()})
    program.save(os.fspath(path))


class _Suppressed(nn.Module):
    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        detector = self.detector
        logits, boxes = detector.network(images)
        scores = logits[0].sigmoid()
        classes = scores.shape[1]
        picked, first = [], 0
        for count in detector.network.anchors.of_levels(images.shape[2], images.shape[3]):
            level = scores[first:first + count].reshape(-1)
            limit = torch.sym_min(detector.candidates_per_level, count * classes)
            picked.append(torch.topk(level, limit)[1] + first * classes)
            first += count
        candidates = torch.cat(picked)
        values = scores.reshape(-1)[candidates]
        labels = candidates % classes
        boxes = boxes[0][candidates // classes]
        # One row a class: suppression goes class by class.
        own = labels.unsqueeze(0) == torch.arange(classes, device=labels.device).unsqueeze(1)
        kept = torch.ops.mgral.suppress(boxes, torch.where(own, values, 0.0), detector.min_score,
                                        detector.nms_iou, detector.max_detections)
        return boxes[kept], values[kept], labels[kept]


@torch.library.custom_op("mgral::suppress", mutates_args=())
def _suppress(boxes: Tensor, scores: Tensor, min_score: float, iou: float, limit: int) -> Tensor:
    """Indices into boxes [n, 4] with scores [C, n], best first. Only ever exported."""
    raise NotImplementedError("mgral::suppress is ONNX's NonMaxSuppression")


@_suppress.register_fake
def _(boxes: Tensor, scores: Tensor, min_score: float, iou: float, limit: int) -> Tensor:
    return boxes.new_empty([torch.library.get_ctx().new_dynamic_size()], dtype=torch.int64)


def _onnx_suppress() -> Any:
    try:
        from onnxscript import opset18 as op
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(f"export_onnx needs {missing.name}: pip install mgral[onnx]",
                                  name=missing.name) from missing

    def suppress(boxes: Any, scores: Any, min_score: float, iou: float, limit: int) -> Any:
        selected = op.NonMaxSuppression(
            op.Unsqueeze(boxes, [0]), op.Unsqueeze(scores, [0]), op.Constant(value_int=limit),
            op.Constant(value_float=iou), op.Constant(value_float=min_score))
        index = op.Gather(selected, op.Constant(value_int=2), axis=1)
        best = op.Gather(op.ReduceMax(scores, [0], keepdims=0), index)
        count = op.Min(op.Shape(index), op.Constant(value_ints=[limit]))
        _, order = op.TopK(best, count)
        return op.Gather(index, order)

    return suppress
