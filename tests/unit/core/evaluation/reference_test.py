"""Ours against the definitions, on random cases."""

from __future__ import annotations

from typing import List

import numpy as np
import pytest

import cases as drawn
import reference

CASES = 1000
SEED = 5
TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def cases() -> List[drawn.Case]:
    return drawn.draw_cases(CASES, SEED)


def check(ours: List[drawn.ClassAp], expected: List[reference.Result], where: str) -> None:
    assert [c[1:] for c in ours] == [c[1:] for c in expected], where
    theirs = [c.ap for c in expected]
    np.testing.assert_allclose([c.ap for c in ours], theirs, rtol=0, atol=TOLERANCE, err_msg=where)


def mean(values: List[float]) -> float:
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else float("nan")


def test_coco(cases: List[drawn.Case]) -> None:
    settings = [drawn.coco_settings(case) for case in cases]
    for i, answer in enumerate(drawn.measure(cases, settings)):
        for ours, s in zip(answer.settings, settings[i]):
            check(ours, reference.coco(cases[i], s.threshold, s.area, s.max_detections),
                  f"case {i}: {s}")


def test_voc(cases: List[drawn.Case]) -> None:
    cases = [case.without_crowds() for case in cases]
    settings = [drawn.voc_settings(case) for case in cases]
    for i, answer in enumerate(drawn.measure(cases, settings)):
        for ours, s in zip(answer.settings, settings[i]):
            check(ours, reference.voc(cases[i], s.threshold, s.interpolation == 1, s.inclusive),
                  f"case {i}: {s}")


def test_what_a_detector_is_reported_with(cases: List[drawn.Case]) -> None:
    cases = [case.without_crowds() for case in cases]
    for i, answer in enumerate(drawn.measure(cases, [[] for _ in cases])):
        area, eleven = (reference.voc(cases[i], 0.5, eleven, False) for eleven in (False, True))
        by_threshold = [reference.coco(cases[i], threshold, drawn.COCO_AREAS[0], 100)
                        for threshold in drawn.COCO_THRESHOLDS]
        coco = np.mean([[c.ap for c in classes] for classes in by_threshold], axis=0)
        columns = [[c.ap for c in area], [c.ap for c in eleven], list(coco)]
        expected = np.transpose([column + [mean(column)] for column in columns])
        np.testing.assert_allclose(answer.accuracy, expected, rtol=0, atol=TOLERANCE,
                                   err_msg=f"case {i}")
