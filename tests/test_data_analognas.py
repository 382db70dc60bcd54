"""AnalogNAS-Bench: read without its code, and each number at the cell it belongs to."""

import io
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.analognas import find_file, read_analognas
from data.folder import DataError
from data.truth import open_truth
from spaces import Cell
from spaces.nasbench201.cell import OPERATIONS


@pytest.fixture(scope="module")
def truth():
    return open_truth("analognas", Path("nowhere"))


def test_a_cell_is_found_under_the_tables_own_code(truth):
    """The whole table once more, each row decoded by the rule in words: code and edge order."""
    code = {"skip_connect": 0, "none": 1, "nor_conv_3x3": 2, "nor_conv_1x1": 3, "avg_pool_3x3": 4}

    class Records(pickle.Unpickler):
        def find_class(self, module, name):
            return type(name, (), {})

    records = Records(io.BytesIO(find_file().read_bytes())).load()
    for cell in Cell.all():
        on = dict(zip([(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)], cell.operations, strict=True))
        key = tuple(code[OPERATIONS[on[edge]]] for edge in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)))
        assert truth.query(cell) == {"cifar10_test": records[key].baseline_accuracy}


def test_it_agrees_with_nas_bench_201(truth):
    theirs = truth.accuracies["cifar10_test"]
    ours = open_truth("nasbench201", Path("nowhere")).accuracies["cifar10_test"]
    assert np.corrcoef(theirs, ours)[0, 1] == pytest.approx(0.9994, abs=5e-5)
    assert np.abs(theirs - ours).mean() == pytest.approx(0.39, abs=5e-3)


def test_a_cell_that_hands_nothing_on_guesses_and_convolutions_learn(truth):
    assert truth.query(Cell((0, 0, 0, 0, 0, 0)))["cifar10_test"] == 10.0
    assert truth.query(Cell((3, 3, 3, 3, 3, 3)))["cifar10_test"] > 93


def test_another_class_in_the_file_is_refused_by_name():
    content = pickle.dumps({(0,) * 6: subprocess.Popen})
    with pytest.raises(DataError, match=r"data\.anb asks for subprocess\.Popen"):
        read_analognas(content, "data.anb")


@pytest.mark.parametrize("records", [[], {}, {(0,) * 5: 1}, {(9,) * 6: 1}, {(0,) * 6: 1}, {"x": None}])
def test_anything_but_the_whole_table_is_refused(records):
    with pytest.raises(DataError, match=r"data\.anb (lacks|is not).*reinstall analog-nasbench==0\.1\.3"):
        read_analognas(pickle.dumps(records), "data.anb")


def test_opening_imports_neither_the_package_nor_the_heavy_ones():
    script = (
        "import sys; from pathlib import Path; from data.truth import open_truth; open_truth('analognas', Path('x'));"
        "print(sorted({'analognasbench', 'pandas', 'torch', 'pyarrow', 'pooch', 'sklearn'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[1]
    result = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
