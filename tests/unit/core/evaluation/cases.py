"""Random cases for average precision, and what ours makes of them.

All coordinates are multiples of a power of two, so that areas and overlaps are exact in double
precision: equal overlaps are equal, and those on a threshold are on it, in every implementation.
"""

from __future__ import annotations

import dataclasses
import math
import os
import random
import subprocess
from typing import Iterator, List, NamedTuple, Sequence, Tuple

COCO_AREAS = [(0, 1e5**2), (0, 32**2), (32**2, 96**2), (96**2, 1e5**2)]
COCO_THRESHOLDS = [0.5 + i * ((0.95 - 0.5) / 9) for i in range(10)]  # as NumPy's linspace rounds

Corners = Tuple[float, float, float, float]


class Truth(NamedTuple):
    box: Corners
    label: int
    ignore: bool = False
    crowd: bool = False


class Found(NamedTuple):
    box: Corners
    label: int
    score: float


@dataclasses.dataclass
class Image:
    truth: List[Truth]
    found: List[Found]


@dataclasses.dataclass
class Case:
    classes: int
    images: List[Image]
    thresholds: List[float]  # of the overlap
    max_detections: List[int]

    def without_crowds(self) -> Case:
        """The same with crowds as VOC's difficult objects: VOC knows no crowds."""
        images = [Image([Truth(t.box, t.label, t.ignore or t.crowd) for t in image.truth], image.found)
                  for image in self.images]
        return dataclasses.replace(self, images=images)


class Setting(NamedTuple):
    """As ap_driver.cc reads it."""
    threshold: float
    matching: int  # 0: VOC, 1: COCO
    interpolation: int  # 0: area, 1: 11 points, 2: 101 points
    inclusive: bool = False
    max_detections: int = 0
    area: Tuple[float, float] = (0, 1e300)


class ClassAp(NamedTuple):
    ap: float
    positives: int
    detections: int
    true_positives: int


class Answer(NamedTuple):
    settings: List[List[ClassAp]]  # [setting][class]
    accuracy: List[List[float]]  # [class, and last the mean][ap50, ap50_11_point, ap]


class _Drawer:
    """Draws the images of one case."""

    def __init__(self, source: random.Random, classes: int) -> None:
        self._random = source
        self._grid = source.choice([32, 8, 1, 1 / 1024])
        self._levels = source.choice([1, 4, 1000000])  # of scores
        self._labels = source.sample(range(classes), source.randint(1, classes))
        self._crowd = source.choice([0, 0, 0.3])
        self._ignore = source.choice([0, 0, 0.3])

    def image(self) -> Image:
        truth = [self._truth() for _ in range(self._random.choice([0, 1, 2, 5]))]
        found = [Found(self._random_box(), self._label(), self._score())
                 for _ in range(self._random.choice([0, 0, 3]))]
        for target in truth:
            for _ in range(self._random.choice([0, 1, 1, 3])):
                label = target.label if self._random.random() < 0.9 else self._label()
                found.append(Found(self._shaken(target.box), label, self._score()))
        if truth and self._random.random() < 0.01:  # more than COCO's 100
            found += [Found(self._shaken(truth[0].box), truth[0].label, self._score())
                      for _ in range(120)]
        self._random.shuffle(found)
        return Image(truth, found)

    def row(self, count: int) -> Image:
        """`count` objects of one class and detections 1/20 to 20/20 as high: recalls on points of the
        grid, overlaps on thresholds."""
        label = self._labels[0]
        truth = [Truth((32.0 * i, 0, 32.0 * i + 20, 20), label) for i in range(count)]
        found = [Found((*t.box[:3], height), label, self._score()) for t in truth
                 for height in self._random.choice([(20,), (20,), (20, 18), (17, 15, 19), (1,), ()])]
        return Image(truth, found)

    def _label(self) -> int:
        return self._random.choice(self._labels)

    def _score(self) -> float:
        return self._random.randint(1, self._levels) / self._levels

    def _truth(self) -> Truth:
        return Truth(self._random_box(), self._label(), self._random.random() < self._ignore,
                     self._random.random() < self._crowd)

    def _length(self) -> float:
        return self._grid * math.ceil(self._random.random() * self._random.choice([16, 48, 160])
                                      / self._grid)

    def _random_box(self) -> Corners:
        x, y = (self._grid * math.floor(self._random.random() * 96 / self._grid) for _ in range(2))
        return x, y, x + self._length(), y + self._length()

    def _shaken(self, box: Corners) -> Corners:
        """Near `box`; often it, sometimes without an extent."""
        step = max(self._grid, 2)
        x0, y0, x1, y1 = (v + step * self._random.choice([-1, 0, 0, 0, 1]) for v in box)
        return x0, y0, max(x0, x1), max(y0, y1)


def draw_case(source: random.Random) -> Case:
    classes = source.randint(1, 4)
    drawer = _Drawer(source, classes)
    if source.random() < 0.1:
        images = [drawer.row(count) for count in source.choice([[10], [20], [5, 20], [50], [60, 40]])]
    else:
        images = [drawer.image() for _ in range(source.randint(0, 6))]
    return Case(classes, images, source.sample([0.1, 0.25, *COCO_THRESHOLDS, 1.0], 3),
                [1, source.randint(2, 8), 100])


def draw_cases(count: int, seed: int) -> List[Case]:
    source = random.Random(seed)
    return [draw_case(source) for _ in range(count)]


def coco_settings(case: Case) -> List[Setting]:
    return [Setting(threshold, 1, 2, max_detections=most, area=area)
            for threshold in case.thresholds for area in COCO_AREAS for most in case.max_detections]


def voc_settings(case: Case) -> List[Setting]:
    return [Setting(threshold, 0, interpolation, inclusive) for threshold in (0.5, case.thresholds[0])
            for interpolation in (0, 1) for inclusive in (False, True)]


def _words(case: Case, settings: Sequence[Setting]) -> Iterator[float]:
    yield from (case.classes, len(case.images))
    for image in case.images:
        yield from (len(image.truth), len(image.found))
        for t in image.truth:
            yield from (*t.box, t.label, int(t.ignore), int(t.crowd))
        for f in image.found:
            yield from (*f.box, f.label, f.score)
    yield len(settings)
    for s in settings:
        yield from (s.threshold, s.matching, s.interpolation, int(s.inclusive), s.max_detections, *s.area)


def measure(cases: Sequence[Case], settings: Sequence[Sequence[Setting]]) -> List[Answer]:
    """Ours, per case."""
    words = [str(len(cases))]
    for case, asked in zip(cases, settings):
        words += [repr(word) for word in _words(case, asked)]
    done = subprocess.run([os.environ["MGRAL_AP_DRIVER"]], input=" ".join(words), text=True,
                          capture_output=True, check=True)
    lines = iter(done.stdout.splitlines())
    answers = []
    for case, asked in zip(cases, settings):
        by_setting = []
        for _ in asked:
            rows = [next(lines).split() for _ in range(case.classes)]
            by_setting.append([ClassAp(float(row[0]), *map(int, row[1:])) for row in rows])
        answers.append(Answer(by_setting, [[float(word) for word in next(lines).split()]
                                           for _ in range(case.classes + 1)]))
    assert next(lines, None) is None
    return answers
