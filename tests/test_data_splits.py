"""Split files in the official form."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.folder import DataError
from data.splits import read_split


def write(folder, content):
    path = folder / "split.txt"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@given(st.permutations(range(20)), st.integers(0, 20))
def test_the_parts_come_back_in_their_order(tmp_path_factory, order, cut):
    halves = {"train": order[:cut], "valid": order[cut:]}
    content = {name: ["int", [str(number) for number in part]] for name, part in halves.items()}
    parts = read_split(write(tmp_path_factory.mktemp("split"), content), 20)
    assert {name: part.tolist() for name, part in parts.items()} == halves
    assert all(part.dtype == np.int64 for part in parts.values())


def test_the_layout_of_the_official_file_is_read(tmp_path):
    official = '{\n  "xvalid"             : ["int"   , ["1", "3"]],\n  "xtest"              : ["int"   , ["0", "2"]]\n}'
    parts = read_split(write(tmp_path, official), 4)
    assert {name: part.tolist() for name, part in parts.items()} == {"xvalid": [1, 3], "xtest": [0, 2]}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("nonsense", "is no split file"),
        ("[1, 2]", "is no split file"),
        ({"train": ["1", "2"]}, "is no split file"),
        ({"train": ["float", ["1"]]}, "train holds 'float', not 'int'"),
        ({"train": ["int", ["one"]]}, "is no split file"),
        ({"train": ["int", ["50000"]]}, "it names image 50,000, of 50,000 images counted from 0"),
        ({"train": ["int", ["-1"]]}, "splits another set"),
        ({"train": ["int", ["1", "2"]], "valid": ["int", ["2"]]}, "names an image twice"),
    ],
)
def test_other_content_is_refused(tmp_path, content, complaint):
    with pytest.raises(DataError, match=complaint):
        read_split(write(tmp_path, content), 50_000)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"split\.txt' cannot be read \(No such file"):
        read_split(tmp_path / "split.txt", 10)
