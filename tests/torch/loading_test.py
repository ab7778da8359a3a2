"""What mgral.torch.load refuses, and what our reader finds in files of PyTorch's."""

from __future__ import annotations

import json
import pathlib
from typing import Any, Callable, Dict

import drivers
import pytest
import safetensors.torch
import torch

import mgral.torch


def description() -> Dict[str, Any]:
    return {
        "format": "mgral.model", "format_version": 1, "classes": ["disc", "square"],
        "architecture": {
            "type": "retinanet", "trunk": "efficientnet_lite0", "trunk_mean": 127.5, "trunk_std": 128,
            "trunk_features": "float16", "num_classes": 2, "pyramid_channels": 8, "min_level": 3,
            "max_level": 6, "head_convs": 1, "head_norm": True, "separable": True},
        "input": {"size": 96, "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]},
        "anchors": {"levels": [{"level": level, "stride": 2 ** level, "base_size": 4.0 * 2 ** level}
                               for level in range(3, 7)],
                    "scales_per_octave": 1, "aspect_ratios": [1.0]},
        "boxes": {"max_log_size": 4.135},
        "postprocessing": {"min_score": 0.05, "candidates_per_level": 400, "nms_iou": 0.5,
                           "max_detections": 100}}


def write(folder: pathlib.Path, described: Dict[str, Any], state: Dict[str, torch.Tensor]) -> None:
    (folder / "model.json").write_text(json.dumps(described))
    safetensors.torch.save_file(state, folder / "model.safetensors")


@pytest.fixture(scope="module")
def state() -> Dict[str, torch.Tensor]:
    return dict(mgral.torch.Detector(description()).network.state_dict())


def test_a_folder_or_its_files_are_loaded(tmp_path: pathlib.Path,
                                          state: Dict[str, torch.Tensor]) -> None:
    write(tmp_path, description(), state)
    (tmp_path / "model.json").rename(tmp_path / "other.json")
    loaded = mgral.torch.load(tmp_path / "model.safetensors", tmp_path / "other.json")
    assert not loaded.training and loaded.classes == ["disc", "square"]
    for name, tensor in loaded.network.state_dict().items():
        assert torch.equal(tensor, state[name])
    (tmp_path / "other.json").rename(tmp_path / "model.json")
    assert mgral.torch.load(tmp_path).input_size == 96


@pytest.mark.parametrize("change, said", [
    (lambda d: d.update(format="other"), "is not the description"),
    (lambda d: d.update(format_version=2), "format_version 2"),
    (lambda d: d.pop("anchors"), "'anchors' is missing"),
    (lambda d: d["architecture"].pop("head_convs"), "'head_convs' is missing"),
    (lambda d: d["architecture"].update(attention=2), "architecture has 'attention'"),
    (lambda d: d["input"].update(padding=3), "input has 'padding'"),
    (lambda d: d["input"].update(resizing="crop"), "resizing 'crop'"),
    (lambda d: d["input"].update(resizing="shortest_side", longest_side=160), "other anchors"),
    (lambda d: d["architecture"].update(type="ssd", scales=7), "architecture 'ssd'"),
    (lambda d: d["architecture"].update(trunk="alexnet"), "trunk 'alexnet'"),
    (lambda d: d["architecture"].update(trunk="resnet", depth=19, width=1.0), "depth 19"),
])
def test_another_description_is_refused_by_name(
        tmp_path: pathlib.Path, state: Dict[str, torch.Tensor],
        change: Callable[[Dict[str, Any]], Any], said: str) -> None:
    described = description()
    change(described)
    write(tmp_path, described, state)
    with pytest.raises(ValueError, match=said) as caught:
        mgral.torch.load(tmp_path)
    assert str(tmp_path / "model.json") in str(caught.value)


def test_other_weights_are_refused_by_name(tmp_path: pathlib.Path,
                                           state: Dict[str, torch.Tensor]) -> None:
    stem = "backbone.body.stem.weight"
    for wrong in ({**state, stem: torch.zeros(1)}, {**state, "other": torch.zeros(1)},
                  {name: tensor for name, tensor in state.items() if name != stem}):
        write(tmp_path, description(), wrong)
        with pytest.raises(ValueError, match=f"({stem}|other)") as caught:
            mgral.torch.load(tmp_path)
        assert str(tmp_path / "model.safetensors") in str(caught.value)
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="model.safetensors"):
        mgral.torch.load(tmp_path)


def test_images_of_other_kinds_are_refused() -> None:
    detector = mgral.torch.Detector(description())
    for wrong in (torch.zeros(3, 8, 8), torch.zeros(1, 8, 8, dtype=torch.uint8)):
        with pytest.raises(ValueError, match="uint8"):
            detector([wrong])
    with pytest.raises(ValueError, match="uint8"):
        detector.predict([[[0, 1], [2, 3]]])


def test_files_of_this_pytorch_are_read(tmp_path: pathlib.Path, state: Dict[str, torch.Tensor]) -> None:
    saved = {**state, "half": torch.rand(3, 5).half(), "brain": torch.rand(7).bfloat16(),
             "turned": torch.rand(4, 6).t(), "whole": torch.arange(6).view(2, 3),
             "truth": torch.tensor([True, False]), "number": torch.tensor(2.5),
             "shared": torch.rand(10)[3:7], "empty": torch.zeros(0, 3)}
    kinds: Dict[str, Any] = {"zip": {}, "before": {"_use_new_zipfile_serialization": False}}
    for name, keywords in kinds.items():
        torch.save(saved, tmp_path / name, **keywords)
        assert set(torch.load(tmp_path / name, weights_only=True)) == set(saved)
        read = drivers.read_state(tmp_path / name, tmp_path)
        assert set(read) == set(saved)
        for key, tensor in saved.items():
            assert read[key].dtype == tensor.dtype and torch.equal(read[key], tensor), key
