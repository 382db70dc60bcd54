"""A space knows its cells and where they stand in the whole; a restricted one is searched as if there were no more."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from benchmark.cli import main
from benchmark.testing import by_hand
from data.truth import open_truth
from methods import registry
from spaces import NASBENCH201, Cell, CellError, SpaceError, named, native
from spaces.nasbench201.cell import OPERATIONS
from spaces.nasbench201.supernet import Supernet

subsets = st.lists(st.sampled_from(OPERATIONS), min_size=2, max_size=4, unique=True)
S2 = NASBENCH201.restricted(["nor_conv_3x3", "skip_connect"])


def test_the_whole_space_counts_cells_by_position() -> None:
    for position in (0, 1, 7812, 15_624):
        cell = Cell.at(position)
        assert NASBENCH201.index(cell) == cell.position == position
        assert NASBENCH201.at(position) == cell
    assert (NASBENCH201.positions == np.arange(len(NASBENCH201))).all()
    assert NASBENCH201.choices[7812].tolist() == list(Cell.at(7812).operations)


@settings(deadline=None)
@given(subsets, st.data())
def test_a_restricted_space_has_exactly_the_cells_of_its_operations(operations, data) -> None:
    space = NASBENCH201.restricted(operations)
    assert len(space) == len(operations) ** 6
    numbers = {OPERATIONS.index(operation) for operation in operations}
    index = data.draw(st.integers(0, len(space) - 1))
    cell = space.at(index)
    assert set(cell.operations) <= numbers
    assert space.index(cell) == index
    assert space.positions[index] == cell.position
    assert space.indices(space.choices[[index]]).tolist() == [index]
    assert space.parse(str(cell)) == cell
    outside = Cell(tuple(set(range(5)) - numbers)[:1] * 6)
    assert outside not in space
    with pytest.raises(CellError, match="has not"):
        space.parse(str(outside))


@given(subsets)
def test_a_space_is_one_object_however_it_is_named_or_copied(operations) -> None:
    space = NASBENCH201.restricted(operations)
    assert NASBENCH201.restricted(operations[::-1]) is space
    assert named(space.name) is space
    assert pickle.loads(pickle.dumps(space)) is space
    assert copy.deepcopy(space) is space


def test_paths_lead_from_the_input_to_the_output() -> None:
    assert NASBENCH201.paths == ((3,), (1, 5), (0, 2, 5), (0, 4))
    for path in NASBENCH201.paths:
        nodes = [0, *(NASBENCH201.edges[edge][1] for edge in path)]
        assert [NASBENCH201.edges[edge][0] for edge in path] == nodes[:-1]
        assert nodes[-1] == 3


@pytest.mark.parametrize("text", ["", "nasbench101", "nasbench201: ", "nasbench201: none", "nasbench201: none, conv"])
def test_other_names_are_no_space(text: str) -> None:
    with pytest.raises(SpaceError):
        named(text)


@pytest.mark.parametrize("metric", ["cifar10_test", "imagenet16-120_valid"])
def test_the_truth_of_a_restricted_space_is_that_of_its_cells(metric: str) -> None:
    whole = open_truth(None, Path())
    part = whole.within(S2)
    known = {cell: whole.query(cell)[metric] for cell in map(S2.at, range(len(S2)))}
    best = max(known.values())
    for cell, accuracy in known.items():
        assert part.query(cell)[metric] == accuracy
        assert part.regret(cell, metric) == pytest.approx(best - accuracy, abs=1e-12)
        assert part.rank(cell, metric) == 1 + sum(other > accuracy for other in known.values())
    assert part.mean(metric) == pytest.approx(np.mean(list(known.values())))
    assert part.quantiles(metric, [0, 1]).tolist() == [min(known.values()), best]
    assert part.record(S2.at(5)).measurements[0].runs == whole.record(S2.at(5)).measurements[0].runs
    assert part != whole
    assert whole.within(NASBENCH201) is whole


def embedded(part: Supernet, classes: int = 3) -> Supernet:
    """A supernet of the whole space that has the weights of a restricted one."""
    whole = NASBENCH201.supernet(4, 1, classes, torch.Generator().manual_seed(9)).double()
    whole.load_state_dict(part.state_dict(), strict=False)
    return whole


@pytest.mark.parametrize("layers", ["compiled", "torch"])
@pytest.mark.parametrize("operations", [("skip_connect", "nor_conv_3x3"), ("none", "nor_conv_1x1", "avg_pool_3x3")])
def test_a_restricted_supernet_is_the_whole_one_without_the_other_operations(layers, operations) -> None:
    if layers == "compiled" and (reason := native.why_unavailable()):
        pytest.skip(reason)
    space = NASBENCH201.restricted(operations)
    part = space.supernet(4, 1, 3, torch.Generator().manual_seed(0)).double()
    whole = embedded(part)
    part.layers = whole.layers = layers
    assert sum(p.numel() for p in part.parameters()) < sum(p.numel() for p in whole.parameters())
    images = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    weights = torch.rand(space.shape, generator=torch.Generator().manual_seed(2)).double().requires_grad_()
    every = torch.zeros(6, 5, dtype=torch.float64)
    columns = [OPERATIONS.index(operation) for operation in space.operations]
    every[:, columns] = weights.detach()
    every.requires_grad_()
    found, expected = part(images, weights), whole(images, every)
    assert_close(found, expected)
    assert_close(
        *(
            torch.autograd.grad(y.square().sum(), w)[0][:, c]
            for y, w, c in ((found, weights, slice(None)), (expected, every, columns))
        )
    )
    cell = space.at(len(space) // 2)
    assert_close(part.forward_path(images, [cell] * 3), whole.forward_path(images, [cell] * 3))
    drawn = space.one_hot(torch.tensor(space.choices_of(cell))).double()
    assert_close(part.forward_sampled(images, cell, drawn), whole.forward_path(images, [cell] * 3))


def test_a_method_that_needs_an_operation_is_refused_without_it(capsys, tmp_path) -> None:
    changes = ["--set", "problem.operations=none,nor_conv_3x3"]
    code = main(
        ["run", "--methods", "darts-minus", "--seeds", "1", "--preset", "smoke", "--out", str(tmp_path), *changes]
    )
    assert code == 2
    assert "darts-minus has no meaning without skip_connect" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["skip_connect", "skip_connect,skip_connect", "skip_connect,conv", ""])
def test_operations_that_make_no_space_are_refused(capsys, tmp_path, wrong) -> None:
    command = ["run", "--methods", "random", "--seeds", "1", "--preset", "smoke", "--out", str(tmp_path / "out")]
    assert main([*command, "--set", f"problem.operations={wrong}"]) == 2
    assert "problem.operations" in capsys.readouterr().err
    assert not (tmp_path / "out" / "runs.csv").exists()


def test_a_restricted_run_ends_in_its_space(tmp_path) -> None:
    out = tmp_path / "out"
    command = [
        "run",
        "--methods",
        "darts,bdarts,pt,rlnas,gdas,sgas,pc-darts,random-search,evolution,spos",
        "--seeds",
        "1",
    ]
    command += ["--preset", "smoke", "--jobs", "2", "--out", str(out)]
    assert main([*command, "--set", "problem.operations=nor_conv_3x3,skip_connect"]) == 0
    runs = pd.read_csv(out / "runs.csv")
    assert set(runs["space"]) == {"nasbench201: skip_connect, nor_conv_3x3"}
    truth = open_truth(None, Path()).within(S2)
    for row in runs.to_dict("records"):
        cell = S2.parse(row["genotype"])
        assert row["rank"] == truth.rank(cell, row["metric"]) <= 64
        assert row["regret"] == pytest.approx(truth.regret(cell, row["metric"]))
    weights = pd.read_csv(out / "history.csv")["weights"].dropna().iloc[0].split()
    assert len(weights) == 12
    summary = (out / "summary.md").read_text()
    assert "of all 64" in summary
    # the same operations in another order are the same settings, and all operations other ones
    assert main([*command, "--set", "problem.operations=skip_connect,nor_conv_3x3"]) == 0
    assert main(command) == 2
    best = pd.read_csv(out / "summary.csv").set_index("method").loc["optimal", "cifar10_test_mean"]
    assert best == pytest.approx(max(truth.accuracies["cifar10_test"]))


def test_a_step_by_hand_takes_a_restricted_space() -> None:
    search = by_hand(registry.load("darts"), space=S2, channels=4)
    assert search.alpha.shape == (6, 2)
