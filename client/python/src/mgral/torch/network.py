"""RetinaNet on a trunk with a feature pyramid, as a model's description says. Parameters have the
names of the file, which are torchvision's where torchvision has such a part."""

import math
from typing import Any, List, Mapping, Tuple, Union

import torch
from torch import Tensor, nn
from torch.nn import functional

from mgral.torch.trunks import ClassifierTrunk, EfficientNetLite, ResNet, conv


def _conv3x3(inputs: int, outputs: int, separable: bool, bias: bool) -> List[nn.Conv2d]:
    if not separable:
        return [conv(inputs, outputs, 3, 1, bias)]
    return [nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
            nn.Conv2d(inputs, outputs, 1, bias=bias)]


class Pyramid(nn.Module):
    def __init__(self, inputs: List[int], outputs: int, separable: bool, extra: int) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList(
            [nn.Sequential(conv(channels, outputs, 1, 1, True)) for channels in inputs])
        self.layer_blocks = nn.ModuleList(
            [nn.Sequential(*_conv3x3(outputs, outputs, separable, True)) for _ in inputs])
        self.extra_blocks = nn.ModuleDict(
            {f"p{6 + number}": conv(outputs, outputs, 3, 2, True) for number in range(extra)})

    def forward(self, features: List[Tensor]) -> List[Tensor]:
        inner: List[Tensor] = []
        for number, block in enumerate(self.inner_blocks):
            inner.append(block(features[number]))
        for number in range(len(inner) - 2, -1, -1):
            size = [inner[number].shape[2], inner[number].shape[3]]
            inner[number] = inner[number] + functional.interpolate(inner[number + 1], size=size)
        levels: List[Tensor] = []
        for number, block in enumerate(self.layer_blocks):
            levels.append(block(inner[number]))
        for name, block in self.extra_blocks.items():
            below = levels[-1]
            levels.append(block(below if name == "p6" else torch.relu(below)))
        return levels


class Backbone(nn.Module):
    def __init__(self, body: Union[ResNet, EfficientNetLite, ClassifierTrunk],
                 architecture: Mapping[str, Any]) -> None:
        super().__init__()
        self.first = int(architecture["min_level"]) - 2
        # A frozen trunk's features are kept in half precision, and the rest was trained on them; of
        # a trunk whose last stage was trained, those before it.
        self.half = architecture.get("trunk_features") == "float16"
        self.trains_last_stage = bool(architecture.get("trained_last_stage", False))
        self.body = body
        self.fpn = Pyramid(body.channels[self.first:], architecture["pyramid_channels"],
                           architecture["separable"], architecture["max_level"] - 5)

    def forward(self, images: Tensor) -> List[Tensor]:
        features = self.body.early_stages(images)
        if self.trains_last_stage:
            features = self.rounded(features)
            features.append(self.body.last_stage(features[2]))
        else:
            features.append(self.body.last_stage(features[2]))
            features = self.rounded(features)
        return self.fpn(features[self.first:])

    def rounded(self, features: List[Tensor]) -> List[Tensor]:
        if not self.half:
            return features
        return [level.to(torch.float16).to(level.dtype) for level in features]


class HeadBlock(nn.ModuleDict):
    """Convolutions "0", "1", then the norm of one level: each has its own."""

    def forward(self, x: Tensor, norm: str) -> Tensor:
        for name, module in self.items():
            if name == norm or not name.startswith("norm"):
                x = module(x)
        return torch.relu(x)


class Head(nn.Module):
    def __init__(self, architecture: Mapping[str, Any]) -> None:
        super().__init__()
        channels = architecture["pyramid_channels"]
        self.first = int(architecture["min_level"])
        blocks = []
        for _ in range(architecture["head_convs"]):
            block = HeadBlock()
            convs = _conv3x3(channels, channels, architecture["separable"],
                             not architecture["head_norm"])
            for number, one in enumerate(convs):
                block[str(number)] = one
            if architecture["head_norm"]:
                for level in range(self.first, architecture["max_level"] + 1):
                    block[f"norm{level}"] = nn.BatchNorm2d(channels)
            blocks.append(block)
        self.conv = nn.ModuleList(blocks)

    def tower(self, x: Tensor, level: int) -> Tensor:
        norm = "norm" + str(self.first + level)
        for block in self.conv:
            x = block(x, norm)
        return x


def _last(architecture: Mapping[str, Any], outputs: int) -> nn.Conv2d:
    kernel = 1 if architecture["separable"] else 3
    return conv(architecture["pyramid_channels"], outputs, kernel, 1, True)


