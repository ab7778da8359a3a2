"""What goes in and comes out: plain values, boxes in absolute pixels of the original, 0-based."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any, Literal, Mapping, Optional, Sequence, Tuple, Union, cast

from google.protobuf import timestamp_pb2
from mgral.v1 import (image_pb2, label_service_pb2, model_service_pb2, pool_service_pb2,
                      selection_service_pb2)

Use = Literal["training", "validation"]
ImageOrientation = Literal["exif", "stored"]
ImageState = Literal["UNLABELED", "LEASED", "LABELED", "REJECTED"]

_USES: Mapping[str, image_pb2.ImageUse] = {
    "training": image_pb2.IMAGE_USE_TRAINING, "validation": image_pb2.IMAGE_USE_VALIDATION}

_ORIENTATIONS: Mapping[str, pool_service_pb2.ImageOrientation] = {
    "exif": pool_service_pb2.IMAGE_ORIENTATION_EXIF,
    "stored": pool_service_pb2.IMAGE_ORIENTATION_STORED}


@dataclasses.dataclass(frozen=True)
class Box:
    """x_min + width may equal the image's width, not pass it."""

    class_name: str
    x_min: float
    y_min: float
    width: float
    height: float
    ignore: bool = False  # labels: a crowd or a hard object, neither found nor missed
    score: float = 0.0  # predictions: in (0, 1]

    def to_proto(self) -> image_pb2.Box:
        return image_pb2.Box(class_name=self.class_name, x_min=self.x_min, y_min=self.y_min,
                             width=self.width, height=self.height, ignore=self.ignore)

    @classmethod
    def from_proto(cls, box: image_pb2.Box) -> Box:
        return cls(box.class_name, box.x_min, box.y_min, box.width, box.height, box.ignore,
                   box.score)


@dataclasses.dataclass(frozen=True)
class NewImage:
    """An image to register, given as one of: `path` below the server's image root, with forward
    slashes; `data`, the bytes of a file; `uri`, of the server's allow-list. JPEG, PNG, WebP, BMP
    or TIFF."""

    image_id: str
    path: Optional[str] = None
    data: Optional[bytes] = None
    uri: Optional[str] = None
    use: Use = "training"

    def source(self) -> image_pb2.ImageSource:
        given = [one for one in (self.path, self.data, self.uri) if one is not None]
        if len(given) != 1:
            raise ValueError(f"image {self.image_id!r}: give one of path, data and uri")
        return image_pb2.ImageSource(path=self.path, data=self.data, uri=self.uri)

    def to_proto(self) -> pool_service_pb2.NewImage:
        return pool_service_pb2.NewImage(image_id=self.image_id, source=self.source(),
                                         use=use_to_proto(self.use))


@dataclasses.dataclass(frozen=True)
class Image:
    """An image of a pool. `label_revision` is 0 while it has no labels; `note` says what is
    unusual about the file but does no harm."""

    image_id: str
    state: ImageState
    use: Use
    width: int
    height: int
    path: str
    uri: str
    reject_reason: str
    label_revision: int
    note: str

    @classmethod
    def from_proto(cls, image: image_pb2.Image) -> Image:
        state = cast(ImageState, word(image_pb2.ImageState.Name(image.state), "IMAGE_STATE_"))
        use: Use = "validation" if image.use == image_pb2.IMAGE_USE_VALIDATION else "training"
        return cls(image.image_id, state, use, image.width, image.height, image.path, image.uri,
                   image.reject_reason, image.label_revision, image.note)


@dataclasses.dataclass(frozen=True)
class NewLabels:
    """What an annotator says of one image. No boxes: there is nothing in it. A `reject_reason`:
    the annotator refuses the image. `use` moves the image between training and validation."""

    image_id: str
    boxes: Sequence[Box] = ()
    reject_reason: str = ""
    use: Optional[Use] = None

    def to_proto(self, batch: str = "") -> label_service_pb2.NewLabels:
        return label_service_pb2.NewLabels(
            image_id=self.image_id, boxes=[box.to_proto() for box in self.boxes],
            reject_reason=self.reject_reason, batch=batch,
            use=use_to_proto(self.use) if self.use else None)


@dataclasses.dataclass(frozen=True)
class Labels:
    """The newest revision of one image's labels. `late`: submitted after the lease expired."""

    image_id: str
    boxes: Tuple[Box, ...]
    revision: int
    late: bool
    batch: str
    create_time: datetime.datetime

    @classmethod
    def from_proto(cls, labels: label_service_pb2.Labels) -> Labels:
        return cls(labels.image_id, boxes_from(labels.boxes), labels.revision, labels.late,
                   labels.batch, moment(labels.create_time))


@dataclasses.dataclass(frozen=True)
class ClassGain:
    """A change of one class's AP, with its standard error."""

    class_name: str
    mean: float
    standard_error: float

    @classmethod
    def from_proto(cls, gain: selection_service_pb2.ClassGain) -> ClassGain:
        return cls(gain.class_name, gain.mean, gain.standard_error)


