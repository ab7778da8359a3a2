"""What leaves a server as files: a pool's labels, a trained model."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any, Dict, Generator, TypeVar

import grpc
from mgral import errors
from mgral._stub_types import UnaryStream
from mgral.connection import Connection, Path
from mgral.v1 import label_service_pb2, model_service_pb2

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")


def export_coco(connection: Connection, pool: str, path: Path) -> None:
    """Writes all of the file, or nothing."""
    request = label_service_pb2.ExportLabelsRequest(
        parent=pool, format=label_service_pb2.EXPORT_FORMAT_COCO)
    answers = _download(connection, connection.labels.ExportLabels, request)
    temporary = f"{os.fspath(path)}.tmp"
    try:
        with open(temporary, "wb") as file, contextlib.closing(answers):
            for answer in answers:
                file.write(answer.data)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def export_model(connection: Connection, model: str, folder: Path,
                 overwrite: bool) -> Dict[str, Any]:
    """Writes both files, or neither; the description."""
    files = [os.path.join(os.fspath(folder), name) for name in ("model.safetensors", "model.json")]
    for file in files:
        if not overwrite and os.path.exists(file):
            raise FileExistsError(f"{file} is there already")
    made = not os.path.isdir(folder)
    os.makedirs(folder, exist_ok=True)
    answers = _download(connection, connection.models.ExportModel,
                        model_service_pb2.ExportModelRequest(model=model))
    temporaries = [f"{file}.tmp" for file in files]
    try:
        with contextlib.closing(answers), open(temporaries[0], "wb") as weights:
            header = next(answers, model_service_pb2.ExportModelResponse(size_bytes=-1))
            for answer in answers:
                weights.write(answer.data)
        if os.path.getsize(temporaries[0]) != header.size_bytes:
            raise errors.ServerError("the weights did not come whole", code="DATA_LOSS")
        with open(temporaries[1], "w", encoding="utf-8") as text:
            text.write(header.description)
        for temporary, name in zip(temporaries, files):
            os.replace(temporary, name)
    finally:
        for temporary in temporaries:
            if os.path.exists(temporary):
                os.remove(temporary)
        if made and not os.listdir(folder):
            os.rmdir(folder)
    description: Dict[str, Any] = json.loads(header.description)
    return description


def _download(connection: Connection, method: UnaryStream[_Request, _Answer],
              request: _Request) -> Generator[_Answer, None, None]:
    """Requested again only as long as nothing was delivered. Close it: that ends the stream."""
    retry = connection.retry
    attempt, delivered = 1, False
    while True:
        # An hour: a big file takes its time, but not forever.
        answers = method(request, timeout=max(3600.0, connection.timeout),
                         metadata=connection.metadata)
        try:
            for answer in answers:
                delivered = True
                yield answer
            return
        except grpc.RpcError as broken:
            error = errors.from_rpc(broken, connection.target)
        finally:  # also where the caller cannot write
            answers.cancel()
        if delivered or attempt >= retry.max_attempts or not retry.is_retryable(error):
            raise error
        retry.sleep(retry.delay(error, attempt))
        attempt += 1
