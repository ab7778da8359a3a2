"""Images as the server reads them: reduced by area averaging to the network's size, in whole 8-bit
values; then, where they are smaller, enlarged bilinearly."""

import os
from typing import Any, List, Tuple, Union

import torch
from torch import Tensor
from torch.nn import functional

# A path, an image of Pillow, or a uint8 array [H, W, 3]: RGB.
ImageLike = Union[str, "os.PathLike[str]", Any]

_ORIENTATION = 0x0112  # EXIF's


def read_image(source: ImageLike, max_side: int) -> Tuple[Tensor, int, int]:
    """Reduced uint8 [3, H, W], and the image's own width and height. The EXIF orientation is
    applied. A JPEG of a path is decoded at 1/2, 1/4 or 1/8 where that suffices."""
    import numpy
    from PIL import Image

    if isinstance(source, (str, os.PathLike)):
        with Image.open(os.fspath(source)) as image:
            return _reduced(image, max_side)
    if isinstance(source, Image.Image):
        return _reduced(source, max_side)
    array = numpy.asarray(source)
    if array.dtype != numpy.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(f"an array of uint8 [H, W, 3] is expected, not {array.dtype} "
                         f"{list(array.shape)}")
    pixels = torch.from_numpy(array.copy()).permute(2, 0, 1)
    return reduce_image(pixels, max_side), pixels.shape[2], pixels.shape[1]


def _reduced(image: Any, max_side: int) -> Tuple[Tensor, int, int]:
    import numpy

    if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"):
        raise ValueError(f"an image of mode {image.mode}: convert it to RGB first")
    width, height = image.size
    denominator = _jpeg_denominator(max(width, height), max_side)
    if image.format == "JPEG" and denominator > 1:
        image.draft(None, (max(1, width // denominator), max(1, height // denominator)))
    pixels = torch.from_numpy(numpy.array(image.convert("RGB"))).permute(2, 0, 1)
    pixels = reduce_area(pixels, *reduced_size(height, width, max_side))  # as if all were decoded
    orientation = image.getexif().get(_ORIENTATION, 1)  # after decoding, which may have applied it
    if orientation in (5, 6, 7, 8):
        pixels, width, height = pixels.transpose(1, 2), height, width
    flipped = {2: [2], 3: [1, 2], 4: [1], 6: [2], 7: [1, 2], 8: [1]}.get(orientation, [])
    return pixels.flip(flipped).contiguous(), width, height


def _jpeg_denominator(longer: int, max_side: int) -> int:
    """A JPEG's pixels can be averaged 2, 4 or 8 to a side while it is decoded."""
    return max(one for one in (1, 2, 4, 8) if one == 1 or -(-longer // one) >= max_side)


def reduce_image(image: Tensor, max_side: int) -> Tensor:
    """uint8 [3, H, W] -> the same with no longer side than that. ValueError for another tensor."""
    if image.dtype != torch.uint8 or image.dim() != 3 or image.shape[0] != 3:
        raise ValueError("an image must be uint8 [3, H, W]")
    height, width = reduced_size(image.shape[1], image.shape[2], max_side)
    return reduce_area(image, height, width)


def reduced_size(height: int, width: int, max_side: int) -> Tuple[int, int]:
    longer = max(height, width)
    if longer <= max_side:
        return height, width
    scale = max_side / longer
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def reduce_area(image: Tensor, height: int, width: int) -> Tensor:
    """uint8 [3, H, W] -> uint8 [3, height, width], each pixel the mean of what it covers; to the
    bit as OpenCV's INTER_AREA."""
    if image.shape[1] == height and image.shape[2] == width:
        return image
    down, across = image.shape[1] // height, image.shape[2] // width
    if image.shape[1] == down * height and image.shape[2] == across * width:
        cells = image.view(3, height, down, width, across).to(torch.int32)
        sums = cells.sum(4).sum(2)
        if down == 2 and across == 2:
            return ((sums + 2) // 4).to(torch.uint8)  # halves up here; else to even
        return torch.round(sums.to(torch.float32) * (1.0 / (down * across))).to(torch.uint8)
    pixels, weights = _shares(image.shape[2], width)
    rows = torch.zeros([3, image.shape[1], width], device=image.device)
    for pixel, weight in zip(pixels.to(image.device), weights.to(image.device)):
        rows = rows + image[:, :, pixel].to(torch.float32) * weight
    pixels, weights = _shares(image.shape[1], height)
    means = torch.zeros([3, height, width], device=image.device)
    for pixel, weight in zip(pixels.to(image.device), weights.to(image.device)):
        means = means + rows[:, pixel] * weight.view(-1, 1)
    return torch.round(means).to(torch.uint8)


def _shares(source: int, target: int) -> Tuple[Tensor, Tensor]:
    """[n, target]: pixels that a longer one covers, from the first on, and their shares of it."""
    scale = 1.0 / (target / source)
    begin = torch.arange(target, dtype=torch.float64) * scale
    end = begin + scale
    length = torch.clamp(source - begin, max=scale)
    last = torch.floor(end).clamp(max=source - 1)
    first = torch.minimum(torch.ceil(begin), last)
    most = int((last - first).max().item()) + 2
    pixels = (first - 1) + torch.arange(most, dtype=torch.float64).view(-1, 1)
    covered = torch.where(pixels < last, torch.ones_like(pixels), torch.zeros_like(pixels))
    before, after = first - begin, torch.minimum((end - last).clamp(max=1), length)
    covered[0] = torch.where(before > 1e-3, before, torch.zeros_like(before))
    after = torch.where(end - last > 1e-3, after, torch.zeros_like(after))
    covered = torch.where(pixels == last, after, covered)
    return pixels.clamp(0, source - 1).to(torch.int64), (covered / length).to(torch.float32)


def letterbox(image: Tensor, size: int) -> Tuple[Tensor, float]:
    """uint8 [3, H, W] -> float [3, h, w] of values 0 to 255 whose longest side is `size`, and how
    many of its pixels one of the image's is."""
    scale = size / max(image.shape[1], image.shape[2])
    height = max(1, int(image.shape[1] * scale + 0.5))
    width = max(1, int(image.shape[2] * scale + 0.5))
    pixels = image.to(torch.float32)
    if image.shape[1] != height or image.shape[2] != width:
        pixels = functional.interpolate(pixels.unsqueeze(0), size=[height, width], mode="bilinear",
                                        align_corners=False, antialias=True).squeeze(0)
    return pixels, scale
