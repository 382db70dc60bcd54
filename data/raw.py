"""What the readers of single image sets hand to `data.images`: plain arrays, before any tensor is made."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class RawImages(NamedTuple):
    """One data set as read: pixels 0…255, labels from 0."""

    images: NDArray[np.uint8]
    """(n, 3, H, W) training images."""
    labels: NDArray[np.uint8]
    """(n,)."""
    test_images: NDArray[np.uint8]
    """(m, 3, H, W)."""
    test_labels: NDArray[np.uint8]
    """(m,)."""
