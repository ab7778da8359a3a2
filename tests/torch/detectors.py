"""Detectors of torchvision with made-up weights that find something, and comparisons with ours."""

from __future__ import annotations

import math
import os
import pathlib
from typing import Dict, List

import drivers
import safetensors.torch
import torch
from torch import nn
from torchvision import ops

SIZES = [(480, 640), (640, 480), (333, 500), (800, 800), (97, 900), (1200, 500), (61, 64), (720, 1280), (426, 640),
         (500, 375)]
LAST = ("cls_logits", "bbox_reg", "bbox_pred", "cls_score")


def drawn_images(count: int, seed: int) -> List[torch.Tensor]:
    """uint8 [3, H, W] of many shapes: rectangles on smooth noise."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator)

    images = []
    for i in range(count):
        height, width = SIZES[i % len(SIZES)]
        image = nn.functional.interpolate(uniform(1, 3, 9, 9), (height, width), mode="bicubic")[0] * 200
        for _ in range(12):
            y, x = int(uniform(1) * height), int(uniform(1) * width)
            h, w = int(uniform(1) * height / 3) + 4, int(uniform(1) * width / 3) + 4
            image[:, y:y + h, x:x + w] = uniform(3, 1, 1) * 255
        images.append((image + uniform(3, height, width) * 25).clamp(0, 255).to(torch.uint8))
    return images


def photographs(count: int) -> List[torch.Tensor]:
    """Of the folder MGRAL_PHOTOGRAPHS, or drawn ones where it isn't set."""
    folder = os.environ.get("MGRAL_PHOTOGRAPHS")
    if not folder:
        return drawn_images(count, seed=5)
    from torchvision.io import ImageReadMode, read_image  # pylint: disable=import-outside-toplevel
    paths = sorted(path for path in pathlib.Path(folder).iterdir() if path.suffix in (".jpg", ".png"))
    assert len(paths) >= count, f"{folder} has {len(paths)} photographs, not {count}"
    return [read_image(str(path), ImageReadMode.RGB).contiguous() for path in paths[:count]]


