"""Searches come to the same bits on every x86-64 processor with AVX2, by every build, compiler and number of threads.

What they come to was recorded once (`same_bits.json`), most likely on another machine than this one; `same_bits.py`
says how, and how to record it anew.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import same_bits
import torch

from spaces.compiled import BUILDS, CHOICE
from spaces.pinned import processor_features

PINNED = {"ATEN_CPU_CAPABILITY", "OMP_NUM_THREADS", CHOICE, "CXX"}

LESSER_PROCESSOR = {
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Sandybridge",
    "NPY_DISABLE_CPU_FEATURES": " ".join(np.show_config(mode="dicts")["SIMD Extensions"]["found"]),
}
"""What the libraries would compute by on a processor that has less than this one. What does not come to the same bits
under these would not on another machine."""


def computed(build: str, threads: int, surroundings: dict[str, str] | None = None) -> dict[str, list[str]]:
    """The digests that a process of its own comes to with a build of the layers; skips where there can't be one."""
    if not processor_features() >= BUILDS[build]:
        pytest.skip(f"this processor cannot take the build {build}")
    environment = {name: value for name, value in os.environ.items() if name not in PINNED}
    command = [sys.executable, str(Path(same_bits.__file__)), "--threads", str(threads)]
    # Threads that wait shall not keep the other tests from the cores.
    environment |= {CHOICE: build, "OMP_WAIT_POLICY": "passive", **(surroundings or {})}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def as_recorded(found: dict[str, list[str]]) -> None:
    recorded = json.loads(same_bits.RECORDED.read_text(encoding="utf-8"))
    digests = recorded["digests"]
    different = [
        f"{name} ({' and '.join(what for what, a, b in zip(('rows', 'state'), *pair, strict=True) if a != b)})"
        for name in found
        if (pair := (found[name], digests.get(name, ["", ""])))[0] != pair[1]
    ]
    assert not different, (
        f"not the recorded bits: {', '.join(different)}. Recorded with {recorded['packages']}, computed with "
        f"{same_bits.versions()}. If a search was meant to compute something else: python tests/same_bits.py --record"
    )
    assert found.keys() == digests.keys()


@pytest.mark.parametrize(
    ("build", "threads", "surroundings"),
    [("v3", 1, LESSER_PROCESSOR), ("v3", 2, {}), ("v4", 2, {})],
    ids=["v3, 1 thread, as on a lesser processor", "v3, 2 threads", "v4, 2 threads"],
)
def test_every_method_comes_to_the_recorded_bits(build, threads, surroundings):
    as_recorded(computed(build, threads, surroundings))


@pytest.mark.skipif(shutil.which("clang++") is None, reason="there is no second compiler: clang++ is not installed")
def test_another_compiler_makes_no_difference():
    as_recorded(computed("v3", 2, {"CXX": "clang++"}))


def test_a_digest_has_every_bit():
    tensor = torch.ones(3)
    other = torch.tensor([1.0, 1.0, 1.0 + 2**-23])
    values = [[0.1 + 0.2], [0.3], [tensor], [other], [tensor.double()], [tensor[None]], [-0.0], [0.0]]
    assert len({same_bits.digest(value) for value in values}) == len(values)
    assert same_bits.digest([torch.ones(3, 2).T]) == same_bits.digest([torch.ones(2, 3)])
