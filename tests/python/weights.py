"""Files of weights for tests, and what a server keeps of them."""

from __future__ import annotations

import json
import pathlib
import struct
from typing import Dict, List

import numpy


def write_safetensors(path: pathlib.Path, tensors: Dict[str, numpy.ndarray]) -> pathlib.Path:
    header, data = {}, b""
    for name, tensor in tensors.items():
        raw = tensor.tobytes()
        header[name] = {"dtype": {"float32": "F32", "float16": "F16", "int32": "I32"}[str(tensor.dtype)],
                        "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def resnet18() -> Dict[str, numpy.ndarray]:
    """A state dict with the names and shapes of torchvision's resnet18."""
    random = numpy.random.default_rng(1)
    state: Dict[str, numpy.ndarray] = {}

    def conv(name: str, out: int, of: int, kernel: int) -> None:
        state[f"{name}.weight"] = (random.standard_normal((out, of, kernel, kernel)) * 0.05).astype("f4")

    def norm(name: str, channels: int) -> None:
        for leaf, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            state[f"{name}.{leaf}"] = numpy.full(channels, value, "f4")

    conv("conv1", 64, 3, 7)
    norm("bn1", 64)
    of = 64
    for layer, out in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            name = f"layer{layer}.{block}"
            conv(f"{name}.conv1", out, of, 3)
            norm(f"{name}.bn1", out)
            conv(f"{name}.conv2", out, out, 3)
            norm(f"{name}.bn2", out)
            if of != out:
                conv(f"{name}.downsample.0", out, of, 1)
                norm(f"{name}.downsample.1", out)
            of = out
    state["fc.weight"] = numpy.zeros((1000, 512), "f4")
    state["fc.bias"] = numpy.zeros(1000, "f4")
    return state


def temporary_files(artifacts: pathlib.Path) -> List[pathlib.Path]:
    return [*(artifacts / "tmp").iterdir(), *(artifacts / "work").iterdir()]
