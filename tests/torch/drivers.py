"""Our side of a comparison: programs of the target `torch_drivers`."""

from __future__ import annotations

import os
import pathlib
import subprocess
from typing import Dict, Union

import safetensors.torch
import torch


def run(name: str, *arguments: Union[str, pathlib.Path]) -> None:
    """AssertionError with what it says if it fails."""
    program = pathlib.Path(os.environ["MGRAL_TORCH_DRIVERS"]) / name
    done = subprocess.run([str(program), *map(str, arguments)], check=False, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr


def features(state: pathlib.Path, images: torch.Tensor, folder: pathlib.Path) -> Dict[str, torch.Tensor]:
    """EfficientNet-Lite0's, c2 to c5, of normalized images."""
    safetensors.torch.save_file({"images": images.contiguous()}, folder / "images.safetensors")
    run("torch_driver", "features", state, folder / "images.safetensors", folder / "features.safetensors")
    return safetensors.torch.load_file(folder / "features.safetensors")


def read_state(path: pathlib.Path, folder: pathlib.Path) -> Dict[str, torch.Tensor]:
    """What our reader finds in a file of torch.save."""
    run("torch_driver", "read", path, folder / "state.safetensors")
    return safetensors.torch.load_file(folder / "state.safetensors")
