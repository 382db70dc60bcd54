"""The official split of CIFAR-10, for the tests that need it; it stands beside the repository, where it is at all."""

from pathlib import Path

import pytest

SPLIT = Path(__file__).resolve().parents[2] / "shared" / "nb201" / "cifar-split.txt"
needs_split = pytest.mark.skipif(
    not SPLIT.exists(), reason="the official split of CIFAR-10 is not beside this repository: ../shared/nb201"
)
