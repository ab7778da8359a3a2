"""A batch: images that are handed out together under a lease."""

from __future__ import annotations

import dataclasses
import datetime
import logging
from typing import TYPE_CHECKING, Iterator, Literal, Optional, Tuple

from google.protobuf import duration_pb2
from mgral import errors, ingestion, values
from mgral.connection import Connection, Path
from mgral.images import list_images
from mgral.v1 import selection_service_pb2

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Type

_LOG = logging.getLogger("mgral")


@dataclasses.dataclass(frozen=True)
class LabelingCost:
    """The work of labeling: in seconds, or in boxes where the pool sets none; an image then counts
    as much as two."""

    amount: float
    unit: Literal["seconds", "boxes"]

    def __str__(self) -> str:
        return f"{self.amount:.0f} {self.unit}"


class Batch:
    """A lease on some images of a pool.

    In a `with`, an exception gives the images without labels back to the pool. A normal end leaves
    the lease alone, since labeling usually takes longer than the program that asked for the batch;
    with `release_on_exit=True` (see Pool.query_batch) it gives them back then, too.

    Shows what the server said last; refresh() asks again. Not thread-safe.
    """

    def __init__(self, connection: Connection, proto: selection_service_pb2.Batch,
                 release_on_exit: bool = False) -> None:
        self._connection = connection
        self._proto = proto
        self._release_on_exit = release_on_exit

    @property
    def name(self) -> str:
        """pools/{pool}/batches/{batch}"""
        return self._proto.name

    @property
    def pool_name(self) -> str:
        return self.name.partition("/batches/")[0]

    @property
    def state(self) -> str:
        """LEASED, COMPLETED, RELEASED or EXPIRED."""
        name = selection_service_pb2.BatchState.Name(self._proto.state)
        return values.word(name, "BATCH_STATE_")

    @property
    def images(self) -> Tuple[values.BatchImage, ...]:
        """Best first, with the reason for each and the detector's boxes."""
        return tuple(values.BatchImage.from_proto(image) for image in self._proto.images)

    @property
    def image_ids(self) -> Tuple[str, ...]:
        return tuple(image.image_id for image in self._proto.images)

    @property
    def strategy(self) -> str:
        """The one really used; `strategy_note` says why where that is not the one asked for."""
        return self._proto.strategy

    @property
    def strategy_note(self) -> str:
        return self._proto.strategy_note

    @property
    def model(self) -> str:
        """That of the snapshot that answered; empty before the first cycle."""
        return self._proto.model

    @property
    def annotator(self) -> str:
        return self._proto.annotator

    @property
    def estimated_gain(self) -> Optional[values.Gain]:
        """None without a look-up table."""
        if not self._proto.HasField("estimated_gain"):
            return None
        return values.Gain.from_proto(self._proto.estimated_gain)

    @property
    def estimated_cost(self) -> Optional[LabelingCost]:
        """By the boxes that the detector expects; None before the first cycle."""
        if not self._proto.HasField("estimated_cost"):
            return None
        cost = self._proto.estimated_cost
        in_seconds = cost.unit == selection_service_pb2.COST_UNIT_SECONDS
        return LabelingCost(cost.amount, "seconds" if in_seconds else "boxes")

    @property
    def realised_gain(self) -> Optional[values.Gain]:
        """Measured by the first cycle that trained on these labels; None until then."""
        if not self._proto.HasField("realised_gain"):
            return None
        return values.Gain.from_proto(self._proto.realised_gain)

    @property
    def expire_time(self) -> datetime.datetime:
        """When the lease ends, in UTC."""
        return values.moment(self._proto.expire_time)

    def __len__(self) -> int:
        return len(self._proto.images)

    def __iter__(self) -> Iterator[values.BatchImage]:
        return iter(self.images)

    def __repr__(self) -> str:
        return f"<Batch {self.name} {self.state}, {len(self)} images by {self.strategy}>"

    def refresh(self) -> Batch:
        request = selection_service_pb2.GetBatchRequest(name=self.name)
        self._proto = self._connection.call(self._connection.selection.GetBatch, request)
        return self

    def renew(self, lease: datetime.timedelta) -> Batch:
        """The lease ends `lease` from now. FailedPrecondition once it is over."""
        request = selection_service_pb2.RenewBatchRequest(
            name=self.name, lease_duration=duration(lease))
        self._proto = self._connection.call(self._connection.selection.RenewBatch, request)
        return self

    def release(self) -> Batch:
        """Images without labels go back to the pool. Doing it twice is no error."""
        request = selection_service_pb2.ReleaseBatchRequest(name=self.name)
        self._proto = self._connection.call(self._connection.selection.ReleaseBatch, request)
        return self

    def ingest(self, labels: ingestion.LabelsGiven) -> values.IngestReport:
        """Labels of images of this batch, all or none; see Pool.ingest."""
        return ingestion.ingest(self._connection, self.pool_name, labels, self.name)

    def ingest_coco(self, annotations: Path, *, use: Optional[values.Use] = None,
                    limit: Optional[int] = None, skip_empty: bool = False,
                    empty_is_labeled: bool = False,
                    progress: Optional[bool] = None) -> values.IngestReport:
        """The labels that a COCO file has of this batch's images; see Pool.ingest_coco."""
        return ingestion.ingest_coco(
            self._connection, self.pool_name, annotations, self.name, self.image_ids,
            lambda: (image.image_id for image in list_images(self._connection, self.pool_name)),
            use=use, limit=limit, skip_empty=skip_empty, empty_is_labeled=empty_is_labeled,
            progress=progress)

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if kind is None:
            if self._release_on_exit:
                self.release()
            return
        try:
            self.release()
        except errors.MgralError as failure:  # the reason that the caller sees is the first one
            _LOG.warning("%s could not be released, its lease ends by itself: %s", self.name,
                         failure)


def duration(given: datetime.timedelta) -> duration_pb2.Duration:
    result = duration_pb2.Duration()
    result.FromTimedelta(given)
    return result