def set_statistics(model: nn.Module, images: List[torch.Tensor]) -> None:
    """Batch norms' of some images, so that random weights keep activations in range."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the plain mean
        norm.train()
    with torch.no_grad():
        for image in images:
            model([image / 255])
    model.eval()


def standardize(layer: nn.Module, inputs: List[torch.Tensor]) -> torch.Tensor:
    """Rescales a layer so that each of its outputs has mean 0 and deviation 1 over the inputs; all outputs, sorted."""
    with torch.no_grad():
        layer.bias.zero_()

        def outputs() -> torch.Tensor:
            return torch.cat([layer(x).movedim(1, -1).flatten(0, -2) for x in inputs])

        deviation = outputs().std(0)
        layer.weight.div_(deviation.view(-1, *[1] * (layer.weight.dim() - 1)))
        layer.bias.sub_(outputs().mean(0))
        return outputs().flatten().sort().values


def spread(layer: nn.Module, inputs: List[torch.Tensor], share: float, score: float) -> None:
    """Rescales `layer`, whose outputs are logits: that share of them is above the score, the highest is 3 above."""
    with torch.no_grad():
        logits = standardize(layer, inputs)
        least = logits[int(len(logits) * (1 - share))]
        scale = 3 / (logits[-1] - least)
        layer.weight.mul_(scale)
        layer.bias.mul_(scale).add_(math.log(score / (1 - score)) - least * scale)


def set_deviation(layer: nn.Module, inputs: List[torch.Tensor], deviation: float) -> None:
    """Rescales `layer` so that its outputs have it."""
    with torch.no_grad():
        standardize(layer, inputs)
        layer.weight.mul_(deviation)
        layer.bias.mul_(deviation)


@torch.no_grad()
def calibrate_retinanet(model: nn.Module, images: List[torch.Tensor], share: float = 1e-4) -> nn.Module:
    """Random weights become those of a RetinaNet that finds something in most of the images."""
    set_statistics(model.eval(), images)
    features = [level for image in images
                for level in model.backbone(model.transform([image / 255])[0].tensors).values()]
    head = model.head.classification_head
    spread(head.cls_logits, [head.conv(level) for level in features], share=share, score=0.0505)
    head = model.head.regression_head
    set_deviation(head.bbox_reg, [head.conv(level) for level in features], 0.3)
    return model


@torch.no_grad()
def calibrate_faster_rcnn(model: nn.Module, images: List[torch.Tensor]) -> nn.Module:
    """Likewise."""
    set_statistics(model.eval(), images)
    transformed = model.transform([images[0] / 255])[0]
    levels = model.backbone(transformed.tensors)
    hidden = [model.rpn.head.conv(level) for level in levels.values()]
    standardize(model.rpn.head.cls_logits, hidden)
    set_deviation(model.rpn.head.bbox_pred, hidden, 0.2)
    proposals = model.rpn(transformed, levels)[0]
    heads = model.roi_heads
    regions = heads.box_head(heads.box_roi_pool(levels, proposals, transformed.image_sizes))
    standardize(heads.box_predictor.cls_score, [regions])
    heads.box_predictor.cls_score.weight.mul_(1.5)
    set_deviation(heads.box_predictor.bbox_pred, [regions], 0.5)
    return model


@torch.no_grad()
def calibrate_ssd(model: nn.Module, images: List[torch.Tensor]) -> nn.Module:
    """Likewise."""
    for layer in model.eval().backbone.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    levels = list(model.backbone(model.transform([image / 255 for image in images])[0].tensors).values())
    for i, level in enumerate(levels):
        standardize(model.head.classification_head.module_list[i], [level])
        set_deviation(model.head.regression_head.module_list[i], [level], 1)
    return model


def ours(what: str, config: str, state: Dict[str, torch.Tensor], tensors: Dict[str, torch.Tensor],
         folder: pathlib.Path) -> Dict[str, torch.Tensor]:
    """What network_driver makes of the tensors with these weights."""
    torch.save(state, folder / "state.pth")
    safetensors.torch.save_file(tensors, folder / "input.safetensors")
    drivers.run("network_driver", what, config, folder / "state.pth", folder / "input.safetensors",
                folder / "output.safetensors")
    return safetensors.torch.load_file(folder / "output.safetensors")


def assert_same_boxes(config: str, model: nn.Module, images: List[torch.Tensor], folder: pathlib.Path,
                      first_label: int = 0) -> None:
    """torchvision's and our detections of each image, order apart: the same labels, scores, and places. Those whose
    score is so near to the lowest that rounding decides about them may be missing."""
    found = ours("predict", config, model.state_dict(),
                 {f"image.{i:02}": image for i, image in enumerate(images)}, folder)
    picking = getattr(model, "roi_heads", model)
    furthest, scores_off, boxes, empty = 0.0, 0.0, 0, 0
    for i, image in enumerate(images):
        with torch.no_grad():
            theirs = model([image / 255])[0]
        full = len(theirs["scores"]) == picking.detections_per_img
        lowest = theirs["scores"].min().item() if full else picking.score_thresh
        kept = ((theirs["boxes"][:, 2:] - theirs["boxes"][:, :2]) > 0).all(1)  # we drop what has no area
        theirs = {name: value[kept] for name, value in theirs.items()}
        labels, scores = found[f"labels.{i:02}"] + first_label, found[f"scores.{i:02}"]
        distance = torch.cdist(theirs["boxes"], found[f"boxes.{i:02}"], p=float("inf"))
        distance += (theirs["labels"][:, None] != labels) * 1e6
        off = (theirs["scores"][:, None] - scores).abs()
        distance += (off > 5e-3) * 1e6
        theirs_sure, ours_sure = theirs["scores"] > lowest + 1e-3, scores > lowest + 1e-3
        empty += not theirs_sure.any()
        for sure, apart in ((theirs_sure, distance), (ours_sure, distance.T)):
            if not sure.any():
                continue
            assert apart.shape[1] > 0, i
            nearest, match = apart[sure].min(1)
            assert len(match.unique()) == len(match), i
            furthest = max(furthest, nearest.max().item())
        if theirs_sure.any():
            scores_off = max(scores_off, off[theirs_sure, distance[theirs_sure].argmin(1)].max().item())
        boxes += int(theirs_sure.sum())
    print(f"{boxes} boxes on {len(images)} images, none on {empty}: at most {furthest:.2g} pixels and {scores_off:.2g} "
          "of score apart")
    assert empty <= len(images) / 4
    assert furthest < 0.2


def freeze_norms(model: nn.Module, epsilon: float = 1e-5) -> nn.Module:
    """The same weights in the norms that torchvision's pretrained detectors have."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                norm = ops.FrozenBatchNorm2d(child.num_features, epsilon)
                norm.load_state_dict(child.state_dict(), strict=False)
                setattr(module, name, norm)
    return model


def assert_same_loss(config: str, model: nn.Module, folder: pathlib.Path, first_label: int = 0) -> None:
    """The sum of torchvision's losses of an image to 1e-4 of it, and its gradients: to 5e-3 of their norm in the last
    layers, to 0.1 before them, for on the way back through random weights rounding grows. No box overlaps two anchors
    equally: torchvision's SSD takes the first of them, we take both."""
    image = drawn_images(1, seed=8)[0]
    boxes = torch.tensor([[31.0, 40.5, 203.0, 171.0], [300.0, 200.0, 420.0, 300.0], [502.0, 33.0, 540.0, 70.0]])
    labels = torch.tensor([2, 0, 1])
    found = ours("loss", config, model.state_dict(), {"image.0": image, "boxes.0": boxes, "labels.0": labels}, folder)
    model.double().train()
    losses = model([image.double() / 255], [{"boxes": boxes.double(), "labels": labels + first_label}])
    loss = sum(losses.values())
    loss.backward()
    print({name: value.item() for name, value in losses.items()}, found["loss"].item())
    assert abs(found["loss"].item() - loss.item()) < 1e-4 * loss.item()
    furthest, compared = 0.0, 0
    for name, parameter in model.named_parameters():
        if parameter.grad is None or f"grad.{name}" not in found:
            continue
        difference = (found[f"grad.{name}"].double() - parameter.grad).norm() / parameter.grad.norm().clamp_min(1e-9)
        furthest, compared = max(furthest, difference.item()), compared + 1
        assert difference < (5e-3 if name.split(".")[-2] in LAST or "module_list" in name else 0.1), name
    print(f"{compared} gradients: at most {furthest:.2g} apart")
    assert compared > 20
