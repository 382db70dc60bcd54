"""What a GPU records, rehearsed on a CPU: a recorded step sees only its own inputs, and never asks the device."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from methods import recording, registry
from methods.gradient import GradientSearch
from methods.recording import Recorded

GRADIENT_METHODS = sorted(
    name for name in registry.names() if issubclass(found := registry.load(name), GradientSearch) and found.recordable
)


def rehearse(step, generators):
    """Records nothing: what does the step again is the step, on the inputs that stay in place."""
    return step


def test_the_first_call_is_carried_out_the_second_recorded_and_the_rest_replayed():
    seen, recorded_at = [], []

    def record(step, generators):
        recorded_at.append(len(seen))
        return step

    recorded = Recorded(lambda x: seen.append((x.tolist(), x.data_ptr())), record)
    inputs = [torch.tensor([float(i), -float(i)]) for i in range(4)]
    for given in (*inputs, torch.tensor([9.0]), inputs[0]):
        recorded(given)
    assert [values for values, _ in seen] == [[0, 0], [1, -1], [2, -2], [3, -3], [9], [0, 0]]
    assert recorded_at == [1]  # once, for the second call
    place = recorded.inputs[0].data_ptr()
    assert [pointer == place for _, pointer in seen] == [False, True, True, True, False, True]


def test_without_a_recorder_every_call_is_carried_out_on_its_own_inputs():
    seen = []
    recorded = Recorded(lambda x: seen.append(x.data_ptr()), None)
    inputs = [torch.zeros(1) for _ in range(3)]
    for given in inputs:
        recorded(given)
    assert seen == [given.data_ptr() for given in inputs]


def test_a_cpu_records_nothing():
    assert recording.recorder(torch.device("cpu")) is None
    assert recording.recorder(torch.device("cuda")) is recording.record_cuda_graph


@pytest.mark.parametrize("method", GRADIENT_METHODS)
def test_recorded_epochs_are_the_epochs(build, method, monkeypatch):
    plain = build(method, batch_size=16)
    expected = [plain.epoch() for _ in range(2)]
    monkeypatch.setattr(recording, "recorder", lambda device: rehearse)
    recorded = build(method, batch_size=16)
    assert [recorded.epoch() for _ in range(2)] == expected
    assert recorded.recorded.replay is not None
    assert torch.equal(recorded.alpha, plain.alpha)


@pytest.mark.parametrize("changes", [{}, {"path_per_cell": False}, {"clip": 0.5}, {"decay_undrawn": True, "lr": 0.01}])
def test_recorded_single_path_training_is_the_training(build, changes, monkeypatch):
    """To rounding: the operations off the path are computed and multiplied by zero."""
    plain = build("rlnas", batch_size=2, **changes)
    expected = [plain.epoch() for _ in range(2)]
    monkeypatch.setattr(recording, "recorder", lambda device: rehearse)
    recorded = build("rlnas", batch_size=2, **changes)
    found = [recorded.epoch() for _ in range(2)]
    assert recorded.training.drawn.all
    assert recorded.training.recorded.replay is not None
    for one, other in zip(expected, found, strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], rel=1e-5)
    for mine, theirs in zip(recorded.training.parameters, plain.training.parameters, strict=True):
        assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


class NoHost(TorchDispatchMode):
    """Refuses what makes the host wait for a GPU, or sends it something from the host."""

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        assert function.overloadpacket not in (
            torch.ops.aten._local_scalar_dense,  # .item(), float(tensor), if tensor
            torch.ops.aten.lift_fresh,  # torch.tensor([...])
            torch.ops.aten.nonzero,  # indexing by a mask
        ), f"{function} needs the host"
        return function(*arguments, **(keywords or {}))


class NoHostNorList(NoHost):
    """Refuses indexing too, since a list for an index would be sent from the host."""

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        assert function.overloadpacket is not torch.ops.aten.index, "an index may need the host"
        return super().__torch_dispatch__(function, types, arguments, keywords)


@pytest.mark.parametrize(
    "needing",
    [lambda x: x.sum().item(), lambda x: x[[0, 2]], lambda x: torch.tensor([1.0]) + x, lambda x: x[x > 0]],
    ids=["value", "list", "literal", "mask"],
)
def test_the_check_for_the_host_finds_it(needing):
    with pytest.raises(AssertionError, match="need"), NoHostNorList():
        needing(torch.arange(3.0))


class WithoutAdam:
    """Stands in for Adam, which on a CPU, unlike on a GPU, counts its steps on the host."""

    def step(self) -> None:
        pass


@pytest.mark.parametrize("method", GRADIENT_METHODS)
def test_a_step_never_needs_the_host(build, method, pytorch_layers):
    search = build(method)
    search.epoch()
    search.alpha_optimiser = WithoutAdam()
    batches: list[Tensor] = [*next(search.train.drawn(8, 1)), *next(search.valid.drawn(8, 1))]
    with NoHostNorList():
        search.both_steps(*batches)


@pytest.mark.parametrize("clip", ["off", 0.5])
def test_a_single_path_step_never_needs_the_host(build, clip, pytorch_layers):
    training = build("rlnas", clip=clip).training
    training.epoch()
    images, labels = next(training.train.shuffled(8))
    weights = torch.zeros(len(training.supernet.cells), 6, 5)
    weights[..., 3] = 1
    with NoHostNorList():
        training.masked_step(images, labels, weights)


def test_making_batches_never_needs_the_host(build):
    half = build("darts").train
    next(half.shuffled(8))  # mean and deviation are sent once
    with NoHost():
        list(half.shuffled(8))
        list(half.drawn(8, 3))


def test_a_state_of_a_gpu_goes_on_where_steps_are_counted_on_the_host(build):
    search = build("darts")
    search.epoch()
    state = deepcopy(search.state())
    for group in state["alpha_optimiser"]["param_groups"]:
        group["capturable"] = True  # as on a GPU
    other = build("darts")
    other.load(state)
    assert [group["capturable"] for group in other.alpha_optimiser.param_groups] == [False]
    assert other.epoch() == search.epoch()
