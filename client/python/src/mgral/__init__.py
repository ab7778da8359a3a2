"""mgral tells you which images to label next; this is its client.

    import mgral
    with mgral.Client("127.0.0.1:50051") as client:
        pool = client.pool("cells")
        with pool.query_batch(20) as batch:
            batch.ingest({image.image_id: label(image) for image in batch})
        pool.start_cycle().wait()
"""

from mgral.batch import Batch, LabelingCost
from mgral.client import Client
from mgral.connection import Tls
from mgral.cycle import Cycle
from mgral.datasets import (Dataset, DatasetImage, Splits, read_coco, read_splits, read_voc,
                            read_yolo)
from mgral.errors import (AlreadyExists, CycleFailed, DatasetError, DeadlineExceeded,
                          FailedPrecondition, FieldViolation, InvalidArgument, MgralError, NotFound,
                          PermissionDenied, RefusedWarning, ResourceExhausted, ServerError,
                          Unauthenticated, Unavailable)
from mgral.pool import Pool
from mgral.predictions import NewPredictions, PutReport
from mgral.retry import RetryPolicy
from mgral.values import (BatchImage, Box, ClassAccuracy, ClassGain, Gain, Image, IngestReport,
                          Labels, Model, NewImage, NewLabels, Predictions, Refused, RegisterReport)

__version__ = "0.1.0"

__all__ = [
    "AlreadyExists", "Batch", "BatchImage", "Box", "ClassAccuracy", "ClassGain", "Client", "Cycle",
    "CycleFailed", "Dataset", "DatasetError", "DatasetImage", "DeadlineExceeded",
    "FailedPrecondition", "FieldViolation", "Gain", "Image", "IngestReport", "InvalidArgument",
    "LabelingCost", "Labels", "MgralError", "Model", "NewImage", "NewLabels", "NewPredictions",
    "NotFound", "PermissionDenied", "Pool", "Predictions", "PutReport", "Refused", "RefusedWarning",
    "RegisterReport", "ResourceExhausted", "RetryPolicy", "ServerError", "Splits", "Tls", "Unauthenticated", "Unavailable", "read_coco",
    "read_splits", "read_voc", "read_yolo",
]
