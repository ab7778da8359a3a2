"""Predictions of a detector of your own, for pools of the profile external."""

from __future__ import annotations

import dataclasses
from typing import Any, Iterable, List, Optional, Sequence, Tuple

from mgral import values
from mgral.acked_stream import AckedStream
from mgral.connection import Connection
from mgral.ingestion import warn_of_refused
from mgral.progress import Bar
from mgral.v1 import image_pb2, prediction_service_pb2


@dataclasses.dataclass(frozen=True)
class NewPredictions:
    """What your detector says of an image: boxes with scores in (0, 1], after non-maximum
    suppression, and an embedding of the image, a list or an array of as many numbers for every
    image, at most 4096; or none for all."""

    image_id: str
    boxes: Sequence[values.Box] = ()
    embedding: Any = ()

    @classmethod
    def from_arrays(cls, image_id: str, boxes: Any, scores: Any, labels: Any,
                    classes: Sequence[str], embedding: Any = ()) -> NewPredictions:
        """Of arrays or tensors as torchvision's detectors give them: boxes [n, 4] as x_min, y_min,
        x_max, y_max in pixels, scores [n], labels [n], positions in `classes`."""
        if not len(boxes) == len(scores) == len(labels):
            raise ValueError(f"image {image_id!r}: {len(boxes)} boxes, {len(scores)} scores and "
                             f"{len(labels)} labels")
        found: List[values.Box] = []
        for corners, score, label in zip(boxes, scores, labels):
            x_min, y_min, x_max, y_max = (float(number) for number in corners)
            found.append(values.Box(_class_of(classes, int(label)), x_min, y_min, x_max - x_min,
                                    y_max - y_min, score=float(score)))
        return cls(image_id, found, embedding)

    def to_proto(self) -> prediction_service_pb2.NewPredictions:
        return prediction_service_pb2.NewPredictions(
            image_id=self.image_id,
            boxes=[image_pb2.Box(class_name=box.class_name, x_min=box.x_min, y_min=box.y_min,
                                 width=box.width, height=box.height, score=box.score)
                   for box in self.boxes],
            embedding=[float(number) for number in self.embedding])


@dataclasses.dataclass(frozen=True)
class PutReport:
    """The result of putting predictions. `images`: of the pool, that have predictions now."""

    stored: int
    images: int
    refused: Tuple[values.Refused, ...] = ()
    reconnects: int = 0


def _class_of(classes: Sequence[str], label: int) -> str:
    if not 0 <= label < len(classes):
        raise ValueError(f"labels: {label} is no position in the {len(classes)} classes")
    return classes[label]


def put(connection: Connection, pool: str, model: str, predictions: Iterable[NewPredictions],
        progress: Optional[bool] = None) -> PutReport:
    refused: List[values.Refused] = []
    counts = {"stored": 0, "images": 0}

    def begin(first: bool) -> prediction_service_pb2.PutPredictionsRequest:
        return prediction_service_pb2.PutPredictionsRequest(
            parent=pool if first else "", model=model if first else "")

    def append(request: prediction_service_pb2.PutPredictionsRequest,
               item: prediction_service_pb2.NewPredictions) -> None:
        request.predictions.append(item)

    with Bar("predictions", None, "images", progress) as bar:
        def answered(answer: prediction_service_pb2.PutPredictionsResponse, base: int) -> None:
            counts["stored"] += answer.stored
            counts["images"] = answer.images
            refused.extend(values.Refused(one.index + base, one.image_id, one.field, one.reason)
                           for one in answer.refused)
            bar.set(base + answer.acknowledged)

        stream = AckedStream(connection, connection.predictions.PutPredictions,
                             (one.to_proto() for one in predictions), begin, append, answered)
        stream.run()
    warn_of_refused(refused, "predictions")
    return PutReport(counts["stored"], counts["images"], tuple(refused), stream.reconnects)
