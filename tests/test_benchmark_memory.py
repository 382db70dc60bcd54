"""A long search needs no more memory at its end than after its first epochs."""

import gc
from pathlib import Path

import pytest
import torch

from benchmark.plan import plan
from benchmark.runner import Event, RunContext, Runner
from benchmark.settings import read_preset
from data.truth import open_truth

EPOCHS = 60
WARM = 20
"""Epochs until every buffer has its size and the allocator its pools."""


def resident() -> float:
    """Memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
@pytest.mark.parametrize("method", ["darts", "rlnas", "pt"])
def test_memory_does_not_grow_over_epochs(method, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (run,) = plan(read_preset("smoke"), [method], [0], epochs=EPOCHS)
    runner = Runner(RunContext(tmp_path, tmp_path, "cpu", open_truth(None, tmp_path)), run.problem)
    memory: dict[int, float] = {}
    tensors: dict[int, int] = {}

    def note(news):
        if isinstance(news, Event) and news.epoch in (WARM, EPOCHS):
            gc.collect()
            memory[news.epoch] = resident()
            tensors[news.epoch] = sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    for news in runner.run_stages(run):
        note(news)
    assert tensors[EPOCHS] <= tensors[WARM]
    assert memory[EPOCHS] - memory[WARM] < 4, "a supernet of this size has 0.1 MB; each epoch would show"
