"""No pickle runs code, whatever it asks for."""

import collections
import io
import os
import pickle

import numpy as np
import pytest

from data.folder import DataError
from data.pickles import ARRAY_CLASSES, load_pickle


class Command:
    """Pickles as a call of `os.system`, as an attacker's file would."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_command_is_refused_by_name_and_not_run(tmp_path, protocol):
    content = pickle.dumps({"data": Command(f"touch {tmp_path / 'ran'}")}, protocol)
    with pytest.raises(DataError, match=r"batch asks for (posix|nt)\.system, .*do not trust it"):
        load_pickle(io.BytesIO(content), "batch", ARRAY_CLASSES)
    assert not (tmp_path / "ran").exists()


def test_even_a_harmless_class_is_refused_unless_admitted():
    content = pickle.dumps(collections.OrderedDict(a=1))
    with pytest.raises(DataError, match=r"collections\.OrderedDict"):
        load_pickle(io.BytesIO(content), "x", {})
    admitted = {"collections.OrderedDict": collections.OrderedDict}
    assert load_pickle(io.BytesIO(content), "x", admitted) == {"a": 1}


def test_an_admitted_class_gives_no_way_to_its_neighbours():
    content = b"cnumpy.dtype\n__init__.__globals__\n."
    with pytest.raises(DataError):
        load_pickle(io.BytesIO(content), "x", ARRAY_CLASSES)


def test_another_encoding_than_latin1_is_refused():
    content = b"c_codecs\nencode\n(Vx\nVrot13\ntR."
    with pytest.raises(DataError, match="rot13"):
        load_pickle(io.BytesIO(content), "x", ARRAY_CLASSES)


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("dtype", ["uint8", ">f8", "int64"])
def test_arrays_come_back_as_they_were(protocol, dtype):
    array = np.arange(12).reshape(3, 4).astype(dtype)
    back = load_pickle(io.BytesIO(pickle.dumps(array, protocol)), "x", ARRAY_CLASSES)
    assert back.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps([1, 2, 3])[:-3], b"\x80\x04K\x01R."])
def test_a_damaged_pickle_is_called_damaged(content):
    with pytest.raises(DataError, match="x is damaged or not a pickle"):
        load_pickle(io.BytesIO(content), "x", {})
