"""Augmented batches of one half of the training images, made on the device a pass at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from data.augment import crop_and_flip, normalise
from data.images import ImageSet

Batch = tuple[Tensor, Tensor]
"""Normalised float32 images (B, 3, H, W) and their labels (B,)."""


class Loader:
    """Images [start, stop) of a set, cropped at random with padding H/8 (4 pixels of 32) and flipped.

    Args:
        images: the whole set; a view of it is kept.
        part: 0 for the first half of the training images, 1 for the second.
        generator: on the images' device; every call draws from it.
        labels: instead of the set's own, one for each image of the half.
        augment: whether images are cropped and flipped at all.
    """

    def __init__(
        self,
        images: ImageSet,
        part: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        augment: bool = True,
    ) -> None:
        middle = len(images.images) // 2
        half = slice(0, middle) if part == 0 else slice(middle, len(images.images))
        self.images = images.images[half]
        self.labels = images.labels[half] if labels is None else labels
        self.mean, self.std = images.mean, images.std
        self.generator = generator
        self.augment = augment

    def __len__(self) -> int:
        return len(self.images)

    def shuffled(self, size: int) -> Iterator[Batch]:
        """One pass over the half in random order; the last batch may be smaller."""
        order = torch.randperm(len(self), generator=self.generator, device=self.images.device)
        return self._batches(order, size)

    def in_order(self, size: int, images: int) -> Iterator[Batch]:
        """The first so many images of the half, or all there are, in their order."""
        return self._batches(torch.arange(min(images, len(self)), device=self.images.device), size)

    def drawn(self, size: int, batches: int) -> Iterator[Batch]:
        """`batches` full batches, each drawn afresh from the whole half; an image may come twice in a batch.

        AutoDL-Projects draws so; the programs with a loader draw without repeats within a batch.
        """
        order = torch.randint(len(self), (batches * size,), generator=self.generator, device=self.images.device)
        return self._batches(order, size)

    def _batches(self, order: Tensor, size: int) -> Iterator[Batch]:
        images = self.images[order]
        if self.augment:
            images = crop_and_flip(images, images.shape[-1] // 8, self.generator)
        labels = self.labels[order]
        for start in range(0, len(order), size):
            batch = slice(start, start + size)
            yield normalise(images[batch], self.mean, self.std), labels[batch]
