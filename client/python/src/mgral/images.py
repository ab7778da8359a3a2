"""The images of a pool."""

from __future__ import annotations

from typing import Iterator, Optional

from mgral import values
from mgral.connection import Connection
from mgral.pages import pages
from mgral.v1 import image_pb2, pool_service_pb2

_PAGE = 1000


def list_images(connection: Connection, pool: str, *, state: Optional[values.ImageState] = None,
                use: Optional[values.Use] = None) -> Iterator[values.Image]:
    request = pool_service_pb2.ListImagesRequest(
        parent=pool, page_size=_PAGE,
        state=image_pb2.ImageState.Value(f"IMAGE_STATE_{state or 'UNSPECIFIED'}"),
        use=values.use_to_proto(use) if use else None)
    for proto in pages(connection, connection.pools.ListImages, request,
                       lambda answer: answer.images):
        yield values.Image.from_proto(proto)
