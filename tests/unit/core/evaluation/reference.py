"""Average precision by its definitions, written without a look at ours: for tests, slow."""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from cases import Case, Corners, Found, Image, Truth


class Result(NamedTuple):
    ap: float  # NaN without ground truth
    positives: int
    detections: int
    true_positives: int


def area(box: Corners, pixel: float = 0) -> float:
    return (box[2] - box[0] + pixel) * (box[3] - box[1] + pixel)


def overlap(found: Corners, truth: Corners, pixel: float = 0, crowd: bool = False) -> float:
    width = min(found[2], truth[2]) - max(found[0], truth[0]) + pixel
    height = min(found[3], truth[3]) - max(found[1], truth[1]) + pixel
    if width <= 0 or height <= 0:
        return 0
    inside = width * height
    return inside / (area(found, pixel) + (0 if crowd else area(truth, pixel) - inside))


def by_score(found: Sequence[Found]) -> List[Found]:
    return sorted(found, key=lambda f: -f.score)  # stable


# What a detection is: a hit, a false positive, or, None, ignored.
Verdict = Tuple[float, Optional[bool]]


def coco_verdicts(image: Image, label: int, threshold: float, limits: Tuple[float, float],
                  most: int) -> Tuple[int, List[Verdict]]:
    """How many truth boxes count, and the verdicts."""
    def outside(box: Corners) -> bool:
        return not limits[0] <= area(box) <= limits[1]

    truth = [t for t in image.truth if t.label == label]
    ignored = [t.ignore or t.crowd or outside(t.box) for t in truth]
    free = set(range(len(truth)))
    verdicts: List[Verdict] = []
    for f in by_score([f for f in image.found if f.label == label])[:most]:
        overlaps = {j: overlap(f.box, truth[j].box, crowd=truth[j].crowd) for j in free}
        enough = [j for j in free if overlaps[j] >= min(threshold, 1 - 1e-10)]
        # Boxes that count go before those that are ignored; of equals the last is taken.
        match = max(enough, key=lambda j: (not ignored[j], overlaps[j], j), default=None)
        if match is None:
            verdicts.append((f.score, None if outside(f.box) else False))
            continue
        verdicts.append((f.score, None if ignored[match] else True))
        if not truth[match].crowd:
            free.remove(match)
    return ignored.count(False), verdicts


def voc_verdicts(image: Image, label: int, threshold: float, pixel: float) -> Tuple[int, List[Verdict]]:
    truth = [t for t in image.truth if t.label == label]
    found_before = set()
    verdicts: List[Verdict] = []
    for f in by_score([f for f in image.found if f.label == label]):
        overlaps = [overlap(f.box, t.box, pixel) for t in truth]
        best = int(np.argmax(overlaps)) if truth else -1  # the first of equals
        if best < 0 or overlaps[best] < threshold:
            verdicts.append((f.score, False))
        elif truth[best].ignore:
            verdicts.append((f.score, None))
        else:
            verdicts.append((f.score, best not in found_before))
            found_before.add(best)
    return sum(not t.ignore for t in truth), verdicts


class Curve:
    """Precision and recall after each detection that counts, over all images."""

    def __init__(self, images: Sequence[Tuple[int, List[Verdict]]]) -> None:
        self.positives = sum(count for count, _ in images)
        ranked = sorted((verdict for _, verdicts in images for verdict in verdicts),
                        key=lambda verdict: -verdict[0])
        self._hits = np.cumsum([hit for _, hit in ranked if hit is not None], dtype=int)
        self._precision = self._hits / np.arange(1, len(self._hits) + 1)

    def result(self, ap: float) -> Result:
        return Result(ap if self.positives else float("nan"), self.positives, len(self._hits),
                      int(self._hits[-1]) if len(self._hits) else 0)

    def _best_precision(self, reached: np.ndarray) -> float:
        return float(self._precision[reached].max(initial=0))

    def coco(self) -> Result:
        # Recall and grid are rounded numbers, compared as such.
        recall = self._hits / max(self.positives, 1)
        envelope = np.append(np.maximum.accumulate(self._precision[::-1])[::-1], 0)
        return self.result(float(envelope[np.searchsorted(recall, np.linspace(0, 1, 101))].mean()))

    def eleven_points(self) -> Result:
        return self.result(sum(self._best_precision(10 * self._hits >= k * self.positives)
                               for k in range(11)) / 11)

    def area(self) -> Result:
        total = sum(self._best_precision(self._hits >= hits) for hits in range(1, self._last() + 1))
        return self.result(total / max(self.positives, 1))

    def _last(self) -> int:
        return int(self._hits[-1]) if len(self._hits) else 0


def coco(case: Case, threshold: float, limits: Tuple[float, float], most: int) -> List[Result]:
    """Per class, as pycocotools."""
    return [Curve([coco_verdicts(image, label, threshold, limits, most) for image in case.images]).coco()
            for label in range(case.classes)]


def voc(case: Case, threshold: float, eleven: bool, inclusive: bool) -> List[Result]:
    """Per class, as VOC's devkit; inclusive: a box of pixels 3 to 5 is 3 wide."""
    curves = [Curve([voc_verdicts(image, label, threshold, int(inclusive)) for image in case.images])
              for label in range(case.classes)]
    return [curve.eleven_points() if eleven else curve.area() for curve in curves]