def _by_anchor(x: Tensor, numbers: int) -> Tensor:
    """[B, anchors * numbers, h, w] -> [B, h * w * anchors, numbers]."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, numbers)


class ClassificationHead(Head):
    def __init__(self, architecture: Mapping[str, Any], anchors: int) -> None:
        super().__init__(architecture)
        self.num_classes = int(architecture["num_classes"])
        self.cls_logits = _last(architecture, anchors * self.num_classes)

    def forward(self, levels: List[Tensor]) -> Tensor:
        outputs: List[Tensor] = []
        for number, level in enumerate(levels):
            outputs.append(_by_anchor(self.cls_logits(self.tower(level, number)), self.num_classes))
        return torch.cat(outputs, 1)


class RegressionHead(Head):
    def __init__(self, architecture: Mapping[str, Any], anchors: int) -> None:
        super().__init__(architecture)
        self.bbox_reg = _last(architecture, anchors * 4)

    def forward(self, levels: List[Tensor]) -> Tensor:
        outputs: List[Tensor] = []
        for number, level in enumerate(levels):
            outputs.append(_by_anchor(self.bbox_reg(self.tower(level, number)), 4))
        return torch.cat(outputs, 1)


class Heads(nn.Module):
    def __init__(self, architecture: Mapping[str, Any], anchors: int) -> None:
        super().__init__()
        self.classification_head = ClassificationHead(architecture, anchors)
        self.regression_head = RegressionHead(architecture, anchors)

    def forward(self, levels: List[Tensor]) -> Tuple[Tensor, Tensor]:
        return self.classification_head(levels), self.regression_head(levels)


class Anchors(nn.Module):
    """Boxes around every position of every level, as torchvision's AnchorGenerator makes them."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        super().__init__()
        self.strides: List[int] = [int(level["stride"]) for level in description["levels"]]
        scales = int(description["scales_per_octave"])
        ratios: List[float] = description["aspect_ratios"]
        self.count = scales * len(ratios)
        base = []
        for level in description["levels"]:
            for ratio in ratios:
                for scale in range(scales):
                    size = math.trunc(level["base_size"] * 2 ** (scale / scales) + 1e-9)
                    half_height = float(round(size * math.sqrt(ratio) / 2))
                    half_width = float(round(size / math.sqrt(ratio) / 2))
                    base.append([-half_width, -half_height, half_width, half_height])
        self.register_buffer("base", torch.tensor(base).view(len(self.strides), self.count, 4),
                             persistent=False)

    def forward(self, height: int, width: int) -> Tensor:
        """[A, 4] for a canvas of that size."""
        boxes: List[Tensor] = []
        for level, stride in enumerate(self.strides):
            rows, columns = (height + stride - 1) // stride, (width + stride - 1) // stride
            y = torch.arange(rows, device=self.base.device, dtype=self.base.dtype) * stride
            x = torch.arange(columns, device=self.base.device, dtype=self.base.dtype) * stride
            y = y.view(-1, 1).expand(rows, columns).reshape(-1)
            x = x.view(1, -1).expand(rows, columns).reshape(-1)
            centers = torch.stack([x, y, x, y], 1).view(-1, 1, 4)
            boxes.append((centers + self.base[level]).reshape(-1, 4))
        return torch.cat(boxes, 0)

    def of_levels(self, height: int, width: int) -> List[int]:
        """How many each level has."""
        return [((height + stride - 1) // stride) * ((width + stride - 1) // stride) * self.count
                for stride in self.strides]


class RetinaNet(nn.Module):
    """The network alone. Its parameters are those of model.safetensors by name."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        """`description`: what model.json says."""
        super().__init__()
        architecture = description["architecture"]
        if architecture["type"] != "retinanet":
            raise ValueError(f"architecture {architecture['type']!r}: only retinanet is known")
        self.anchors = Anchors(description["anchors"])
        self.backbone = Backbone(_trunk(description), architecture)
        self.head = Heads(architecture, self.anchors.count)
        self.max_log_size = float(description["boxes"]["max_log_size"])

    def forward(self, images: Tensor) -> Tuple[Tensor, Tensor]:
        """Float [B, 3, H, W], as Detector.prepare makes them, H and W multiples of 32 -> logits
        [B, A, C] and boxes [B, A, 4] as (x_min, y_min, x_max, y_max) in their pixels, A: all
        anchors, finest level first."""
        logits, deltas = self.head(self.backbone(images))
        anchors = self.anchors(images.shape[2], images.shape[3])
        size = anchors[:, 2:] - anchors[:, :2]
        center = anchors[:, :2] + size / 2 + deltas[:, :, :2] * size
        half = torch.exp(deltas[:, :, 2:].clamp(max=self.max_log_size)) * size / 2
        return logits, torch.cat([center - half, center + half], 2)


def _trunk(description: Mapping[str, Any]) -> Union[ResNet, EfficientNetLite, ClassifierTrunk]:
    architecture = description["architecture"]
    if architecture["trunk"] == "resnet":
        return ResNet(architecture["depth"], architecture["width"],
                      architecture.get("norm_epsilon", 1e-5))
    if architecture["trunk"] == "efficientnet_lite0":
        mean, std = (torch.tensor(description["input"][name]).view(3, 1, 1)
                     for name in ("mean", "std"))
        return EfficientNetLite(mean, std, architecture["trunk_mean"], architecture["trunk_std"])
    return ClassifierTrunk(architecture["trunk"])
