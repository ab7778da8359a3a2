"""Labeled datasets on this machine, read and checked: COCO, Pascal VOC, YOLO.

Everything in such a file is hostile: what cannot be right raises DatasetError with the file and the
entry, what can be mended (a box that passes the image's edge) is mended and reported in `warnings`.
"""

from mgral.datasets.coco import read_coco
from mgral.datasets.dataset import Dataset, DatasetImage, Splits
from mgral.datasets.splits import read_splits
from mgral.datasets.voc import read_voc
from mgral.datasets.yolo import read_yolo

__all__ = ["Dataset", "DatasetImage", "Splits", "read_coco", "read_splits", "read_voc",
           "read_yolo"]
