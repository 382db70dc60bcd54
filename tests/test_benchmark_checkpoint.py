"""Checkpoints: any state comes back as it was, and no damage is ever taken for a state."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from benchmark import checkpoint, generators
from benchmark.checkpoint import Checkpoint
from data.folder import DataError

leaves = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=5)
tensors = st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool]).flatmap(
    lambda kind: st.lists(st.integers(0, 1), max_size=4).map(lambda values: torch.tensor(values).to(kind))
)
keys = st.integers(0, 9) | st.text(max_size=5)
states = st.recursive(
    leaves | tensors, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)


def same(a, b) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def refuse(text: str) -> None:
    raise AssertionError(text)


@settings(max_examples=200)
@given(state=st.dictionaries(keys, states, max_size=4))
def test_whatever_is_written_is_read(tmp_path_factory, state):
    path = tmp_path_factory.mktemp("checkpoint") / "a.safetensors"
    checkpoint.write(path, Checkpoint(state, [{"genotype": "x", "loss": 1.5}], 2.5, {"torch": torch.arange(3)}))
    read = checkpoint.read(path, refuse)
    assert read is not None
    assert same(read.state, state)
    assert (read.rows, read.seconds) == ([{"genotype": "x", "loss": 1.5}], 2.5)
    assert same(read.random, {"torch": torch.arange(3)})


def written(path: Path, epochs: int) -> None:
    """Checkpoints of the first so many epochs, each of which tells its epoch."""
    for epoch in range(1, epochs + 1):
        state = {"weights": torch.full((40,), float(epoch)), "moments": {0: [torch.zeros(3), None]}, "name": "w"}
        checkpoint.write(path, Checkpoint(state, [{"genotype": "x"}] * epoch, 1.0))


def test_where_there_is_none_the_search_starts_anew(tmp_path):
    assert checkpoint.read(tmp_path / "none", refuse) is None


def test_of_two_epochs_both_are_kept_and_of_three_the_last_two(tmp_path):
    path = tmp_path / "a.safetensors"
    written(path, 3)
    (tmp_path / "a.safetensors").unlink()
    read = checkpoint.read(path, refuse)
    assert read is not None
    assert len(read.rows) == 2


def damages(whole: bytes, count: int) -> list[bytes]:
    """Bits turned, ends cut off, blocks lost, doubled, zeroed or exchanged, bytes put in."""
    chance = random.Random(0)
    made = [b"", whole[:8], b"\xff" * 16, b"\x00" * len(whole), whole + b"\0"]
    while len(made) < count:
        start, end = sorted(chance.sample(range(len(whole)), 2))
        block = whole[start:end]
        at = chance.randrange(len(whole))
        made.append(
            chance.choice(
                [
                    whole[:at] + bytes([whole[at] ^ 1 << chance.randrange(8)]) + whole[at + 1 :],
                    whole[:at],
                    whole[:start] + whole[end:],
                    whole[:end] + block + whole[end:],
                    whole[:start] + bytes(end - start) + whole[end:],
                    whole[:start] + block[::-1] + whole[end:],
                    whole[:at] + chance.randbytes(3) + whole[at:],
                ]
            )
        )
    return [content for content in made if content != whole]


def test_a_damaged_one_is_passed_over_and_the_one_before_is_used(tmp_path):
    path = tmp_path / "a.safetensors"
    written(path, 2)
    whole, before = path.read_bytes(), (tmp_path / "a.safetensors.previous").read_bytes()
    cases = damages(whole, 600)
    assert len(cases) > 500
    for content in cases:
        path.write_bytes(content)
        (tmp_path / "a.safetensors.previous").write_bytes(before)
        told: list[str] = []
        read = checkpoint.read(path, told.append)
        assert read is not None
        assert len(read.rows) == 1, "the epoch before"
        assert len(told) == 1
        assert "is damaged" in told[0]
        assert "\n" not in told[0]
        assert (tmp_path / "a.safetensors.damaged").read_bytes() == content, "nothing is thrown away"


def test_with_both_damaged_the_search_starts_anew(tmp_path):
    path = tmp_path / "a.safetensors"
    written(path, 2)
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:-1])
    told: list[str] = []
    assert checkpoint.read(path, told.append) is None
    assert len(told) == 2


@pytest.mark.parametrize("rest", ["{}", "[]", "nonsense", '{"state": {"tensor": "9"}}', "[" * 100_000, '{"a": 1}'])
def test_a_right_checksum_of_wrong_content_is_damage_too(tmp_path, rest):
    path = tmp_path / "a.safetensors"
    tensors = {"0": torch.zeros(3)}
    digest = checkpoint._digest(tensors, rest)
    path.write_bytes(save(tensors, metadata={"checkpoint": rest, "sha256": digest}))
    told: list[str] = []
    assert checkpoint.read(path, told.append) is None
    assert len(told) == 1


def test_what_cannot_be_read_is_not_taken_for_absent(tmp_path):
    """As a file of another user's, or one on a disk that has gone away."""
    (tmp_path / "a.safetensors").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        checkpoint.read(tmp_path / "a.safetensors", refuse)


def test_the_one_before_stays_where_the_next_cannot_be_written(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    written(path, 2)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="No space left"):
        written(path, 1)
    monkeypatch.undo()
    read = checkpoint.read(path, refuse)
    assert read is not None
    assert len(read.rows) == 2
    assert not list(tmp_path.glob("*.partial"))


def test_all_generators_go_on_where_they_were(tmp_path):
    def draw():
        return (
            *(random.random(), random.gauss(0, 1), np.random.random(), np.random.standard_normal()),  # noqa: NPY002
            torch.rand(()).item(),
        )

    device = torch.device("cpu")
    generators.seed_all(2**62 + 1)
    draw()
    path = tmp_path / "a.safetensors"
    checkpoint.write(path, Checkpoint({}, [], 0.0, generators.states(device)))
    expected = [draw() for _ in range(3)]
    generators.seed_all(0)
    read = checkpoint.read(path, refuse)
    assert read is not None
    generators.restore(read.random, device)
    assert [draw() for _ in range(3)] == expected
