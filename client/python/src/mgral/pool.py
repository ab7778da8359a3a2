"""A pool: images, labels, batches, cycles and models."""

from __future__ import annotations

import datetime
import pathlib
from typing import Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from mgral import export, ingestion, predictions, registration, values
from mgral.batch import Batch, duration
from mgral.connection import Connection, Path
from mgral.cycle import Cycle
from mgral.datasets import Dataset, read_coco, read_voc, read_yolo
from mgral.images import list_images
from mgral.pages import pages
from mgral.registration import SplitsGiven, Verification
from mgral.retry import new_request_id
from mgral.v1 import (cycle_service_pb2, label_service_pb2, model_service_pb2, pool_service_pb2,
                      selection_service_pb2)

_PAGE = 1000
_PREDICTED_AT_ONCE = 100


class Pool:
    """A pool of a server. Shows what the server said last; refresh() asks again. Thread-safe but
    for refresh()."""

    def __init__(self, connection: Connection, proto: pool_service_pb2.Pool) -> None:
        self._connection = connection
        self._proto = proto

    @property
    def name(self) -> str:
        """pools/{pool}"""
        return self._proto.name

    @property
    def display_name(self) -> str:
        return self._proto.display_name

    @property
    def classes(self) -> Tuple[str, ...]:
        return tuple(self._proto.classes)

    @property
    def profile(self) -> str:
        return self._proto.detector.profile

    @property
    def strategy(self) -> str:
        return self._proto.selection.strategy

    @property
    def seconds_per_image(self) -> float:
        """Of labeling, without the boxes; if both are 0, an image counts as much as two boxes."""
        return self._proto.selection.seconds_per_image

    @property
    def seconds_per_box(self) -> float:
        return self._proto.selection.seconds_per_box

    @property
    def uniform_share(self) -> float:
        return self._proto.selection.uniform_share

    @property
    def image_orientation(self) -> values.ImageOrientation:
        """Whether images, and the frame of their boxes, are turned as EXIF says."""
        stored = self._proto.image_orientation == pool_service_pb2.IMAGE_ORIENTATION_STORED
        return "stored" if stored else "exif"

    @property
    def published_model(self) -> str:
        """The model that queries are answered from; empty before the first cycle."""
        return self._proto.published_model

    @property
    def start_model(self) -> str:
        """The imported model that the next trainings begin with; empty: as the profile says."""
        return self._proto.start_model

    @property
    def counts(self) -> Mapping[str, int]:
        """Images: unlabeled, leased, labeled, rejected; and, of all states, validation, training."""
        counts = self._proto.counts
        return {"unlabeled": counts.unlabeled, "leased": counts.leased, "labeled": counts.labeled,
                "rejected": counts.rejected, "validation": counts.validation,
                "training": counts.training}

    def __repr__(self) -> str:
        return f"<Pool {self.name}, {sum(self.counts.values()) and dict(self.counts)}>"

    def refresh(self) -> Pool:
        request = pool_service_pb2.GetPoolRequest(name=self.name)
        self._proto = self._connection.call(self._connection.pools.GetPool, request)
        return self

    # Images in. Each returns what was registered, what was there already, and what was refused and
    # why (with a RefusedWarning); calling it again after a failure registers only what is missing.
    # progress: None shows a bar on a terminal, if tqdm is installed.

    def register(self, images: Union[Dataset, Iterable[values.NewImage]], *,
                 use: values.Use = "training", server_path: Optional[str] = None,
                 verification: Verification = "decode",
                 progress: Optional[bool] = None) -> values.RegisterReport:
        """Any number of images, or a dataset: with its `splits` if it has some (the test split is
        left out), else all for `use`. See register_coco for `server_path` and `verification`."""
        if isinstance(images, Dataset):
            return registration.register_dataset(self._connection, self.name, images, use,
                                                 server_path, verification, progress)
        return registration.register(self._connection, self.name, images, verification,
                                     progress=progress)

    def register_coco(self, annotations: Path, images: Optional[Path] = None, *,
                      use: values.Use = "training", splits: SplitsGiven = False,
                      server_path: Optional[str] = None, verification: Verification = "decode",
                      progress: Optional[bool] = None) -> values.RegisterReport:
        """The images of a COCO file; labels are submitted with ingest_coco.

        images: their folder, `images` beside the file by default.
        splits: False registers all for `use`; a JSON file of lists "train" (or "pool"), "val" and
            "test" registers the first two; True takes splits.json beside the annotations.
        server_path: the server has the files, in this folder below its image root (""
            is the root itself), and gets their paths; without it, it gets their bytes.
        verification: how closely the server looks: it decodes the image, reads its "header", or
            "none": looks when the image is first used.
        """
        dataset = read_coco(annotations, images, require_files=server_path is None)
        registration.choose_splits(dataset, splits, pathlib.Path(annotations).parent / "splits.json")
        return self.register(dataset, use=use, server_path=server_path, verification=verification,
                             progress=progress)

    def register_voc(self, directory: Path, *, use: values.Use = "training",
                     splits: SplitsGiven = False, server_path: Optional[str] = None,
                     verification: Verification = "decode",
                     progress: Optional[bool] = None) -> values.RegisterReport:
        """As register_coco; `splits=True` takes ImageSets/Main."""
        dataset = read_voc(directory, require_files=server_path is None)
        registration.choose_splits(dataset, splits, None)
        return self.register(dataset, use=use, server_path=server_path, verification=verification,
                             progress=progress)

    def register_yolo(self, directory: Path, *, classes: Optional[Sequence[str]] = None,
                      use: values.Use = "training", splits: SplitsGiven = False,
                      server_path: Optional[str] = None, verification: Verification = "decode",
                      progress: Optional[bool] = None) -> values.RegisterReport:
        """As register_coco; `splits=True` takes the folders train, val (or valid) and test."""
        dataset = read_yolo(directory, classes)
        registration.choose_splits(dataset, splits, None)
        return self.register(dataset, use=use, server_path=server_path, verification=verification,
                             progress=progress)

    # Selection.

    def query_batch(self, size: int, *, strategy: str = "",
                    lease: datetime.timedelta = datetime.timedelta(hours=1), annotator: str = "",
                    allow_fewer: bool = False, release_on_exit: bool = False,
                    request_id: str = "") -> Batch:
        """Leases the next `size` images. Nobody else gets them until the lease is over.

        strategy: mgral, lookup_greedy, random, random_deduplicated, entropy, margin, core_set,
            max_herding, badge, ppal, class_balanced or lookup_shuffled; the pool's own if empty.
            allow_fewer: take what is left where there are fewer. In a `with`, an exception gives the images back.
        """
        request = selection_service_pb2.QueryBatchRequest(
            parent=self.name, size=size, strategy=strategy, lease_duration=duration(lease),
            annotator=annotator, allow_fewer=allow_fewer, request_id=request_id or new_request_id())
        answer = self._connection.call(self._connection.selection.QueryBatch, request)
        return Batch(self._connection, answer, release_on_exit)

    def batch(self, batch: str) -> Batch:
        """By its name or its number."""
        request = selection_service_pb2.GetBatchRequest(name=self._child("batches", batch))
        return Batch(self._connection,
                     self._connection.call(self._connection.selection.GetBatch, request))

    def batches(self, state: str = "") -> Iterator[Batch]:
        """Without predictions. `state`: LEASED, COMPLETED, RELEASED, EXPIRED, or all."""
        chosen = selection_service_pb2.BatchState.Value(f"BATCH_STATE_{state or 'UNSPECIFIED'}")
        request = selection_service_pb2.ListBatchesRequest(parent=self.name, page_size=_PAGE,
                                                           state=chosen)
        for proto in pages(self._connection, self._connection.selection.ListBatches, request,
                           lambda answer: answer.batches):
            yield Batch(self._connection, proto)

    def estimate_gain(self, image_ids: Iterable[str]) -> values.Gain:
        """What labeling these images would do to mAP, by the published look-up table."""
        request = selection_service_pb2.EstimateGainRequest(parent=self.name,
                                                            image_ids=list(image_ids))
        answer = self._connection.call(self._connection.selection.EstimateGain, request)
        return values.Gain.from_proto(answer.gain)

    # Labels.

    def ingest(self, labels: ingestion.LabelsGiven,
               batch: Union[Batch, str] = "") -> values.IngestReport:
        """Labels of up to 1000 images, {image_id: boxes} or NewLabels, all or none: raises
        InvalidArgument with the field of what is wrong, and then nothing is stored. Labels under
        a lease that is over are accepted and counted as `late`."""
        name = batch.name if isinstance(batch, Batch) else batch
        return ingestion.ingest(self._connection, self.name, labels, name)

    def ingest_many(self, labels: Iterable[values.NewLabels], batch: Union[Batch, str] = "",
                    progress: Optional[bool] = None) -> values.IngestReport:
        """Any number, as a stream: what is wrong is refused by itself and named in the report
        (with a RefusedWarning), the rest is stored."""
        name = batch.name if isinstance(batch, Batch) else batch
        return ingestion.ingest_many(self._connection, self.name, labels, name, progress=progress)

    def ingest_coco(self, annotations: Path, *, batch: Optional[Batch] = None,
                    registered_for: Optional[values.Use] = None, use: Optional[values.Use] = None,
                    limit: Optional[int] = None, skip_empty: bool = False,
                    empty_is_labeled: bool = False,
                    progress: Optional[bool] = None) -> values.IngestReport:
        """A COCO file's labels of this pool's images: of a batch, or of all, or of those
        `registered_for` training or validation. Images are found by path, then by a base name that
        is unique in the pool (the report's `matched` counts them). An image without boxes counts as
        labeled: nothing is in it. A file mostly of such images is refused unless `empty_is_labeled`
        or `skip_empty`. `use`: moves images to training or validation. `limit`: only so many."""
        if batch is not None:
            return batch.ingest_coco(annotations, use=use, limit=limit, skip_empty=skip_empty,
                                     empty_is_labeled=empty_is_labeled, progress=progress)
        wanted = [image.image_id for image in self.images(use=registered_for)]
        return ingestion.ingest_coco(
            self._connection, self.name, annotations, "", wanted,
            lambda: (image.image_id for image in self.images()), use=use, limit=limit,
            skip_empty=skip_empty, empty_is_labeled=empty_is_labeled, progress=progress)

    def labels(self) -> Iterator[values.Labels]:
        """The newest revision of each image's labels."""
        request = label_service_pb2.ListLabelsRequest(parent=self.name, page_size=_PAGE)
        for proto in pages(self._connection, self._connection.labels.ListLabels, request,
                           lambda answer: answer.labels):
            yield values.Labels.from_proto(proto)

    def export_coco(self, path: Path) -> None:
        """Writes the labels as a COCO file: all of it, or nothing."""
        export.export_coco(self._connection, self.name, path)

    def images(self, *, state: Optional[values.ImageState] = None,
               use: Optional[values.Use] = None) -> Iterator[values.Image]:
        return list_images(self._connection, self.name, state=state, use=use)

    # Cycles and models.

    def put_predictions(self, given: Iterable[predictions.NewPredictions], *, model: str,
                        progress: Optional[bool] = None) -> predictions.PutReport:
        """What your own detector says of images, in a pool of the profile external; start a cycle
        to rank them by it. `model`: its name and version; another one replaces all predictions."""
        return predictions.put(self._connection, self.name, model, given, progress)

    def start_cycle(self, *, without_table: bool = False, request_id: str = "") -> Cycle:
        """Train, embed, probe, fit the table, train the selector, publish. AlreadyExists names the
        cycle that runs. `without_table`: train and embed only."""
        request = cycle_service_pb2.StartCycleRequest(
            parent=self.name, without_table=without_table,
            request_id=request_id or new_request_id())
        return Cycle(self._connection,
                     self._connection.call(self._connection.cycles.StartCycle, request))

    def cycle(self, cycle: str) -> Cycle:
        """By its name or its number."""
        request = cycle_service_pb2.GetCycleRequest(name=self._child("cycles", cycle))
        return Cycle(self._connection,
                     self._connection.call(self._connection.cycles.GetCycle, request))

    def cycles(self) -> Iterator[Cycle]:
        """Newest first."""
        request = cycle_service_pb2.ListCyclesRequest(parent=self.name, page_size=_PAGE)
        for proto in pages(self._connection, self._connection.cycles.ListCycles, request,
                           lambda answer: answer.cycles):
            yield Cycle(self._connection, proto)

    def models(self) -> Iterator[values.Model]:
        """Newest first, with the accuracy of every class."""
        request = model_service_pb2.ListModelsRequest(parent=self.name, page_size=_PAGE)
        for proto in pages(self._connection, self._connection.models.ListModels, request,
                           lambda answer: answer.models):
            yield values.Model.from_proto(proto)

    def predict(self, images: Iterable[Union[str, values.NewImage]], *, model: str = "",
                min_score: float = 0.05) -> List[values.Predictions]:
        """What the published model (or another of the pool, by name or number) sees: in images of
        the pool, by their ids, or in others, as NewImage."""
        name = self._child("models", model) if model else self.name
        given = [model_service_pb2.PredictImage(image_id=image) if isinstance(image, str)
                 else model_service_pb2.PredictImage(image_id=image.image_id, source=image.source())
                 for image in images]
        found: List[values.Predictions] = []
        for begin in range(0, len(given), _PREDICTED_AT_ONCE):
            request = model_service_pb2.PredictRequest(
                model=name, images=given[begin:begin + _PREDICTED_AT_ONCE], min_score=min_score)
            answer = self._connection.call(self._connection.models.Predict, request)
            found += [values.Predictions(one.image_id, values.boxes_from(one.boxes), one.width,
                                         one.height, one.error) for one in answer.predictions]
        return found

    def _child(self, kind: str, given: str) -> str:
        return given if "/" in str(given) else f"{self.name}/{kind}/{given}"
