"""Where there are more candidates and detections than are looked at, PyTorch, TorchScript and ONNX
Runtime keep the same ones, those that the definitions name."""

from __future__ import annotations

import pathlib
from typing import Dict, List, Tuple

import onnxruntime
import pytest
import torch
from loading_test import description

import mgral.torch

CANDIDATES, DETECTIONS = 7, 5


@pytest.fixture(scope="module")
def detector() -> mgral.torch.Detector:
    torch.manual_seed(4)
    described = description()
    described["postprocessing"].update(candidates_per_level=CANDIDATES, max_detections=DETECTIONS,
                                       min_score=0.1)
    made = mgral.torch.Detector(described)
    with torch.no_grad():
        made.network.head.classification_head.cls_logits.weight.mul_(20)
    return made


def expected(detector: mgral.torch.Detector, canvas: torch.Tensor) -> List[Tuple[float, int]]:
    """Scores and labels, by the definitions alone."""
    logits, boxes = detector.network(canvas.unsqueeze(0))
    scores = logits[0].sigmoid()
    candidates, first = [], 0
    for count in detector.network.anchors.of_levels(canvas.shape[1], canvas.shape[2]):
        level = [(float(scores[anchor, label]), label, boxes[0, anchor].tolist())
                 for anchor in range(first, first + count) for label in range(2)]
        candidates += sorted(level, reverse=True)[:CANDIDATES]
        first += count
    kept: List[Tuple[float, int, List[float]]] = []
    for score, label, box in sorted(candidates, reverse=True):
        if score > 0.1 and not any(label == other and iou(box, its) > 0.5 for _, other, its in kept):
            kept.append((score, label, box))
    return [(score, label) for score, label, _ in kept[:DETECTIONS]]


def iou(a: List[float], b: List[float]) -> float:
    width, height = (max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width * height / (areas - width * height)


def check(found: Dict[str, torch.Tensor], wanted: List[Tuple[float, int]]) -> None:
    assert found["labels"].tolist() == [label for _, label in wanted]
    assert found["scores"].tolist() == pytest.approx([score for score, _ in wanted], abs=1e-5)


def test_the_best_are_kept(detector: mgral.torch.Detector, tmp_path: pathlib.Path) -> None:
    mgral.torch.export_onnx(detector, tmp_path / "detector.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "detector.onnx"),
                                           providers=["CPUExecutionProvider"])
    scripted = torch.jit.script(detector)
    for seed in range(3):
        torch.manual_seed(seed)
        canvas, _ = detector.prepare(torch.randint(0, 256, (3, 96, 64 + 32 * seed), dtype=torch.uint8))
        with torch.no_grad():
            wanted = expected(detector, canvas)
            logits, boxes = detector.network(canvas.unsqueeze(0))
        assert len(wanted) == DETECTIONS
        counts = detector.network.anchors.of_levels(canvas.shape[1], canvas.shape[2])
        check(detector.select(logits[0], boxes[0], counts), wanted)
        check(scripted.select(logits[0], boxes[0], counts), wanted)
        outputs = session.run(["boxes", "scores", "labels"], {"images": canvas.unsqueeze(0).numpy()})
        check(dict(zip(("boxes", "scores", "labels"), map(torch.from_numpy, outputs))), wanted)
