"""Our RetinaNet beside torchvision's retinanet_resnet50_fpn, with the same weights."""

from __future__ import annotations

import pathlib
from typing import List

import detectors
import pytest
import torch
from torchvision.models.detection import retinanet_resnet50_fpn

CONFIG = "depth=50 input_size=800 num_classes=91 resizing=shortest_side"


def made_model(images: List[torch.Tensor]) -> torch.nn.Module:
    torch.manual_seed(1)
    model = retinanet_resnet50_fpn(weights=None, weights_backbone=None, num_classes=91)
    return detectors.calibrate_retinanet(model, images)


def test_same_boxes(tmp_path: pathlib.Path) -> None:
    images = detectors.photographs(20)
    detectors.assert_same_boxes(CONFIG, made_model(images[::5]), images, tmp_path)


@pytest.mark.parametrize("epsilon", [0.0, 1e-5])
def test_same_boxes_with_frozen_norms(epsilon: float, tmp_path: pathlib.Path) -> None:
    images = detectors.drawn_images(2, seed=3)
    model = made_model(images)
    for norm in model.backbone.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_var.mul_(1e-4)  # so small that the epsilon counts
            norm.weight.data.mul_(1e-2)
    model = detectors.calibrate_retinanet(detectors.freeze_norms(model, epsilon), images)
    detectors.assert_same_boxes(f"{CONFIG} norm_epsilon={epsilon}", model, images, tmp_path)


def test_same_loss_and_gradients(tmp_path: pathlib.Path) -> None:
    detectors.assert_same_loss(CONFIG, detectors.freeze_norms(made_model(detectors.drawn_images(3, seed=1))), tmp_path)
