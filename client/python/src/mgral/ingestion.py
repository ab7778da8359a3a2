"""Labels in: a few at once, all or none; or a dataset's, as a stream."""

from __future__ import annotations

import dataclasses
import logging
import warnings
from typing import (Callable, Collection, Iterable, List, Mapping, Optional, Sequence, Set, Union)

from mgral import errors, values
from mgral.acked_stream import AckedStream
from mgral.connection import Connection, Path
from mgral.datasets import Dataset, matching
from mgral.datasets.coco import read_coco_labels
from mgral.progress import Bar
from mgral.retry import new_request_id
from mgral.v1 import label_service_pb2

LabelsGiven = Union[Mapping[str, Sequence[values.Box]], Iterable[values.NewLabels]]

_LOG = logging.getLogger("mgral")
_MAX_AT_ONCE = 1000


def as_list(labels: LabelsGiven) -> List[values.NewLabels]:
    if isinstance(labels, Mapping):
        return [values.NewLabels(image_id, boxes) for image_id, boxes in labels.items()]
    return list(labels)


def ingest(connection: Connection, pool: str, labels: LabelsGiven, batch: str,
           ) -> values.IngestReport:
    given = as_list(labels)
    if len(given) > _MAX_AT_ONCE:
        raise ValueError(f"labels: {len(given)} images are more than {_MAX_AT_ONCE} at once: submit them "
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
                wanted: Collection[str], pool_ids: Callable[[], Iterable[str]], *,
                use: Optional[values.Use] = None, limit: Optional[int] = None,
                skip_empty: bool = False, empty_is_labeled: bool = False,
                progress: Optional[bool] = None) -> values.IngestReport:
    """Of the file's images, those of `wanted` (ids), the first `limit` of them. `pool_ids`: all of
    the pool, asked for where a base name must be unique."""
    dataset = read_coco_labels(annotations)
    matches = _match(dataset, set(wanted), pool_ids)
    matched = matching.counts(match.by for match in matches)
    if matched["base_name"] + matched["unprefixed_base_name"] + matched["ambiguous"]:
        _LOG.info("%s: images matched: %s", annotations, matching.describe(matched))
    labels = [values.NewLabels(match.id, image.boxes, use=use)
              for image, match in zip(dataset.images, matches)
              if match.id is not None and (image.boxes or not skip_empty)][:limit]
    if not labels:
        raise errors.DatasetError(
            f"{annotations}: no image of the file is in {batch or pool} as asked for: labels are "
            "assigned to registered images by file name")
    empty = sum(not one.boxes for one in labels)
    if 2 * empty > len(labels) and not empty_is_labeled:
        raise errors.DatasetError(
            f"{annotations}: {empty} of {len(labels)} images have no annotation: is the file "
            "complete? empty_is_labeled=True labels them as images with nothing in them, "
            "skip_empty=True leaves them out")
    report = ingest_many(connection, pool, labels, batch, len(labels), progress,
                         len(dataset.images) - len(labels))
    return dataclasses.replace(report, matched=matched)


def _match(dataset: Dataset, wanted: Set[str], pool_ids: Callable[[], Iterable[str]],
           ) -> List[matching.Match]:
    """For each of the dataset's images, which of `wanted` it is."""
    matches = _match_among(dataset, wanted)
    partly = (matching.MatchedBy.PATH_SUFFIX, matching.MatchedBy.BASE_NAME,
              matching.MatchedBy.UNPREFIXED_BASE_NAME)
    if not any(match.by in partly for match in matches):
        return matches
    # A base name that is unique in a batch may be that of another image of the pool.
    return [match if match.id is None or match.id in wanted
            else matching.Match(None, matching.MatchedBy.NOTHING)
            for match in _match_among(dataset, pool_ids())]


def _match_among(dataset: Dataset, image_ids: Iterable[str]) -> List[matching.Match]:
    matcher = matching.ImageMatcher(image_ids)
    return matching.settle([matcher.find_id(image.listed_id) if image.listed_id
                            else matcher.find(image.listed_name) for image in dataset.images])


def warn_of_refused(refused: Sequence[values.Refused], what: str) -> None:
    if refused:
        first = refused[0]
        warnings.warn(f"{len(refused)} {what} were refused, see the report's `refused`; the first: "
                      f"{first.image_id}: {first.field}: {first.reason}", errors.RefusedWarning,
                      stacklevel=4)
