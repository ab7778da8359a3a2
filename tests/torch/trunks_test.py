"""Our trunks beside torchvision's, with the same random weights: features equal to 1e-4 of their norm, or closer to
those in double precision than twice torchvision's own, for 101 random layers magnify rounding."""

from __future__ import annotations

import pathlib
from typing import Callable, Dict, List

import detectors
import pytest
import torch
import torchvision
from torch import nn
from torchvision.models import feature_extraction

RESNET = {f"layer{i}": f"c{i + 1}" for i in (1, 2, 3, 4)}
MOBILENET = {"features.3": "c2", "features.6": "c3", "features.12": "c4", "features.16": "c5"}
VGG = {"features.15": "c2", "features.22": "c3", "features.29": "c4", "features.30": "c5"}


@pytest.mark.parametrize("name, config, nodes", [
    ("resnet18", "depth=18", RESNET), ("resnet34", "depth=34", RESNET), ("resnet50", "depth=50", RESNET),
    ("resnet101", "depth=101", RESNET), ("mobilenet_v3_large", "trunk=mobilenet_v3_large", MOBILENET),
    ("vgg16", "trunk=vgg16", VGG)])
def test_features_are_equal(name: str, config: str, nodes: Dict[str, str], tmp_path: pathlib.Path) -> None:
    torch.manual_seed(2)
    make: Callable[..., nn.Module] = getattr(torchvision.models, name)
    model = make(weights=None).eval()
    images = torch.randn(2, 3, 96, 128)
    norms: List[nn.BatchNorm2d] = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.train().momentum = None
            norm.weight.uniform_(0.1, 0.3)
            norm.bias.uniform_(-0.2, 0.2)
        model(images)
        model.eval()
    trunk = {key.replace("features.", "", 1): value for key, value in model.state_dict().items()
             if not key.startswith(("fc.", "classifier."))}
    found = detectors.ours("trunk", f"{config} min_level=2", trunk, {"images": images}, tmp_path)
    with torch.no_grad():
        single = feature_extraction.create_feature_extractor(model, nodes)(images)
        double = feature_extraction.create_feature_extractor(model.double(), nodes)(images.double())
    for level, expected in double.items():
        difference, own = ((x - expected).norm() / expected.norm() for x in (found[level], single[level]))
        print(f"{name} {level}: {difference:.1g}, torchvision's own {own:.1g}")
        assert difference < max(1e-4, 2 * own), level
