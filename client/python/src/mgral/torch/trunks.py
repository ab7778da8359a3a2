"""What turns images into features: networks made for classification, without their classifiers."""

import math
from typing import Iterable, List, Optional, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional


def conv(inputs: int, outputs: int, kernel: int, stride: int, bias: bool) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=bias)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, as in ResNet-18 and 34."""

    def __init__(self, inputs: int, planes: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv(inputs, planes, 3, stride, False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv(planes, outputs, 3, 1, False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = downsample(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.downsample is not None:
            x = self.downsample(x)
        return torch.relu(y + x)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 with four times the channels, as in ResNet-50 and 101."""

    def __init__(self, inputs: int, planes: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv(inputs, planes, 1, 1, False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv(planes, planes, 3, stride, False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = conv(planes, outputs, 1, 1, False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = downsample(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        if self.downsample is not None:
            x = self.downsample(x)
        return torch.relu(y + x)


def downsample(inputs: int, outputs: int, stride: int) -> Optional[nn.Sequential]:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(conv(inputs, outputs, 1, stride, False), nn.BatchNorm2d(outputs))


class ResNet(nn.Module):
    """With torchvision's names; `width` multiplies every number of channels."""

    BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}

    def __init__(self, depth: int, width: float, norm_epsilon: float) -> None:
        super().__init__()
        if depth not in self.BLOCKS:
            raise ValueError(f"depth {depth}: there is ResNet-18, 34, 50 and 101")
        self.channels: List[int] = []  # of C2 .. C5
        channels = _scaled(64, width)
        self.conv1 = conv(3, channels, 7, 2, False)
        self.bn1 = nn.BatchNorm2d(channels)
        layers = []
        for number, count in enumerate(self.BLOCKS[depth]):
            planes = 64 * 2 ** number
            outputs = _scaled(planes * 4 if depth >= 50 else planes, width)
            kind = Bottleneck if depth >= 50 else ResidualBlock
            blocks = []
            for block in range(count):
                stride = 2 if block == 0 and number > 0 else 1
                blocks.append(kind(channels, _scaled(planes, width), outputs, stride))
                channels = outputs
            layers.append(nn.Sequential(*blocks))
            self.channels.append(channels)
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = norm_epsilon

    def early_stages(self, images: Tensor) -> List[Tensor]:
        """[B, 3, H, W] normalized -> C2, C3, C4, of strides 4, 8, 16."""
        x = torch.relu(self.bn1(self.conv1(images)))
        x = functional.max_pool2d(x, 3, 2, 1)
        c2 = self.layer1(x)
        c3 = self.layer2(c2)
        return [c2, c3, self.layer3(c3)]

    def last_stage(self, c4: Tensor) -> Tensor:
        """C4 -> C5, of stride 32."""
        return self.layer4(c4)

    def forward(self, images: Tensor) -> List[Tensor]:
        """C2 .. C5."""
        features = self.early_stages(images)
        return features + [self.last_stage(features[2])]


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, widen: int) -> None:
        super().__init__()
        wide = inputs * widen
        self.expand = nn.Conv2d(inputs, wide, 1) if widen != 1 else None
        # With stride 2 it is padded as TensorFlow does: the weights are from there.
        before = (kernel - 2) // 2 if stride == 2 else kernel // 2
        after = kernel - 2 - before if stride == 2 else kernel // 2
        self.padding = [before, after, before, after]
        self.depthwise = nn.Conv2d(wide, wide, kernel, stride, groups=wide)
        self.project = nn.Conv2d(wide, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if self.expand is not None:
            y = functional.relu6(self.expand(y))
        y = functional.relu6(self.depthwise(functional.pad(y, self.padding)))
        y = self.project(y)
        return x + y if self.residual else y


class Stages(nn.Sequential):
    """Layers in a row; those numbered `ends` give C2 .. C5."""

    def __init__(self, layers: Iterable[nn.Module], ends: List[int]) -> None:
        super().__init__(*layers)
        self.ends = ends

    def early_stages(self, x: Tensor) -> List[Tensor]:
        """-> C2, C3, C4, of strides 4, 8, 16."""
        features: List[Tensor] = []
        for number, layer in enumerate(self):
            if number <= self.ends[2]:
                x = layer(x)
                if number in self.ends:
                    features.append(x)
        return features

    def last_stage(self, c4: Tensor) -> Tensor:
        """C4 -> C5, of stride 32."""
        x = c4
        for number, layer in enumerate(self):
            if number > self.ends[2]:
                x = layer(x)
        return x


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite0, its batch norms folded into the convolutions."""

    # Repeats, kernel, stride, widening, channels; whether the last output is one of C2 .. C5.
    STAGES = ((1, 3, 1, 1, 16, False), (2, 3, 2, 6, 24, True), (2, 5, 2, 6, 40, True),
              (3, 3, 2, 6, 80, False), (3, 5, 1, 6, 112, True), (4, 5, 2, 6, 192, False),
              (1, 3, 1, 6, 320, True))

    def __init__(self, mean: Tensor, std: Tensor, own_mean: float, own_std: float) -> None:
        """Images are normalized with `mean` and `std`, [3, 1, 1]; it expects its own."""
        super().__init__()
        self.own_mean, self.own_std = own_mean, own_std
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)
        self.channels: List[int] = []
        ends: List[int] = []
        channels = 32
        self.stem = nn.Conv2d(3, channels, 3, 2)
        blocks: List[nn.Module] = []
        for repeats, kernel, stride, widen, outputs, is_level in self.STAGES:
            for repeat in range(repeats):
                blocks.append(InvertedResidual(channels, outputs, kernel,
                                               stride if repeat == 0 else 1, widen))
                channels = outputs
            if is_level:
                ends.append(len(blocks) - 1)
                self.channels.append(channels)
        self.blocks = Stages(blocks, ends)

    def early_stages(self, images: Tensor) -> List[Tensor]:
        """[B, 3, H, W] normalized -> C2, C3, C4, of strides 4, 8, 16."""
        x = (images * self.std + self.mean - self.own_mean) / self.own_std
        return self.blocks.early_stages(functional.relu6(self.stem(functional.pad(x, [0, 1, 0, 1]))))

    def last_stage(self, c4: Tensor) -> Tensor:
        """C4 -> C5, of stride 32."""
        return self.blocks.last_stage(c4)

    def forward(self, images: Tensor) -> List[Tensor]:
        """C2 .. C5."""
        features = self.early_stages(images)
        return features + [self.last_stage(features[2])]


def classifier_layers(name: str) -> Tuple[nn.Sequential, List[int], List[int]]:
    """The layers of torchvision's classifier before its head; those that give C2 .. C5, and their
    channels."""
    import torchvision

    if name == "mobilenet_v3_large":
        return torchvision.models.mobilenet_v3_large().features, [3, 6, 12, 16], [24, 40, 112, 960]
    if name == "vgg16":
        return torchvision.models.vgg16().features, [15, 22, 29, 30], [256, 512, 512, 512]
    raise ValueError(f"trunk {name!r}: resnet, efficientnet_lite0, mobilenet_v3_large and vgg16 are "
                     "known")


class ClassifierTrunk(Stages):
    """MobileNetV3-Large or VGG-16."""

    def __init__(self, name: str) -> None:
        layers, ends, channels = classifier_layers(name)
        super().__init__(layers, ends)
        self.channels = channels


def _scaled(channels: int, width: float) -> int:
    return max(8, math.floor(channels * width / 8 + 0.5) * 8)
