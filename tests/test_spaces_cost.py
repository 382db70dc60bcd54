"""Parameters and multiply-adds: against the network itself, and against the benchmark's table."""

from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from data.metrics import FLOPS, PARAMS
from data.shipped import read_shipped
from spaces import Cell, native
from spaces.nasbench201.cell import CONV3, NONE, NUM_CELLS
from spaces.nasbench201.cost import all_macs, all_parameters, macs, parameters
from spaces.nasbench201.network import CellNetwork

cells = st.integers(0, NUM_CELLS - 1).map(Cell.at)
sizes = {"channels": st.sampled_from([1, 3, 4]), "cells_per_stage": st.integers(1, 3), "classes": st.integers(2, 12)}


def network(cell: Cell, channels: int, cells_per_stage: int, classes: int) -> CellNetwork:
    return CellNetwork(cell, channels, cells_per_stage, classes, torch.Generator().manual_seed(0))


@settings(max_examples=40, deadline=None)
@given(cell=cells, **sizes)
def test_parameters_are_those_of_the_network(cell, channels, cells_per_stage, classes):
    actual = sum(p.numel() for p in network(cell, channels, cells_per_stage, classes).parameters())
    assert parameters(cell, channels, cells_per_stage, classes) == actual


@settings(max_examples=20, deadline=None)
@given(cell=cells, resolution=st.sampled_from([4, 8, 12]), **sizes)
def test_macs_are_those_of_the_layers_that_compute(cell, channels, cells_per_stage, classes, resolution):
    counted = 0

    def count(layer, _, output):
        nonlocal counted
        of_one_output = layer.weight[0].numel() + (layer.bias is not None)
        counted += of_one_output * output[0].numel()

    net = network(cell, channels, cells_per_stage, classes)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad(), mock.patch.object(native, "batch_last", lambda images: images):  # PyTorch's, layer by layer
        net(torch.zeros(2, 3, resolution, resolution))
    assert macs(cell, channels, cells_per_stage, classes, resolution) == counted


def test_an_image_that_the_network_cannot_halve_twice_is_refused():
    with pytest.raises(ValueError, match="multiple of 4"):
        macs(Cell.at(0), 16, 5, 10, 30)


def test_the_smallest_and_the_largest_network_of_the_benchmark():
    smallest, largest = Cell((NONE,) * 6), Cell((CONV3,) * 6)
    assert (parameters(smallest, 16, 5, 10), macs(smallest, 16, 5, 10, 32)) == (73_306, 7_783_050)
    assert (parameters(largest, 16, 5, 10), macs(largest, 16, 5, 10, 32)) == (1_531_546, 220_119_690)


def test_all_cells_at_once_by_position():
    of_parameters, of_macs = all_parameters(16, 5, 10), all_macs(16, 5, 10, 32)
    assert of_parameters.shape == of_macs.shape == (NUM_CELLS,)
    for position in [0, 1, 2, 3, 5, 15_624, *np.random.default_rng(0).integers(NUM_CELLS, size=200).tolist()]:
        cell = Cell.at(position)
        assert of_parameters[position] == parameters(cell, 16, 5, 10)
        assert of_macs[position] == macs(cell, 16, 5, 10, 32)


def test_all_cells_agree_with_the_benchmarks_table():
    """All 15,625 parameters and multiply-adds agree to the last unit."""
    table = read_shipped()
    assert (all_parameters(16, 5, 10) == table[PARAMS].array()).sum() == 15_625
    assert (all_macs(16, 5, 10, 32) == np.rint(table[FLOPS].array() * 1e6)).sum() == 15_625
