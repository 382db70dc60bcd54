"""What the tests share: one core a process, and small problems."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

# Tests run side by side, a process a core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from hypothesis import settings

from benchmark.plan import plan
from benchmark.settings import read_preset
from data.images import ImageSet, open_images
from data.truth import TruthTable, open_truth
from methods import registry
from methods.search import Problem, Search
from spaces import native

torch.set_num_threads(1)

settings.register_profile("deterministic", derandomize=True)
# For the long run of the fuzzers: pytest tests/test_fuzz.py --hypothesis-profile=long
settings.register_profile("long", max_examples=5000, deadline=None, print_blob=True)
settings.load_profile("deterministic")


@pytest.fixture(scope="session")
def digits(tmp_path_factory) -> ImageSet:
    return open_images("digits", tmp_path_factory.mktemp("data")).scaled(None, 120)


@pytest.fixture(scope="session")
def problem(digits) -> Problem:
    return Problem(digits, channels=4, cells_per_stage=1)


@pytest.fixture(scope="session")
def truth() -> TruthTable:
    return open_truth("analognas", Path())


@pytest.fixture(scope="module", params=["native", "PyTorch"])
def either_layers(request) -> Iterator[None]:
    """The test runs twice: with the layers of `spaces.native`, and with PyTorch's own."""
    if request.param == "native":
        assert native.why_unavailable() is None
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "why_unavailable", lambda: "PyTorch's are wanted")
        yield


@pytest.fixture
def pytorch_layers(monkeypatch) -> None:
    """PyTorch's own layers, whose gradients can be differentiated again."""
    monkeypatch.setattr(native, "why_unavailable", lambda: "PyTorch's are wanted")


@pytest.fixture
def build(problem, truth):
    """`build("darts", seed=0, epochs=2)`: a search with the smoke preset's settings; PT gets a finished supernet."""

    def build(method: str, seed: int = 0, **changes) -> Search:
        tables = read_preset("smoke")
        if changes:
            tables[method] = {**tables.get(method, {}), **changes}
        (run,) = plan(tables, [method], [seed])
        search = None
        for stage in run.stages:
            if search is not None:
                for _ in range(search.epochs):
                    search.epoch()
            kind = registry.load(stage.method)
            given = dataclasses.replace(problem, truth=truth) if kind.needs_truth else problem
            search = kind(given, stage.settings, seed, search)
        assert search is not None
        return search

    return build
