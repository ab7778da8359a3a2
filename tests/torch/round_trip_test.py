"""What a server trained, exported and loaded into PyTorch, TorchScript and ONNX Runtime finds what
the server's Predict finds."""

from __future__ import annotations

import pathlib
from typing import Callable, Dict, List, Sequence

import drawn
import onnxruntime
import pytest
import torch
from found import Found, boxes_of, check_same, draw, pixels_of

import mgral
import mgral.torch

MIN_SCORE = 0.02
# Profile, input size, training steps: on a frozen trunk, all of it or all but its last stage; from scratch; as
# torchvision's is, which one step does not teach anything.
MODELS = {"frozen": (160, 60), "last-stage": (160, 60), "micro": (128, 60), "large": (64, 1)}

@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> List[pathlib.Path]:
    return draw(tmp_path_factory.mktemp("images"))


class Trained:
    """A model of the server's: its predictions, and its export."""

    def __init__(self, client: mgral.Client, profile: str, images: Sequence[pathlib.Path],
                 folder: pathlib.Path) -> None:
        input_size, steps = MODELS[profile]
        labels = drawn.coco(folder / "data", 30, 6)
        pool = client.create_pool(profile, classes=["disc", "square"], profile=profile,
                                  training_steps=steps, input_size=input_size, seed=3)
        pool.register_coco(labels, splits=True)
        pool.ingest_coco(labels, registered_for="validation")
        pool.query_batch(24, strategy="random").ingest_coco(labels)
        pool.start_cycle(without_table=True).wait()
        sent = [mgral.NewImage(path.name, data=path.read_bytes()) for path in images]
        self.predicted: List[Found] = []
        for one in pool.predict(sent, min_score=MIN_SCORE):
            assert not one.error
            self.predicted.append(list(one.boxes))
        assert sum(map(len, self.predicted)) > 2 * len(images)
        client.export_model(profile, folder / "exported")
        self.detector = mgral.torch.load(folder / "exported")
        assert self.detector.min_score == 0.05
        self.detector.min_score = MIN_SCORE


@pytest.fixture(scope="module", params=sorted(MODELS))
def trained(request: pytest.FixtureRequest, client: mgral.Client, images: List[pathlib.Path],
            tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(client, request.param, images, tmp_path_factory.mktemp(request.param))


def test_the_module_finds_what_the_server_finds(trained: Trained, images: List[pathlib.Path]) -> None:
    together = trained.detector.predict(images)
    for path, expected, found in zip(images, trained.predicted, together):
        check_same(path, expected, found)
        check_same(path, expected, trained.detector.predict([path])[0])


def test_torchscript_finds_what_the_server_finds(trained: Trained, images: List[pathlib.Path],
                                                 tmp_path: pathlib.Path) -> None:
    torch.jit.script(trained.detector).save(str(tmp_path / "detector.pt"))
    scripted = torch.jit.load(str(tmp_path / "detector.pt"))
    for path, expected in zip(images, trained.predicted):
        if path.suffix == ".png":
            with torch.inference_mode():
                output = scripted([pixels_of(path)])[0]
            check_same(path, expected, boxes_of(output, trained.detector.classes))


Run = Callable[[torch.Tensor], Dict[str, torch.Tensor]]


def with_suppression(trained: Trained, file: pathlib.Path) -> Run:
    mgral.torch.export_onnx(trained.detector, file)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def run(canvas: torch.Tensor) -> Dict[str, torch.Tensor]:
        outputs = session.run(["boxes", "scores", "labels"], {"images": canvas.numpy()})
        return dict(zip(("boxes", "scores", "labels"), map(torch.from_numpy, outputs)))
    return run


def without_suppression(trained: Trained, file: pathlib.Path) -> Run:
    mgral.torch.export_onnx(trained.detector, file, suppression=False)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def run(canvas: torch.Tensor) -> Dict[str, torch.Tensor]:
        pair = torch.cat([canvas, canvas.flip(3)])  # a batch
        logits, boxes = map(torch.from_numpy, session.run(["logits", "boxes"], {"images": pair.numpy()}))
        counts = trained.detector.network.anchors.of_levels(canvas.shape[2], canvas.shape[3])
        return trained.detector.select(logits[0], boxes[0], counts)
    return run


@pytest.mark.parametrize("export", [with_suppression, without_suppression])
def test_onnx_finds_what_the_server_finds(trained: Trained, images: List[pathlib.Path],
                                          tmp_path: pathlib.Path,
                                          export: Callable[[Trained, pathlib.Path], Run]) -> None:
    run = export(trained, tmp_path / "detector.onnx")
    for path, expected in zip(images, trained.predicted):
        if path.suffix == ".png":
            pixels = pixels_of(path)
            canvas, (across, down) = trained.detector.prepare(pixels)
            output = run(canvas.unsqueeze(0))
            limits = torch.tensor([pixels.shape[2], pixels.shape[1]] * 2)
            boxes = output["boxes"] * torch.tensor([across, down] * 2)
            output["boxes"] = torch.minimum(boxes.clamp(min=0), limits)
            check_same(path, expected, [box for box in boxes_of(output, trained.detector.classes)
                                        if box.width > 0 and box.height > 0])
