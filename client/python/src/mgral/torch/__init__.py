"""A detector that mgral trained, as a plain torch.nn.Module: `pip install mgral[torch]`.

    import mgral.torch
    detector = mgral.torch.load("cells")        # the folder that Client.export_model wrote
    for box in detector.predict(["cell.jpg"])[0]:
        print(box.class_name, box.score, box.x_min, box.y_min, box.width, box.height)

It finds what the server's Predict finds. `detector.network` is the network alone. Both work in
torch.jit.script, and export_onnx writes either as ONNX (`pip install mgral[onnx]`). Where the
network is one of torchvision's (profiles full, faster-rcnn, ssd300), it is torchvision's module.
"""

try:
    import torch as _torch  # noqa: F401
    import safetensors as _safetensors  # noqa: F401
except ModuleNotFoundError as missing:
    if missing.name not in ("torch", "safetensors"):
        raise
    raise ModuleNotFoundError(f"mgral.torch needs {missing.name}: pip install mgral[torch]",
                              name=missing.name) from missing

from mgral.torch.detector import Detector
from mgral.torch.loading import load
from mgral.torch.network import RetinaNet
from mgral.torch.onnx import export_onnx

__all__ = ["Detector", "RetinaNet", "export_onnx", "load"]