@dataclasses.dataclass(frozen=True)
class Gain:
    """A change of mAP, with its standard error, and of the AP of every class."""

    mean: float
    standard_error: float
    classes: Tuple[ClassGain, ...] = ()

    def __str__(self) -> str:
        return f"{self.mean:+.4f} ± {self.standard_error:.4f} mAP"

    @classmethod
    def from_proto(cls, gain: selection_service_pb2.Gain) -> Gain:
        return cls(gain.mean, gain.standard_error,
                   tuple(ClassGain.from_proto(one) for one in gain.classes))


@dataclasses.dataclass(frozen=True)
class BatchImage:
    """An image of a batch: rank 0 is the best; `predictions` are the boxes to begin from."""

    image_id: str
    rank: int
    cell: int  # of the look-up table; -1 without one
    reason: str
    expected_gain: Tuple[ClassGain, ...]
    predictions: Tuple[Box, ...]
    state: ImageState
    uniform: bool = False  # drawn at random instead of chosen by the strategy

    @classmethod
    def from_proto(cls, image: selection_service_pb2.BatchImage) -> BatchImage:
        state = cast(ImageState, word(image_pb2.ImageState.Name(image.state), "IMAGE_STATE_"))
        return cls(image.image_id, image.rank, image.cell, image.reason,
                   tuple(ClassGain.from_proto(one) for one in image.expected_gain),
                   boxes_from(image.predictions), state, image.uniform)


@dataclasses.dataclass(frozen=True)
class ClassAccuracy:
    """AP of one class: VOC AP@.5 (all-points area) and COCO AP@[.5:.95]; NaN without truth."""

    class_name: str
    ap50: float
    ap: float
    ground_truth_boxes: int


@dataclasses.dataclass(frozen=True)
class Model:
    """A trained detector, measured on the labeled validation images."""

    name: str
    cycle: str
    version: int
    published: bool
    profile: str
    map50: float
    map: float
    classes: Tuple[ClassAccuracy, ...]
    training_images: int
    weights_sha256: str
    external_model: str = ""  # of an external detector: what its predictions were put as
    imported_from: str = ""  # the file's name, of a model that no cycle trained

    @classmethod
    def from_proto(cls, model: model_service_pb2.Model) -> Model:
        accuracy = model.validation
        return cls(model.name, model.cycle, model.version, model.published, model.profile,
                   accuracy.map50, accuracy.map,
                   tuple(ClassAccuracy(one.class_name, one.ap50, one.ap, one.ground_truth_boxes)
                         for one in accuracy.classes), model.training_images, model.weights_sha256,
                   model.external_model, model.imported_from)


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What the detector sees in an image; `error` says why there is nothing where it failed."""

    image_id: str
    boxes: Tuple[Box, ...]
    width: int
    height: int
    error: str


@dataclasses.dataclass(frozen=True)
class Refused:
    """An item of a stream that was refused; `index` counts the items from 0."""

    index: int
    image_id: str
    field: str
    reason: str

    @classmethod
    def from_proto(cls, one: Union[pool_service_pb2.RefusedImage, label_service_pb2.RefusedLabels],
                   base: int) -> Refused:
        """`base`: items that were acknowledged before the connection that `one` counts from."""
        return cls(one.index + base, one.image_id, one.field, one.reason)


@dataclasses.dataclass(frozen=True)
class RegisterReport:
    """What a registration did. `existing`: there already, with the same source and use."""

    registered: int
    existing: int
    refused: Tuple[Refused, ...]
    reconnects: int


@dataclasses.dataclass(frozen=True)
class IngestReport:
    """The result of submitting labels. `late`: of the ingested, for a lease that was over. `left_out`:
    labels of the file whose images were not asked for. `matched`: how many images of the file were
    found by image_id, path, base_name and unprefixed_base_name, and how many were ambiguous or
    unmatched."""

    ingested: int
    late: int
    refused: Tuple[Refused, ...] = ()
    left_out: int = 0
    reconnects: int = 0
    matched: Mapping[str, int] = dataclasses.field(default_factory=dict, compare=False)


def word(name: str, prefix: str) -> str:
    """An enumeration's value without its prefix: "IMAGE_STATE_LEASED" is "LEASED"."""
    return name[len(prefix):] if name.startswith(prefix) else name


def boxes_from(boxes: Any) -> Tuple[Box, ...]:
    return tuple(Box.from_proto(box) for box in boxes)


def use_to_proto(use: str) -> image_pb2.ImageUse:
    if use not in _USES:
        raise ValueError(f"use: {use!r} is neither \"training\" nor \"validation\"")
    return _USES[use]


def orientation_to_proto(orientation: str) -> pool_service_pb2.ImageOrientation:
    if orientation not in _ORIENTATIONS:
        raise ValueError(f"image_orientation: {orientation!r} is neither \"exif\" nor \"stored\"")
    return _ORIENTATIONS[orientation]


def moment(stamp: timestamp_pb2.Timestamp) -> datetime.datetime:
    """In UTC."""
    return stamp.ToDatetime(tzinfo=datetime.timezone.utc)
