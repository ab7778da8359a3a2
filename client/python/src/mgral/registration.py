"""Images in: any number, as a stream with acknowledgments."""

from __future__ import annotations

import pathlib
from typing import Dict, Iterable, Iterator, List, Literal, Optional, Tuple, Union

from mgral import errors, values
from mgral.acked_stream import AckedStream
from mgral.connection import Connection, Path
from mgral.datasets import Dataset, DatasetImage, read_splits
from mgral.ingestion import warn_of_refused
from mgral.progress import Bar
from mgral.v1 import pool_service_pb2

Verification = Literal["decode", "header", "none"]
SplitsGiven = Union[bool, Path]

_VERIFICATIONS: Dict[str, pool_service_pb2.Verification] = {
    "decode": pool_service_pb2.VERIFICATION_DECODE,
    "header": pool_service_pb2.VERIFICATION_HEADER,
    "none": pool_service_pb2.VERIFICATION_NONE}


def choose_splits(dataset: Dataset, splits: SplitsGiven, own: Optional[pathlib.Path]) -> None:
    """Sets dataset.splits: none for False, the dataset's own for True (a file `own`, or what the
    reader found), or those of a JSON file."""
    if splits is False:
        dataset.splits = None
        return
    if splits is not True:
        dataset.splits = read_splits(splits, dataset)
    elif own is not None:
        dataset.splits = read_splits(own, dataset)
    if dataset.splits is None:
        raise errors.DatasetError(f"{dataset.name}: splits=True, but the dataset has no splits")


def register_dataset(connection: Connection, pool: str, dataset: Dataset, use: values.Use,
                     server_path: Optional[str], verification: Verification,
                     progress: Optional[bool]) -> values.RegisterReport:
    planned = list(_plan(dataset, use))
    if not planned:
        raise errors.DatasetError(f"{dataset.name}: its splits leave nothing to register: train "
                                  "and validation are empty")
    images = (image.to_new_image(its_use, server_path) for image, its_use in planned)
    return register(connection, pool, images, verification, len(planned), progress)


def _plan(dataset: Dataset, use: values.Use) -> Iterator[Tuple[DatasetImage, values.Use]]:
    """The test split stays out: it is nobody's to train on."""
    if dataset.splits is None:
        for image in dataset.images:
            yield image, use
        return
    by_id = {image.image_id: image for image in dataset.images}
    for image_id in dataset.splits.train:
        yield by_id[image_id], "training"
    for image_id in dataset.splits.validation:
        yield by_id[image_id], "validation"


def register(connection: Connection, pool: str, images: Iterable[values.NewImage],
             verification: Verification, total: Optional[int] = None,
             progress: Optional[bool] = None) -> values.RegisterReport:
    if verification not in _VERIFICATIONS:
        raise ValueError(f'verification: {verification!r} is none of "decode", "header", "none"')
    refused: List[values.Refused] = []
    counts = {"registered": 0, "existing": 0}

    def begin(first: bool) -> pool_service_pb2.RegisterImagesRequest:
        if not first:
            return pool_service_pb2.RegisterImagesRequest()
        return pool_service_pb2.RegisterImagesRequest(
            parent=pool, verification=_VERIFICATIONS[verification])

    def append(request: pool_service_pb2.RegisterImagesRequest,
               image: pool_service_pb2.NewImage) -> None:
        request.images.append(image)

    with Bar("images", total, "images", progress) as bar:
        def answered(answer: pool_service_pb2.RegisterImagesResponse, base: int) -> None:
            counts["registered"] += answer.registered
            counts["existing"] += answer.existing
            refused.extend(values.Refused.from_proto(one, base) for one in answer.refused)
            bar.set(base + answer.acknowledged)

        # Small chunks keep the bar moving where every image is decoded.
        stream = AckedStream(connection, connection.pools.RegisterImages,
                             (image.to_proto() for image in images), begin, append, answered,
                             chunk_items=100 if verification == "decode" else 500)
        stream.run()
    warn_of_refused(refused, "images")
    return values.RegisterReport(counts["registered"], counts["existing"], tuple(refused),
                                 stream.reconnects)
