"""Labels out: a pool's labels as a COCO file."""

from __future__ import annotations

import contextlib
import os
from typing import Generator

import grpc
from mgral import errors
from mgral.connection import Connection, Path
from mgral.v1 import label_service_pb2


def export_coco(connection: Connection, pool: str, path: Path) -> None:
    """Writes all of the file, or nothing."""
    temporary = f"{os.fspath(path)}.tmp"
    try:
        with open(temporary, "wb") as file, contextlib.closing(_pieces(connection, pool)) as pieces:
            for piece in pieces:
                file.write(piece)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def _pieces(connection: Connection, pool: str) -> Generator[bytes, None, None]:
    """Requested again only as long as nothing was delivered. Close it: that ends the stream."""
    request = label_service_pb2.ExportLabelsRequest(
        parent=pool, format=label_service_pb2.EXPORT_FORMAT_COCO)
    retry = connection.retry
    attempt, delivered = 1, False
    while True:
        # An hour: a big file takes its time, but not forever.
        answers = connection.labels.ExportLabels(
            request, timeout=max(3600.0, connection.timeout), metadata=connection.metadata)
        try:
            for answer in answers:
                delivered = True
                yield answer.data
            return
        except grpc.RpcError as broken:
            error = errors.from_rpc(broken, connection.target)
        finally:  # also where the caller cannot write
            answers.cancel()
        if delivered or attempt >= retry.max_attempts or not retry.is_retryable(error):
            raise error
        retry.sleep(retry.delay(error, attempt))
        attempt += 1
