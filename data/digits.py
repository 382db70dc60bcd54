"""scikit-learn's bundled 8×8 handwritten digits: real images without a network, for smoke runs and tests.

No claim is made from them. A table of the cells trained on digits ranks them almost at random against NAS-Bench-201
(rank correlation 0.1–0.25), so what a search finds here says nothing of the methods.

Source: Alpaydin & Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998; its test set, 1,797 images.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data.folder import Progress
from data.raw import RawImages

TRAINING_IMAGES = 1500
"""The first so many are the training set, the other 297 the test set; the writers of the two differ."""

_FULL = 16  # the brightest pixel: each counts the dark ones among 4×4 of the scanned bitmap


def read_digits(folder: Path, progress: Progress | None) -> RawImages:
    """The digits as (n, 3, 8, 8) images with three equal channels; nothing is read from `folder`."""
    from sklearn.datasets import load_digits  # a second to import, and only smoke runs need it

    pixels, labels = load_digits(return_X_y=True)
    grey = np.rint(pixels.reshape(-1, 1, 8, 8) * (255 / _FULL)).astype(np.uint8)
    images = np.repeat(grey, 3, axis=1)
    digits = labels.astype(np.uint8)
    return RawImages(
        images[:TRAINING_IMAGES], digits[:TRAINING_IMAGES], images[TRAINING_IMAGES:], digits[TRAINING_IMAGES:]
    )
