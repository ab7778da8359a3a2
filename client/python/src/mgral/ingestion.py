"""Labels in: a few at once, all or none; or a dataset's, as a stream."""

from __future__ import annotations

import warnings
from typing import Collection, Iterable, Iterator, List, Mapping, Optional, Sequence, Union

from mgral import errors, values
from mgral.acked_stream import AckedStream
from mgral.connection import Connection, Path
from mgral.datasets import Dataset, read_coco
from mgral.progress import Bar
from mgral.retry import new_request_id
from mgral.v1 import label_service_pb2

LabelsGiven = Union[Mapping[str, Sequence[values.Box]], Iterable[values.NewLabels]]

_MOST = 1000


def as_list(labels: LabelsGiven) -> List[values.NewLabels]:
    if isinstance(labels, Mapping):
        return [values.NewLabels(image_id, boxes) for image_id, boxes in labels.items()]
    return list(labels)


def ingest(connection: Connection, pool: str, labels: LabelsGiven, batch: str,
           ) -> values.IngestReport:
    given = as_list(labels)
    if len(given) > _MOST:
        raise ValueError(f"labels: {len(given)} images are more than {_MOST} at once: hand them in "
                         "with ingest_many, or in parts")
    request = label_service_pb2.BatchIngestLabelsRequest(
        parent=pool, labels=[one.to_proto(batch) for one in given], request_id=new_request_id())
    answer = connection.call(connection.labels.BatchIngestLabels, request)
    return values.IngestReport(answer.ingested, answer.late)


def ingest_many(connection: Connection, pool: str, labels: Iterable[values.NewLabels], batch: str,
                total: Optional[int] = None, progress: Optional[bool] = None,
                left_out: int = 0) -> values.IngestReport:
    refused: List[values.Refused] = []
    counts = {"ingested": 0, "late": 0}

    def begin(first: bool) -> label_service_pb2.IngestLabelsRequest:
        return label_service_pb2.IngestLabelsRequest(parent=pool if first else "")

    def append(request: label_service_pb2.IngestLabelsRequest,
               item: label_service_pb2.NewLabels) -> None:
        request.labels.append(item)

    with Bar("labels", total, "images", progress) as bar:
        def answered(answer: label_service_pb2.IngestLabelsResponse, base: int) -> None:
            counts["ingested"] += answer.ingested
            counts["late"] += answer.late
            refused.extend(values.Refused.from_proto(one, base) for one in answer.refused)
            bar.set(base + answer.acknowledged)

        stream = AckedStream(connection, connection.labels.IngestLabels,
                             (one.to_proto(batch) for one in labels), begin, append, answered)
        stream.run()
    warn_of_refused(refused, "labels")
    return values.IngestReport(counts["ingested"], counts["late"], tuple(refused), left_out,
                               stream.reconnects)


def ingest_coco(connection: Connection, pool: str, annotations: Path, batch: str,
                wanted: Collection[str], *, use: Optional[values.Use] = None,
                limit: Optional[int] = None, skip_empty: bool = False,
                progress: Optional[bool] = None) -> values.IngestReport:
    """Of the file's images, those of `wanted` (ids), the first `limit` of them."""
    dataset = read_coco(annotations, require_files=False)
    labels = list(_chosen(dataset, set(wanted), skip_empty, use))[:limit]
    if not labels:
        raise errors.DatasetError(
            f"{annotations}: no image of the file is in {batch or pool} as asked for: labels go to "
            "registered images, by the file name that they were registered with")
    return ingest_many(connection, pool, labels, batch, len(labels), progress,
                       len(dataset.images) - len(labels))


def _chosen(dataset: Dataset, wanted: Collection[str], skip_empty: bool,
            use: Optional[values.Use]) -> Iterator[values.NewLabels]:
    for image in dataset.images:
        if image.image_id in wanted and (image.boxes or not skip_empty):
            yield values.NewLabels(image.image_id, image.boxes, use=use)


def warn_of_refused(refused: Sequence[values.Refused], what: str) -> None:
    if refused:
        first = refused[0]
        warnings.warn(f"{len(refused)} {what} were refused, see the report's `refused`; the first: "
                      f"{first.image_id}: {first.field}: {first.reason}", errors.RefusedWarning,
                      stacklevel=4)
