"""Our Faster R-CNN beside torchvision's fasterrcnn_resnet50_fpn, with the same weights."""

from __future__ import annotations

import pathlib
from typing import List

import detectors
import torch
from torchvision.models.detection import fasterrcnn_resnet50_fpn

CONFIG = ("architecture=faster_rcnn depth=50 input_size=800 num_classes=20 resizing=shortest_side min_level=2 "
          "max_level=6 anchor_scale=8 anchor_scales=1")


@torch.no_grad()
def made_model(images: List[torch.Tensor]) -> torch.nn.Module:
    """Finds something in most of the images."""
    torch.manual_seed(1)
    model = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=21).eval()
    detectors.set_statistics(model, images)
    transformed = model.transform([images[0] / 255])[0]
    levels = model.backbone(transformed.tensors)
    hidden = [model.rpn.head.conv(level) for level in levels.values()]
    detectors.standardize(model.rpn.head.cls_logits, hidden)
    detectors.set_deviation(model.rpn.head.bbox_pred, hidden, 0.2)
    proposals = model.rpn(transformed, levels)[0]
    heads = model.roi_heads
    regions = heads.box_head(heads.box_roi_pool(levels, proposals, transformed.image_sizes))
    detectors.standardize(heads.box_predictor.cls_score, [regions])
    heads.box_predictor.cls_score.weight.mul_(1.5)
    detectors.set_deviation(heads.box_predictor.bbox_pred, [regions], 0.5)
    return model


def test_same_boxes(tmp_path: pathlib.Path) -> None:
    images = detectors.photographs(20)
    detectors.assert_same_boxes(CONFIG, made_model(images[::5]), images, tmp_path, first_label=1)


def test_same_loss_and_gradients(tmp_path: pathlib.Path) -> None:
    model = detectors.freeze_norms(made_model(detectors.drawn_images(3, seed=1)))
    for sampler in (model.rpn.fg_bg_sampler, model.roi_heads.fg_bg_sampler):
        sampler.batch_size_per_image = 1000000  # all
    detectors.assert_same_loss(CONFIG, model, tmp_path, first_label=1)
