"""ImageNet16-120: the first 120 classes of ImageNet at 16×16 pixels, from the ten training batches and the one of
validation of the downsampled ImageNet.

Source: Chrabaszcz, Loshchilov & Hutter, "A Downsampled Variant of ImageNet as an Alternative to the CIFAR datasets",
arXiv:1707.08819; MD5 and choice of classes as in AutoDL-Projects, `DownsampledImageNet.py`.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.folder import DataError, Progress, read_small
from data.pickles import ARRAY_CLASSES, load_pickle
from data.raw import RawImages

FOLDER = "ImageNet16"
CLASSES = 120

TRAINING_MD5 = {
    "train_data_batch_1": "27846dcaa50de8e21a7d1a35f30f0e91",
    "train_data_batch_2": "c7254a054e0e795c69120a5727050e3f",
    "train_data_batch_3": "4333d3df2e5ffb114b05d2ffc19b1e87",
    "train_data_batch_4": "1620cdf193304f4a92677b695d70d10f",
    "train_data_batch_5": "348b3c2fdbb3940c4e9e834affd3b18d",
    "train_data_batch_6": "6e765307c242a1b3d7d5ef9139b48945",
    "train_data_batch_7": "564926d8cbf8fc4818ba23d2faac7564",
    "train_data_batch_8": "f4755871f718ccb653440b9dd0ebac66",
    "train_data_batch_9": "bb6dd660c38c58552125b1a92f86b5d4",
    "train_data_batch_10": "8f03f34ac4b42271a294f91bf480f29b",
}
TEST_MD5 = {"val_data": "3410e3017fdaefba8d5073aaa65e4bd6"}

_MOST_BYTES = 1 << 30
"""More than any of these files has."""

TRAINING_IMAGES = 151_700
TEST_IMAGES = 6_000


def lies_in(folder: Path) -> bool:
    """Whether every file of it is in the data folder, whatever it holds."""
    return all((folder / FOLDER / name).is_file() for name in TRAINING_MD5 | TEST_MD5)


def by_hand(folder: Path) -> str:
    """Where to get it; its site wants a registration, so nothing can be fetched for the user."""
    return (
        "get ImageNet16 from the Google Drive folder that the README of NAS-Bench-201 names (training and evaluation "
        f"data) and unpack it so that {folder / FOLDER / 'train_data_batch_1'} exists"
    )


def read_imagenet16(folder: Path, progress: Progress | None) -> RawImages:
    """ImageNet16-120 from `folder`: 151,700 + 6,000 images of 16×16, labels 0…119.

    Raises:
        DataError: where a file is absent, truncated or another's.
    """
    if not lies_in(folder):
        raise DataError(f"ImageNet16-120 is not there: {by_hand(folder)}")
    files = TRAINING_MD5 | TEST_MD5
    batches = []
    for done, (name, md5) in enumerate(files.items()):
        if progress:
            progress("reading ImageNet16-120", done, len(files))
        batches.append(_read_batch(folder / FOLDER / name, md5))
    images, labels = (np.concatenate(arrays) for arrays in zip(*batches[: len(TRAINING_MD5)], strict=True))
    raw = RawImages(images, labels, *batches[-1])
    if (len(raw.labels), len(raw.test_labels)) != (TRAINING_IMAGES, TEST_IMAGES):
        raise DataError(
            f"{folder / FOLDER} holds {len(raw.labels):,} + {len(raw.test_labels):,} images: {by_hand(folder)}"
        )
    return raw


def _read_batch(path: Path, md5: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (n, 3, 16, 16) and labels (n,) from 0 of the first 120 classes in one file, once its hash is right."""
    try:
        content = read_small(path, _MOST_BYTES)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): see to its permissions") from error
    if hashlib.md5(content).hexdigest() != md5:
        raise DataError(
            f"{path} ({len(content):,} bytes) is truncated or not ImageNet16's own: delete it and get it again"
        )
    batch = load_pickle(io.BytesIO(content), str(path), ARRAY_CLASSES, encoding="latin1")
    try:
        labels = np.asarray(batch["labels"])
        chosen = (labels >= 1) & (labels <= CLASSES)  # the files count from 1
        return batch["data"][chosen].reshape(-1, 3, 16, 16), (labels[chosen] - 1).astype(np.uint8)
    except (LookupError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not laid out as ImageNet16 is: delete it and get it again") from error
