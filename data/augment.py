"""Crop, flip and normalisation of whole batches on whatever device holds the images."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional


def crop_and_flip(images: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Each image shifted by up to `padding` pixels either way and, with probability 1/2, mirrored left to right.

    Pixels that come in from outside are black, as in the papers' programs, which pad before they normalise. Every
    image draws its own shift (uniform over all (2·padding+1)² of them) and its own mirroring.

    Args:
        images: (n, 3, H, W) uint8.
        padding: in pixels; 0 only mirrors.
        generator: on the device of `images`; equal states give equal results on one kind of device.

    Returns:
        (n, 3, H, W) uint8.
    """
    count, channels, height, width = images.shape
    device = images.device
    tops = torch.randint(2 * padding + 1, (count, 1), generator=generator, device=device)
    lefts = torch.randint(2 * padding + 1, (count, 1), generator=generator, device=device)
    mirrored = torch.rand((count, 1), generator=generator, device=device) < 0.5
    across = torch.arange(width, device=device)
    rows = tops + torch.arange(height, device=device)
    columns = lefts + torch.where(mirrored, across.flip(0), across)
    padded = functional.pad(images, (padding,) * 4)
    # One gather does both: the four index tensors broadcast to (n, channels, H, W).
    return padded[
        torch.arange(count, device=device)[:, None, None, None],
        torch.arange(channels, device=device)[:, None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    ]


def normalise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """(pixels/255 − mean) / std, channel by channel, as one multiply-add.

    Args:
        images: (n, C, H, W) uint8.
        mean, std: C numbers each, for pixels scaled to 0…1.

    Returns:
        (n, C, H, W) float32.
    """
    scale, shift = _affine(mean, std, images.device)
    return torch.addcmul(shift, images.float(), scale)


@lru_cache(maxsize=16)
def _affine(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    # Kept per device: a copy from the host for every batch would make the device wait for it.
    scale = torch.tensor([1 / (255 * s) for s in std], device=device)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=device)
    return scale[:, None, None], shift[:, None, None]
