"""Our Faster R-CNN beside torchvision's fasterrcnn_resnet50_fpn, with the same weights."""

from __future__ import annotations

import pathlib
from typing import List

import detectors
import torch
from torchvision.models.detection import fasterrcnn_resnet50_fpn

CONFIG = ("architecture=faster_rcnn depth=50 input_size=800 num_classes=20 resizing=shortest_side min_level=2 "
          "max_level=6 anchor_scale=8 anchor_scales=1")


def made_model(images: List[torch.Tensor]) -> torch.nn.Module:
    torch.manual_seed(1)
    model = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=21)
    return detectors.calibrate_faster_rcnn(model, images)


def test_same_boxes(tmp_path: pathlib.Path) -> None:
    images = detectors.photographs(20)
    detectors.assert_same_boxes(CONFIG, made_model(images[::5]), images, tmp_path, first_label=1)


def test_same_loss_and_gradients(tmp_path: pathlib.Path) -> None:
    model = detectors.freeze_norms(made_model(detectors.drawn_images(3, seed=1)))
    for sampler in (model.rpn.fg_bg_sampler, model.roi_heads.fg_bg_sampler):
        sampler.batch_size_per_image = 1000000  # all
    detectors.assert_same_loss(CONFIG, model, tmp_path, first_label=1)
