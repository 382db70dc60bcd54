"""Image sets as whole tensors, so that a search on any device has every image where it computes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from data import IMAGE_SETS
from data.cifar import CIFAR10, CIFAR100, read_cifar
from data.digits import read_digits
from data.folder import DataError, Progress
from data.imagenet16 import read_imagenet16
from data.raw import RawImages


@dataclass(frozen=True, eq=False)
class ImageSet:
    """One data set, raw: pixels 0…255 in the order of its publisher, not augmented, not normalised."""

    name: str
    images: Tensor
    """(n, 3, H, W) uint8: the training images, red, green, blue."""
    labels: Tensor
    """(n,) int64."""
    test_images: Tensor
    """(m, 3, H, W) uint8."""
    test_labels: Tensor
    """(m,) int64."""
    classes: int
    mean: tuple[float, ...]
    """Per channel, for pixels scaled to 0…1, as the papers' programs normalise."""
    std: tuple[float, ...]
    checksum: str
    """SHA-256 over all images and labels: equal exactly for equal content."""

    def to(self, device: torch.device | str) -> ImageSet:
        """The same set with its four tensors on `device`."""
        return replace(
            self,
            images=self.images.to(device),
            labels=self.labels.to(device),
            test_images=self.test_images.to(device),
            test_labels=self.test_labels.to(device),
        )

    def scaled(self, resolution: int | None, count: int | None) -> ImageSet:
        """A smaller set of the same kind; `None` leaves that side of it as it is.

        Args:
            resolution: side of the images in pixels. Each new pixel is the mean of the area it covers, rounded.
            count: training images kept: of every class its first `count / classes`, in the old order, so that the
                choice is balanced and always the same. The test images all stay.

        Raises:
            DataError: for a resolution above the images' own, or a count that is not the same number from every class.
        """
        if resolution is None and count is None:
            return self
        images, labels, test_images = self.images, self.labels, self.test_images
        if count is not None and count != len(labels):
            kept = self._first_of_each_class(count)
            images, labels = images[kept], labels[kept]
        if resolution is not None:
            side = images.shape[-1]
            if not 1 <= resolution <= side:
                raise DataError(
                    f"resolution {resolution} is not possible: {self.name} has {side}×{side} pixels, choose 1 to {side}"
                )
            images, test_images = _shrink(images, resolution), _shrink(test_images, resolution)
        return replace(
            self,
            images=images,
            labels=labels,
            test_images=test_images,
            checksum=content_checksum(images, labels, test_images, self.test_labels),
        )

    def halved_by(self, split: dict[str, NDArray[np.int64]]) -> ImageSet:
        """The same set with its training images in another order: first those to train on, then those to validate on.

        Args:
            split: positions by part, as `data.splits.read_split` gives them; `train` and `valid` count.

        Raises:
            DataError: where a part is missing, or the two are not halves of the set.
        """
        missing = [part for part in ("train", "valid") if part not in split]
        if missing or not len(split["train"]) == len(split["valid"]) == len(self.labels) // 2:
            raise DataError(
                f"the split does not halve the {len(self.labels):,} training images of {self.name}: "
                "give a file with parts train and valid of equal size, as cifar-split.txt"
            )
        order = torch.from_numpy(np.concatenate([split["train"], split["valid"]]))
        images, labels = self.images[order], self.labels[order]
        checksum = content_checksum(images, labels, self.test_images, self.test_labels)
        return replace(self, images=images, labels=labels, checksum=checksum)

    def _first_of_each_class(self, count: int) -> Tensor:
        """Ascending positions of the first `count / classes` training images of every class."""
        per_class, rest = divmod(count, self.classes)
        available = int(torch.bincount(self.labels, minlength=self.classes).min())
        if rest or not 1 <= per_class <= available:
            raise DataError(
                f"{count} images cannot be taken evenly from the {self.classes} classes of {self.name}: "
                f"choose a multiple of {self.classes} up to {available * self.classes}, or all {len(self.labels)}"
            )
        # Stable, so that within a class the old order stays.
        by_class = torch.argsort(self.labels, stable=True)
        starts = torch.searchsorted(self.labels[by_class], torch.arange(self.classes, device=self.labels.device))
        offsets = torch.arange(per_class, device=self.labels.device)
        return by_class[(starts[:, None] + offsets).flatten()].sort().values


def content_checksum(*tensors: Tensor) -> str:
    """SHA-256 over shapes, types and values of the tensors, as hex."""
    digest = hashlib.sha256()
    for tensor in tensors:
        array = tensor.cpu().contiguous().numpy()
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def open_images(name: str, folder: Path, progress: Progress | None = None) -> ImageSet:
    """The image set called `name`, on the CPU; fetched into `folder` first where it can be and is not there.

    Raises:
        DataError: for an unknown name, or where the files are absent, cannot be fetched, or are damaged.
    """
    if name not in IMAGE_SETS:
        raise DataError(f"there are no images called {name!r}; choose one of {', '.join(IMAGE_SETS)}")
    source = _SOURCES[name]
    raw = source.read(folder, progress)
    tensors = (
        torch.from_numpy(raw.images),
        torch.from_numpy(raw.labels).long(),
        torch.from_numpy(raw.test_images),
        torch.from_numpy(raw.test_labels).long(),
    )
    mean, std = (tuple(value / 255 for value in values) for values in (source.mean, source.std))
    return ImageSet(name, *tensors, source.classes, mean, std, content_checksum(*tensors))


@dataclass(frozen=True)
class _Source:
    """What is known of a set before it is read; mean and deviation in units of the 0…255 pixels."""

    classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    read: Callable[[Path, Progress | None], RawImages]


def _shrink(images: Tensor, resolution: int) -> Tensor:
    # In portions: as floats the whole set would take four times its size.
    portions = [
        functional.interpolate(portion.float(), (resolution, resolution), mode="area").round().to(torch.uint8)
        for portion in torch.split(images, 4096)
    ]
    return torch.cat(portions)


# The constants of all but the digits are those of AutoDL-Projects, `get_dataset_with_transform.py`.
_SOURCES = {
    "cifar10": _Source(10, (125.3, 123.0, 113.9), (63.0, 62.1, 66.7), partial(read_cifar, CIFAR10)),
    "cifar100": _Source(100, (129.3, 124.1, 112.4), (68.2, 65.4, 70.4), partial(read_cifar, CIFAR100)),
    "imagenet16-120": _Source(120, (122.68, 116.66, 104.01), (63.22, 61.26, 65.09), read_imagenet16),
    "digits": _Source(10, (77.8, 77.8, 77.8), (95.6, 95.6, 95.6), read_digits),
}
