"""What comes to a server as a file: weights that were trained elsewhere."""

from __future__ import annotations

import dataclasses
import os
from typing import Iterator, Mapping, Tuple

import grpc
from mgral import errors
from mgral.connection import Connection, Path
from mgral.v1 import model_service_pb2
from mgral.values import Model, word

_PIECE_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class ImportedWeights:
    """What became of a file. `left`: tensors of the network that begin anew, and `unused`: tensors
    of the file, by name, the first 100 of each. class_head: TAKEN, MAPPED or NEW."""

    model: Model
    taken_count: int
    left: Tuple[str, ...]
    left_count: int
    unused: Tuple[str, ...]
    unused_count: int
    class_head: str
    file_classes: int


def import_weights(connection: Connection, pool: str, path: Path, class_labels: Mapping[str, int],
                   request_id: str) -> ImportedWeights:
    """Sends the file again, from its start, where the policy says that a call may be repeated."""
    with open(path, "rb") as file:  # what cannot be read fails here
        size_bytes = os.fstat(file.fileno()).st_size
    header = model_service_pb2.ImportWeightsRequest(
        parent=pool, file_name=os.path.basename(os.fspath(path)), size_bytes=size_bytes,
        request_id=request_id,
        class_labels=[model_service_pb2.ClassLabel(class_name=name, label=label)
                      for name, label in class_labels.items()])
    retry = connection.retry
    attempt = 1
    while True:
        try:
            # An hour: a big file takes its time, but not forever.
            answer = connection.models.ImportWeights(
                _messages(header, path), timeout=max(3600.0, connection.timeout),
                metadata=connection.metadata)
            break
        except grpc.RpcError as broken:
            error = errors.from_rpc(broken, connection.target)
        if attempt >= retry.max_attempts or not retry.is_retryable(error):
            raise error
        retry.sleep(retry.delay(error, attempt))
        attempt += 1
    return ImportedWeights(
        Model.from_proto(answer.model), answer.taken_count, tuple(answer.left), answer.left_count,
        tuple(answer.unused), answer.unused_count,
        word(model_service_pb2.ClassHead.Name(answer.class_head), "CLASS_HEAD_"),
        answer.file_classes)


def _messages(header: model_service_pb2.ImportWeightsRequest,
              path: Path) -> Iterator[model_service_pb2.ImportWeightsRequest]:
    yield header
    with open(path, "rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield model_service_pb2.ImportWeightsRequest(data=piece)
