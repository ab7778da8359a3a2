"""Our SSD300 beside torchvision's ssd300_vgg16, with the same weights."""

from __future__ import annotations

import pathlib

import detectors
import torch
from torchvision.models.detection import ssd300_vgg16

CONFIG = "architecture=ssd300 trunk=vgg16 input_size=300 num_classes=20 resizing=square"


def made_model() -> torch.nn.Module:
    torch.manual_seed(1)
    model = ssd300_vgg16(weights=None, weights_backbone=None, num_classes=21)
    return detectors.calibrate_ssd(model, detectors.drawn_images(3, seed=1))


def test_same_boxes(tmp_path: pathlib.Path) -> None:
    detectors.assert_same_boxes(CONFIG, made_model(), detectors.photographs(20), tmp_path, first_label=1)


def test_same_loss_and_gradients(tmp_path: pathlib.Path) -> None:
    detectors.assert_same_loss(CONFIG, made_model(), tmp_path, first_label=1)
