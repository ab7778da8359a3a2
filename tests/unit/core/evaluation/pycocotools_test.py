"""Ours against pycocotools itself, on the cases of reference_test.py. `tests/run --pycocotools`
fetches it and runs this."""

from __future__ import annotations

import contextlib
import io
from typing import Any, Dict, List, Tuple

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import cases as drawn
from reference_test import CASES, SEED, TOLERANCE

NEVER_IN_RANGE = 1e11  # an area beyond all of COCO's


def annotation(number: int, image: int, box: drawn.Corners, label: int) -> Dict[str, Any]:
    width, height = box[2] - box[0], box[3] - box[1]
    return {"id": number, "image_id": image, "category_id": label, "iscrowd": 0,
            "bbox": [box[0], box[1], width, height], "area": width * height}


def dataset(case: drawn.Case, annotations: List[Dict[str, Any]]) -> COCO:
    coco = COCO()
    coco.dataset = {"images": [{"id": i} for i in range(len(case.images))],
                    "categories": [{"id": k} for k in range(case.classes)],
                    "annotations": annotations}
    coco.createIndex()
    return coco


def evaluate(case: drawn.Case, thresholds: List[float]) -> Tuple[np.ndarray, np.ndarray, float]:
    """AP and recall, [threshold, class, area range, most detections], -1 without ground truth, and
    AP@[.5:.95] as pycocotools sums it up."""
    truth: List[Dict[str, Any]] = []
    found: List[Dict[str, Any]] = []
    for i, image in enumerate(case.images):
        for t in image.truth:
            truth.append(annotation(len(truth) + 1, i, t.box, t.label))
            truth[-1]["iscrowd"] = int(t.crowd)
            if t.ignore and not t.crowd:  # it reads no other flag, but ignores what is out of range
                truth[-1]["area"] = NEVER_IN_RANGE
        for f in image.found:
            found.append(annotation(len(found) + 1, i, f.box, f.label))
            found[-1]["score"] = f.score
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(dataset(case, truth), dataset(case, found), "bbox")
        evaluation.params.iouThrs = np.array([*evaluation.params.iouThrs, *thresholds])
        evaluation.params.maxDets = case.max_detections
        assert evaluation.params.areaRng == [list(limits) for limits in drawn.COCO_AREAS]
        evaluation.evaluate()
        evaluation.accumulate()
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
    usual = precision[:10, :, :, 0, -1]
    mean = usual[usual > -1].mean() if (usual > -1).any() else float("nan")
    return precision.mean(axis=1)[10:], recall[10:], float(mean)


@pytest.fixture(scope="module")
def cases() -> List[drawn.Case]:
    return drawn.draw_cases(CASES, SEED)


def test_every_class_threshold_area_range_limit_and_the_mean(cases: List[drawn.Case]) -> None:
    settings = [drawn.coco_settings(case) for case in cases]
    compared, differences = 0, [0.0]
    for i, (case, answer) in enumerate(zip(cases, drawn.measure(cases, settings))):
        ap, recall, mean = evaluate(case, case.thresholds)
        shape = (len(case.thresholds), len(drawn.COCO_AREAS), len(case.max_detections), case.classes, 4)
        ours = np.array(answer.settings, float).reshape(shape).transpose(4, 0, 3, 1, 2)
        known = ap > -1
        assert (known == ~np.isnan(ours[0])).all(), f"case {i}"
        pairs = [(ours[0][known], ap[known]), (ours[3][known] / ours[1][known], recall[known]),
                 ([answer.accuracy[-1][2]], [mean])]
        for mine, theirs in pairs:
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=TOLERANCE, err_msg=f"case {i}")
            differences += list(np.nan_to_num(np.abs(np.subtract(mine, theirs))))
        compared += int(known.sum())
    print(f"{len(cases)} cases, {compared} APs; largest difference {max(differences):.1g}")
