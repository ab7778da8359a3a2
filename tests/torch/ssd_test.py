"""Our SSD300 beside torchvision's ssd300_vgg16, with the same weights."""

from __future__ import annotations

import pathlib

import detectors
import torch
from torchvision.models.detection import ssd300_vgg16

CONFIG = "architecture=ssd300 trunk=vgg16 input_size=300 num_classes=20 resizing=square"


@torch.no_grad()
def made_model() -> torch.nn.Module:
    torch.manual_seed(1)
    model = ssd300_vgg16(weights=None, weights_backbone=None, num_classes=21).eval()
    for layer in model.backbone.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
    transformed = model.transform([image / 255 for image in detectors.drawn_images(3, seed=1)])[0]
    levels = list(model.backbone(transformed.tensors).values())
    for i, level in enumerate(levels):
        detectors.standardize(model.head.classification_head.module_list[i], [level])
        detectors.set_deviation(model.head.regression_head.module_list[i], [level], 1)
    return model


def test_same_boxes(tmp_path: pathlib.Path) -> None:
    detectors.assert_same_boxes(CONFIG, made_model(), detectors.photographs(20), tmp_path, first_label=1)


def test_same_loss_and_gradients(tmp_path: pathlib.Path) -> None:
    detectors.assert_same_loss(CONFIG, made_model(), tmp_path, first_label=1)
