"""The true NAS-Bench-201 table, for the tests that need it; it stands beside the repository, where it is at all."""

from pathlib import Path

import pytest

TABLE = Path(__file__).resolve().parents[2] / "shared" / "nb201" / "nb201.csv"
needs_table = pytest.mark.skipif(
    not TABLE.exists(), reason="the NAS-Bench-201 table is not beside this repository: ../shared/nb201"
)
