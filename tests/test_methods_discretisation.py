"""The measurement of every operation on every edge."""

import numpy as np
import pytest
import torch

from spaces import Cell
from spaces.nasbench201.cell import CONV3, OPERATIONS, SKIP


def test_every_measurement_starts_from_the_same_supernet(build):
    whole, other = build("discretisation"), build("discretisation")
    rows = [whole.epoch() for _ in range(3)]
    other.accuracies = [0.0, 0.0]  # as though two had been measured
    assert other.epoch() == rows[2]


def test_it_records_the_edge_the_operation_and_the_weight_of_alpha(build):
    search = build("discretisation")
    weights = search.trained.weights().detach()
    rows = [search.epoch() for _ in range(7)]
    assert [(row["edge"], row["operation"]) for row in rows] == [
        *((0, name) for name in OPERATIONS),
        (1, "none"),
        (1, "skip_connect"),
    ]
    assert [row["weight"] for row in rows] == pytest.approx(weights.flatten()[:7].tolist())


def test_the_edge_is_decided_before_the_fine_tuning_and_alone(build, monkeypatch):
    search = build("discretisation", finetune_epochs=2)
    search.accuracies = [0.0] * 8
    seen = []
    alternate = search.trained.alternate
    monkeypatch.setattr(
        search.trained, "alternate", lambda how: (seen.append(search.trained.decided.tolist()), alternate(how))[1]
    )
    search.epoch()
    assert seen == [[-1, CONV3, -1, -1, -1, -1]] * 2
    assert search.trained.weight_optimiser.param_groups[0]["lr"] == search.settings.finetune_lr


def test_masking_a_dead_operation_costs_nothing(build):
    assert build("discretisation").epoch()["pt_score"] == 0  # `none` on the first edge


def test_the_cell_is_of_the_best_accuracy_where_measured_and_of_alpha_elsewhere(build):
    search = build("discretisation")
    magnitude = search.alternative_cell()[1]
    assert search.cell() == magnitude
    search.accuracies = [1.0, 9.0, 2.0, 3.0, 9.0, 50.0, 60.0]
    assert search.cell() == Cell((SKIP, *magnitude.operations[1:]))
    search.accuracies = np.tile([0.0, 1.0, 2.0, 3.0, 2.0], 6).tolist()
    assert search.cell() == Cell((CONV3,) * 6)


def test_it_goes_on_from_its_state(build):
    search, resumed = build("discretisation"), build("discretisation")
    search.epoch()
    state = search.state()
    with torch.no_grad():
        resumed.trained.alpha.zero_()
    resumed.load(state)
    assert search.epoch() == resumed.epoch()
    assert search.cell() == resumed.cell()
