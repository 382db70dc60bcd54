"""Digests of what searches come to on this machine, for `test_same_bits`: of their rows and of their final weights.

    python tests/same_bits.py            prints them
    python tests/same_bits.py --record   writes them into same_bits.json, with the versions they were made with

To be recorded anew where what a search computes was meant to change, and only there; the commit says why.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from unittest import mock

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmark import checkpoint, runner
from benchmark.plan import Run, plan
from benchmark.results_folder import Finished
from benchmark.runner import RunContext, Runner
from benchmark.settings import override, read_preset
from data.images import ImageSet, content_checksum
from data.truth import open_truth
from methods import registry

RECORDED = Path(__file__).with_suffix(".json")

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn")

AS_MINI = {"bdarts": ("bdarts.epochs=3",), "rlnas": ("rlnas.epochs=6",)}
"""The methods that run with networks and batches of `mini`, and their epochs there."""


def versions() -> dict[str, str]:
    return {name: version(name).partition("+")[0] for name in PACKAGES}


def generated_images() -> ImageSet:
    """1,280 images of 32 × 32 pixels, in the place of CIFAR-10's, scaled down to those of `mini`."""
    random = np.random.default_rng(0)
    images, test_images = (random.integers(256, size=(n, 3, 32, 32), dtype=np.uint8) for n in (1280, 10))
    labels, test_labels = (np.arange(n) % 10 for n in (1280, 10))
    tensors = tuple(torch.from_numpy(array) for array in (images, labels, test_images, test_labels))
    statistics = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
    return ImageSet("cifar10", *tensors, 10, *statistics, content_checksum(*tensors)).scaled(8, None)


def digests(threads: int = 1) -> dict[str, list[str]]:
    """By search the digests of its rows and of its final state: all methods at `smoke`, two at the size of `mini`."""
    found = {}
    ours = [name for name in registry.names() if registry.load(name).__module__.startswith("methods.")]
    smoke = plan(override(read_preset("smoke"), [f"problem.threads={threads}"]), ours, [0])
    for run, texts in carried_out(smoke):
        found[run.method] = texts
    for method, changes in AS_MINI.items():
        mini = plan(override(read_preset("mini"), [f"problem.threads={threads}", *changes]), [method], [0])
        with mock.patch.object(runner, "prepare_images", lambda *_: generated_images()):
            for run, texts in carried_out(mini):
                found[f"{run.method}, size of mini"] = texts
    return found


def carried_out(runs: list[Run]) -> Iterator[tuple[Run, list[str]]]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        (out / "checkpoints").mkdir()
        worker = Runner(RunContext(out, out, "cpu", open_truth("nasbench201", out)), runs[0].problem)
        for run in runs:
            *_, last = worker.run_stages(run)
            assert isinstance(last, Finished)
            saved = checkpoint.read(out / "checkpoints" / run.checkpoint_name(len(run.stages) - 1), print)
            assert saved is not None
            yield run, [digest([last.history, last.scores, last.row["genotype"]]), digest(saved.state)]


def digest(value: object) -> str:
    """Of numbers by all their bits, of tensors by their type, shape and bytes."""

    def plain(part: object) -> object:
        if isinstance(part, torch.Tensor):
            return [str(part.dtype), [*part.shape], hashlib.sha256(part.contiguous().numpy().tobytes()).hexdigest()]
        if isinstance(part, np.generic):
            return part.item()
        raise TypeError(type(part))

    return hashlib.sha256(json.dumps(value, default=plain).encode()).hexdigest()[:16]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--record", action="store_true")
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    found = digests(given.threads)
    if not given.record:
        print(json.dumps(found))
        return
    content = {
        "about": "digests of rows and of the final state, by search; written by python tests/same_bits.py --record",
        "packages": versions(),
        "digests": found,
    }
    RECORDED.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
