"""torchvision's own detectors, as a model's description says: of pools whose profile is one of them."""

import functools
from typing import Any, Dict, Iterable, List, Mapping, Optional

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import detection
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock, LastLevelMaxPool, LastLevelP6P7

from mgral.torch.detector import in_image, predict_boxes
from mgral.torch.images import ImageLike, reduce_image
from mgral.torch.trunks import classifier_layers
from mgral.values import Box


class TorchvisionDetector(nn.Module):
    """As Detector, but `network` is torchvision's RetinaNet, FasterRCNN or SSD. Its labels count
    background where torchvision's do; those of this module do not."""

    __jit_unused_properties__ = ["min_score"]

    def __init__(self, description: Mapping[str, Any]) -> None:
        """Of random weights. `description`: what model.json says."""
        super().__init__()
        self.classes: List[str] = list(description["classes"])
        self.first_label = 0 if description["architecture"]["type"] == "retinanet" else 1
        self.network = _network(description)
        self.longest_side = int(description["input"]["longest_side"])
        self.eval()

    @property
    def min_score(self) -> float:
        """Boxes with a lower score are left out; may be changed."""
        return float(getattr(self.network, "roi_heads", self.network).score_thresh)

    @min_score.setter
    def min_score(self, score: float) -> None:
        getattr(self.network, "roi_heads", self.network).score_thresh = score

    def forward(self, images: List[Tensor]) -> List[Dict[str, Tensor]]:
        """As Detector.forward. One at a time: torchvision would bring those of a batch to one
        canvas, and what is found in an image would depend on the others."""
        results: List[Dict[str, Tensor]] = []
        for image in images:
            reduced = reduce_image(image, self.longest_side)
            pixels = reduced.to(torch.float32) / 255
            if torch.jit.is_scripting():
                _, found = self.network([pixels])
            else:
                found = self.network([pixels])
            one = found[0]
            one["labels"] = one["labels"] - self.first_label
            scale = (image.shape[2] / reduced.shape[2], image.shape[1] / reduced.shape[1])
            results.append(in_image(one, image, scale))
        return results

    def predict(self, images: Iterable[ImageLike]) -> List[List[Box]]:
        """As Detector.predict."""
        return predict_boxes(self, images, self.classes, self.longest_side)


def _network(description: Mapping[str, Any]) -> nn.Module:
    architecture, after = description["architecture"], description["postprocessing"]
    kind, classes = architecture["type"], int(architecture["num_classes"])
    size = {"min_size": int(description["input"]["size"]),
            "max_size": int(description["input"]["longest_side"])}
    picking = {"score_thresh": float(after["min_score"]), "nms_thresh": float(after["nms_iou"]),
               "detections_per_img": int(after["max_detections"])}
    candidates = int(after["candidates_per_level"])
    if kind == "ssd300":
        return detection.ssd300_vgg16(weights=None, weights_backbone=None, num_classes=classes + 1,
                                      topk_candidates=candidates, **picking)
    if kind == "faster_rcnn":
        _expect(description, 2, 8.0, 1)
        second = {f"box_{name}": value for name, value in picking.items()}
        return detection.FasterRCNN(_backbone(architecture, LastLevelMaxPool()), classes + 1,
                                    **size, **second)
    if kind == "retinanet":
        _expect(description, 3, 4.0, 3)
        channels = int(architecture["pyramid_channels"])
        return detection.RetinaNet(_backbone(architecture, LastLevelP6P7(channels, channels)),
                                   classes, topk_candidates=candidates, **size, **picking)
    raise ValueError(f"architecture {kind!r}: retinanet, faster_rcnn and ssd300 are known")


def _expect(description: Mapping[str, Any], first_level: int, strides: float, scales: int) -> None:
    """torchvision's anchors and heads."""
    architecture, anchors = description["architecture"], description["anchors"]
    wanted = [{"level": level, "stride": 2 ** level, "base_size": strides * 2 ** level}
              for level in range(first_level, first_level + 5)]
    same = (anchors["levels"] == wanted and anchors["scales_per_octave"] == scales
            and anchors["aspect_ratios"] == [0.5, 1, 2])
    if not same or architecture["separable"] or architecture["head_norm"]:
        raise ValueError(f"{architecture['type']} with other anchors or heads than torchvision's")
    if architecture["type"] == "retinanet" and architecture["head_convs"] != 4:
        raise ValueError("head_convs is not torchvision's 4")


def _backbone(architecture: Mapping[str, Any], extra: Optional[ExtraFPNBlock]) -> BackboneWithFPN:
    trunk, first = architecture["trunk"], int(architecture["min_level"]) - 2
    if trunk == "resnet":
        if architecture["width"] != 1 or architecture["depth"] not in (18, 34, 50, 101):
            raise ValueError(f"a ResNet of depth {architecture['depth']}, width {architecture['width']}")
        norm = functools.partial(nn.BatchNorm2d, eps=architecture.get("norm_epsilon", 1e-5))
        body = getattr(torchvision.models, f"resnet{architecture['depth']}")(norm_layer=norm)
        names = ["layer1", "layer2", "layer3", "layer4"]
        channels = [64, 128, 256, 512]
        if architecture["depth"] >= 50:
            channels = [4 * one for one in channels]
    else:
        body, ends, channels = classifier_layers(trunk)
        names = [str(end) for end in ends]
    layers = {name: str(level) for level, name in enumerate(names[first:])}
    return BackboneWithFPN(body, layers, channels[first:], int(architecture["pyramid_channels"]), extra)
