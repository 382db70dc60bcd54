"""The true NAS-Bench-201 table and the official split of CIFAR-10, for the tests that need them; they stand beside the
repository, where they are at all."""

from pathlib import Path

import pytest

TABLE = Path(__file__).resolve().parents[2] / "shared" / "nb201" / "nb201.csv"
needs_table = pytest.mark.skipif(
    not TABLE.exists(), reason="the NAS-Bench-201 table is not beside this repository: ../shared/nb201"
)

SPLIT = TABLE.with_name("cifar-split.txt")
needs_split = pytest.mark.skipif(
    not SPLIT.exists(), reason="the official split of CIFAR-10 is not beside this repository: ../shared/nb201"
)
