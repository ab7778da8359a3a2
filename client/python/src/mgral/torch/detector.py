"""What a network's outputs mean: from images to boxes, as the server's Predict has them."""

from typing import Any, Dict, Final, Iterable, List, Mapping, Tuple

import torch
from torch import Tensor, nn

from mgral.torch.images import ImageLike, letterbox, read_image, reduce_image
from mgral.torch.network import RetinaNet
from mgral.values import Box


class Detector(nn.Module):
    """Finds objects in images. In evaluation mode, on the CPU; `.to("cuda")` moves it.

    classes: their names, by label.
    network: the RetinaNet, whose parameters are those of the file.
    min_score: boxes with a lower score are left out; may be changed.
    """

    BATCH: Final[int] = 16  # images that go through the network together
    CANVAS: Final[int] = 32  # a canvas has sides that are multiples of it

    def __init__(self, description: Mapping[str, Any]) -> None:
        """Of random weights. `description`: what model.json says."""
        super().__init__()
        self.classes: List[str] = list(description["classes"])
        self.network = RetinaNet(description)
        inputs, after = description["input"], description["postprocessing"]
        self.input_size = int(inputs["size"])
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(inputs[name]).view(3, 1, 1), persistent=False)
        self.min_score = float(after["min_score"])
        self.candidates_per_level = int(after["candidates_per_level"])
        self.nms_iou = float(after["nms_iou"])
        self.max_detections = int(after["max_detections"])
        self.eval()

    def forward(self, images: List[Tensor]) -> List[Dict[str, Tensor]]:
        """uint8 [3, H, W] each, RGB, of any size -> for each "boxes" [n, 4] as (x_min, y_min,
        x_max, y_max) in its pixels, "scores" [n] and "labels" [n], best first."""
        canvases: List[Tensor] = []
        scales: List[Tuple[float, float]] = []
        alike: Dict[str, List[int]] = {}  # images by the size of their canvas
        for number, image in enumerate(images):
            canvas, scale = self.prepare(image)
            canvases.append(canvas)
            scales.append(scale)
            size = str(canvas.shape[1]) + "x" + str(canvas.shape[2])
            if size not in alike:
                none: List[int] = []  # TorchScript needs its type
                alike[size] = none
            alike[size].append(number)
        found: Dict[int, Dict[str, Tensor]] = {}
        for same in alike.values():
            for begin in range(0, len(same), self.BATCH):
                numbers = same[begin:begin + self.BATCH]
                batch = torch.stack([canvases[number] for number in numbers])
                logits, boxes = self.network(batch)
                counts = self.network.anchors.of_levels(batch.shape[2], batch.shape[3])
                for place, number in enumerate(numbers):
                    found[number] = in_image(self.select(logits[place], boxes[place], counts),
                                             images[number], scales[number])
        return [found[number] for number in range(len(images))]

    def prepare(self, image: Tensor) -> Tuple[Tensor, Tuple[float, float]]:
        """uint8 [3, H, W], RGB -> what the network expects, float [3, h, w], and how many of the
        image's pixels one of its pixels is, across and down."""
        reduced = reduce_image(image, self.input_size)
        height, width = reduced.shape[1], reduced.shape[2]
        pixels, scale = letterbox(reduced, self.input_size)
        content_height, content_width = pixels.shape[1], pixels.shape[2]
        canvas = torch.zeros([3, -(-content_height // self.CANVAS) * self.CANVAS,
                              -(-content_width // self.CANVAS) * self.CANVAS],
                             dtype=torch.float32, device=self.mean.device)
        canvas[:, :content_height, :content_width] = \
            (pixels.to(self.mean.device) - self.mean) * self.std.reciprocal()
        return canvas, (image.shape[2] / (width * scale), image.shape[1] / (height * scale))

    def select(self, logits: Tensor, boxes: Tensor, counts: List[int]) -> Dict[str, Tensor]:
        """Of one image's [A, C] and [A, 4], the detections after suppression, in the same pixels.
        `counts`: anchors of each level."""
        scores = logits.sigmoid()
        classes = scores.shape[1]
        picked: List[Tensor] = []
        first = 0
        for count in counts:
            level = scores[first:first + count].reshape(-1)
            best = torch.nonzero(level > self.min_score).squeeze(1)
            if best.numel() > self.candidates_per_level:
                order = torch.sort(level[best], stable=True, descending=True)[1]
                best = best[order[:self.candidates_per_level]]
            picked.append(best + first * classes)
            first += count
        candidates = torch.cat(picked)
        order = torch.sort(scores.reshape(-1)[candidates], stable=True, descending=True)[1]
        candidates = candidates[order]
        labels = candidates % classes
        boxes = boxes[torch.div(candidates, classes, rounding_mode="floor")]
        kept = suppress(boxes, labels, self.nms_iou, self.max_detections)
        return {"boxes": boxes[kept], "scores": scores.reshape(-1)[candidates[kept]],
                "labels": labels[kept]}

    def predict(self, images: Iterable[ImageLike]) -> List[List[Box]]:
        """The boxes of each: of a file by its path, an image of Pillow, or a uint8 array [H, W, 3],
        RGB. All are in memory at once, reduced; give some hundreds at a time."""
        return predict_boxes(self, images, self.classes, self.input_size)


def predict_boxes(detector: nn.Module, images: Iterable[ImageLike], classes: List[str],
                  longest_side: int) -> List[List[Box]]:
    """What Detector.predict says, of images that are first reduced to that side."""
    read = [read_image(image, longest_side) for image in images]
    with torch.inference_mode():
        found = detector([pixels for pixels, _, _ in read])
    return [_boxes(one, classes, width / pixels.shape[2], height / pixels.shape[1])
            for one, (pixels, width, height) in zip(found, read)]


def suppress(boxes: Tensor, labels: Tensor, iou_threshold: float, limit: int) -> Tensor:
    """Indices of what is kept of boxes [n, 4], best first, when each drops those after it that are
    of its class and overlap it by more than the threshold; at most `limit`."""
    kept: List[Tensor] = []
    left = torch.arange(boxes.shape[0], device=boxes.device)
    while left.numel() > 0 and len(kept) < limit:
        best, left = left[:1], left[1:]
        kept.append(best)
        mine, others = boxes[best], boxes[left]
        sides = (torch.minimum(mine[:, 2:], others[:, 2:])
                 - torch.maximum(mine[:, :2], others[:, :2])).clamp(min=0)
        both = sides[:, 0] * sides[:, 1]
        overlap = both / (_areas(mine) + _areas(others) - both)
        left = left[~((overlap > iou_threshold) & (labels[left] == labels[best]))]
    return torch.cat(kept) if len(kept) > 0 else left


def _areas(boxes: Tensor) -> Tensor:
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0)
    return sides[:, 0] * sides[:, 1]


def in_image(found: Dict[str, Tensor], image: Tensor,
             scale: Tuple[float, float]) -> Dict[str, Tensor]:
    """From the canvas to an image's pixels; without what lies outside."""
    across, down = scale
    height, width = image.shape[1], image.shape[2]
    boxes = found["boxes"]
    x = (boxes[:, 0::2] * across).clamp(0, width)
    y = (boxes[:, 1::2] * down).clamp(0, height)
    boxes = torch.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], 1)
    inside = torch.nonzero(_areas(boxes) > 0).squeeze(1)
    return {"boxes": boxes[inside], "scores": found["scores"][inside],
            "labels": found["labels"][inside]}


def _boxes(found: Dict[str, Tensor], classes: List[str], across: float, down: float) -> List[Box]:
    return [Box(classes[label], x_min * across, y_min * down, (x_max - x_min) * across,
                (y_max - y_min) * down, score=score)
            for (x_min, y_min, x_max, y_max), score, label
            in zip(found["boxes"].tolist(), found["scores"].tolist(), found["labels"].tolist())]
