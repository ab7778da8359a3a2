"""Weights of torchvision's detectors, taken in by the server: its Predict finds torchvision's boxes, and so does what it
exports again."""

from __future__ import annotations

import pathlib
from typing import Callable, Dict, List, Tuple

import detectors
import pytest
import torch
from found import Found, boxes_of, check_same, pixels_of
from PIL import Image
from torch import nn
from torchvision.models import detection, mobilenet_v3_large, vgg16
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

import mgral
import mgral.torch

CLASSES = ["disc", "square", "cross"]
SIZE = {"min_size": 320, "max_size": 533}
ALIKE = 1e-3  # random weights magnify rounding


def retinanet(images: List[torch.Tensor]) -> nn.Module:
    """As torchvision has its weights of COCO: norms that never moved, without anything added to the variance."""
    model = detection.retinanet_resnet50_fpn(weights=None, weights_backbone=None, num_classes=3, **SIZE)
    return detectors.freeze_norms(detectors.calibrate_retinanet(model, images, share=5e-4), 0.0)


def on_mobilenet(images: List[torch.Tensor]) -> nn.Module:
    body = BackboneWithFPN(mobilenet_v3_large().features, {"6": "0", "12": "1", "16": "2"}, [40, 112, 960], 256,
                           LastLevelP6P7(256, 256))
    return detectors.calibrate_retinanet(detection.RetinaNet(body, 3, **SIZE), images, share=5e-4)


def on_vgg(images: List[torch.Tensor]) -> nn.Module:
    body = BackboneWithFPN(vgg16().features, {"22": "0", "29": "1", "30": "2"}, [512, 512, 512], 256,
                           LastLevelP6P7(256, 256))
    return detectors.calibrate_retinanet(detection.RetinaNet(body, 3, **SIZE), images, share=5e-4)


def faster_rcnn(images: List[torch.Tensor]) -> nn.Module:
    model = detection.fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=4, **SIZE)
    return detectors.freeze_norms(detectors.calibrate_faster_rcnn(model, images), 0.0)


def ssd300(images: List[torch.Tensor]) -> nn.Module:
    model = detection.ssd300_vgg16(weights=None, weights_backbone=None, num_classes=4)
    return detectors.calibrate_ssd(model, images)


# The profile of the pool, its trunk and input size, and what its weights come from.
MODELS: Dict[str, Tuple[str, str, int, Callable[[List[torch.Tensor]], nn.Module]]] = {
    "retinanet": ("full", "", 320, retinanet), "mobilenet": ("full", "mobilenet_v3_large", 320, on_mobilenet),
    "vgg": ("full", "vgg16", 320, on_vgg), "faster-rcnn": ("faster-rcnn", "", 320, faster_rcnn),
    "ssd": ("ssd300", "", 0, ssd300), "mobilenet-in-small": ("small", "mobilenet_v3_large", 320, on_mobilenet)}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> List[pathlib.Path]:
    """Of sizes that no reader reduces."""
    folder, paths = tmp_path_factory.mktemp("images"), []
    for number, pixels in enumerate(detectors.drawn_images(6, seed=4)):
        image = Image.fromarray(pixels.permute(1, 2, 0).numpy())
        image.thumbnail((300, 300))
        paths.append(folder / f"{number}.png")
        image.save(paths[-1])
    return paths


class Imported:
    def __init__(self, client: mgral.Client, name: str, images: List[pathlib.Path], folder: pathlib.Path) -> None:
        profile, trunk, size, make = MODELS[name]
        torch.manual_seed(1)
        self.name = name
        self.model = make([pixels_of(path) for path in images[:3]]).eval()
        torch.save(self.model.state_dict(), folder / "weights.pth")
        pool = client.create_pool(name, classes=CLASSES, profile=profile, trunk=trunk, input_size=size)
        imported = client.import_weights(name, folder / "weights.pth")
        assert imported.file_classes == 3 and not imported.left and not imported.unused
        sent = [mgral.NewImage(path.name, data=path.read_bytes()) for path in images]
        self.predicted: List[Found] = [list(one.boxes) for one in pool.predict(sent)]
        assert sum(map(len, self.predicted)) > 2 * len(images)
        client.export_model(name, folder / "exported")
        self.detector = mgral.torch.load(folder / "exported")


@pytest.fixture(scope="module", params=list(MODELS))
def imported(request: pytest.FixtureRequest, client: mgral.Client, images: List[pathlib.Path],
             tmp_path_factory: pytest.TempPathFactory) -> Imported:
    return Imported(client, request.param, images, tmp_path_factory.mktemp(request.param))


def test_the_server_finds_what_torchvision_finds(imported: Imported, images: List[pathlib.Path]) -> None:
    if imported.name == "mobilenet-in-small":
        pytest.skip("images are brought to another size there")
    first = 0 if isinstance(imported.model, detection.RetinaNet) else 1
    for path, found in zip(images, imported.predicted):
        with torch.no_grad():
            theirs = imported.model([pixels_of(path) / 255])[0]
        theirs["labels"] -= first
        check_same(path, [box for box in boxes_of(theirs, CLASSES) if box.width > 0 and box.height > 0], found,
                   ALIKE)


def test_the_export_finds_what_the_server_finds(imported: Imported, images: List[pathlib.Path]) -> None:
    for path, expected, found in zip(images, imported.predicted, imported.detector.predict(images)):
        check_same(path, expected, found, ALIKE)


def test_torchscript_finds_what_the_export_finds(imported: Imported, images: List[pathlib.Path],
                                                 tmp_path: pathlib.Path) -> None:
    torch.jit.script(imported.detector).save(str(tmp_path / "detector.pt"))
    scripted = torch.jit.load(str(tmp_path / "detector.pt"))
    for path, expected in zip(images, imported.predicted):
        if torchscript_resizes_alike(path):
            with torch.inference_mode():
                output = scripted([pixels_of(path)])[0]
            check_same(path, expected, boxes_of(output, imported.detector.classes), ALIKE)


def torchscript_resizes_alike(path: pathlib.Path) -> bool:
    """torchvision computes sizes in single precision in TorchScript, in double precision elsewhere."""
    with Image.open(path) as image:
        sides = image.size
    scale = min(SIZE["min_size"] / min(sides), SIZE["max_size"] / max(sides))
    single = min(float(SIZE["min_size"]) / torch.tensor(float(min(sides))),
                 float(SIZE["max_size"]) / torch.tensor(float(max(sides)))).item()
    return all(int(side * scale) == int(side * single) for side in sides)


def test_no_other_way_to_onnx_than_torchvisions(imported: Imported, tmp_path: pathlib.Path) -> None:
    if imported.name == "mobilenet-in-small":
        mgral.torch.export_onnx(imported.detector, tmp_path / "detector.onnx")
        return
    with pytest.raises(TypeError, match="torchvision's"):
        mgral.torch.export_onnx(imported.detector, tmp_path / "detector.onnx")
