"""NAS-Bench-201 as it comes with the program: whole numbers in one safetensors file, a place a cell by `Cell.position`.

An accuracy is a count of rightly classified images and is kept as one; of several runs of which only the mean is known,
the sum of their counts and their number. `nasbench201-counts.md` beside the file says where the numbers come from, what
was checked, and under which licence they are. Its tensors:

- `METRIC_200_seedSEED`: of a validation metric, the count of one run; 0 stands for no such run.
- `METRIC_200_sum` of the test metrics and `METRIC_12_sum` of all: the sum of the counts of all runs.
- `runs_200`, `runs_12`: the number of runs, a row for each of `TRAININGS`, a column a cell or one for all.
- `train_seconds_TRAINING_200`: seconds of one training, to the microsecond.
- `index`, `params`, `operations`: the place in the official order; weights and operations of the CIFAR-10 network.

Reading takes neither NumPy nor any other package, since to import one takes longer than a query may.
"""

from __future__ import annotations

import json
import sys
import zlib
from array import array
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.columns import Column
from data.folder import DataError
from data.metrics import (
    EPOCHS,
    FLOPS,
    IMAGES,
    INDEX,
    METRICS,
    PARAMS,
    PUBLISHED,
    SEEDS,
    TRAINING_OF_METRIC,
    TRAININGS,
    accuracy_column,
    runs_column,
    seconds_column,
)
from spaces import NASBENCH201

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from data.measurements import Measurements

FILE = Path(__file__).with_name("nasbench201-counts.safetensors")

CRC32 = 0x25672E07
"""Of that file. A cryptographic hash would say no more of a file that lies beside this one, and to load the library of
those takes longer than all the rest."""

RUN_BY_RUN = tuple(metric for metric in METRICS if metric.endswith("_valid"))
"""The metrics whose runs of 200 epochs are kept one by one."""

TIMED = ("cifar10-valid", "cifar100", "imagenet16-120")
"""The trainings whose seconds are kept; CIFAR-10's whole takes twice as long as its half."""

MILLION = 1_000_000

_CODES = {"U8": "B", "U16": "H", "U32": "I", "F64": "d"}
"""The format's number types, as `array` calls them."""


def read_shipped() -> dict[str, Column]:
    """The columns of the table, by the names of `data.metrics`.

    Raises:
        DataError: where the file is not there, or not as it was published.
    """
    try:
        content = FILE.read_bytes()
    except OSError as error:
        raise DataError(f"{FILE} cannot be read ({error.strerror}): install replica-201 again") from error
    if zlib.crc32(content) != CRC32:
        raise DataError(f"{FILE} is damaged, or not that of this version: install replica-201 again")
    return decode(content)


def decode(content: bytes) -> dict[str, Column]:
    """The columns of a file that `encode` made."""
    tensors = _tensors(content)
    columns: dict[str, Column] = {
        INDEX: _Numbers(tensors["index"]),
        PARAMS: _Numbers(tensors["params"]),
        FLOPS: _Numbers(tensors["operations"], divisor=MILLION),
    }
    for training in TIMED:
        name = seconds_column(training, PUBLISHED)
        columns[name] = _Numbers(tensors[name])
    for epochs in EPOCHS:
        runs = tensors[f"runs_{epochs}"].tobytes()
        size = len(runs) // len(TRAININGS)
        runs_of = {training: runs[place * size :][:size] for place, training in enumerate(TRAININGS)}
        columns |= {runs_column(training, epochs): _Numbers(number) for training, number in runs_of.items()}
        for metric in METRICS:
            name = accuracy_column(metric, epochs)
            if epochs == PUBLISHED and metric in RUN_BY_RUN:
                counts = {seed: tensors[f"{name}_seed{seed}"] for seed in SEEDS}
                for seed, numbers in counts.items():
                    columns[accuracy_column(metric, epochs, seed)] = _Run(numbers, IMAGES[metric])
                parts = list(counts.values())
            else:
                parts = [tensors[f"{name}_sum"]]
            columns[name] = _Mean(parts, runs_of[TRAINING_OF_METRIC[metric]], IMAGES[metric])
    return columns


def _tensors(content: bytes) -> dict[str, array[Any]]:
    """The tensors of a safetensors file, flat: 8 bytes that hold the length of a JSON header, that, and the numbers."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    tensors = {}
    for name, tensor in header.items():
        first, end = tensor["data_offsets"]
        numbers = array(_CODES[tensor["dtype"]], content[start + first : start + end])
        if sys.byteorder == "big":
            numbers.byteswap()
        tensors[name] = numbers
    return tensors


class _Numbers(Column):
    """Numbers as they are, or by a divisor; of each cell, or one for all."""

    def __init__(self, numbers: Sequence[float], divisor: int = 1) -> None:
        self._numbers = numbers
        self._divisor = divisor

    def value(self, index: int) -> float | None:
        return self._numbers[index if len(self._numbers) > 1 else 0] / self._divisor

    def array(self) -> NDArray[np.float64]:
        import numpy as np

        return np.broadcast_to(np.array(list(self._numbers), np.float64) / self._divisor, len(NASBENCH201))


class _Run(Column):
    """The accuracies of one run of each cell, where it has such a one."""

    def __init__(self, counts: Sequence[int], images: int) -> None:
        self._counts = counts
        self._images = images

    def value(self, index: int) -> float | None:
        count = self._counts[index]
        return _percent(count, self._images) if count else None

    def array(self) -> NDArray[np.float64]:
        import numpy as np

        counts = np.array(self._counts, np.float64)
        return np.where(counts > 0, 100 * counts / self._images, np.nan)


class _Mean(Column):
    """The mean accuracies of all runs. Ranks come from whole numbers."""

    def __init__(self, counts: Sequence[Sequence[int]], runs: bytes, images: int) -> None:
        """`counts` are to be added up, (15,625,) each; `runs` is their number, of each cell or one for all, and never
        0; `images` are those that one run counts."""
        self._counts = counts
        self._runs = runs
        self._images = images

    def value(self, index: int) -> float | None:
        return _percent(self._sum(index), self._runs_of(index) * self._images)

    def array(self) -> NDArray[np.float64]:
        import numpy as np

        sums = np.sum([np.array(counts, np.float64) for counts in self._counts], axis=0)
        return np.asarray(100 * sums / (np.frombuffer(self._runs, np.uint8) * float(self._images)))

    def rank(self, index: int) -> int:
        mine, runs_of_mine = self._sum(index), self._runs_of(index)
        better = 0
        for runs, sums in self._by_runs.items():
            as_good = mine * runs // runs_of_mine
            better += len([1 for count in sums if count > as_good])
        return 1 + better

    def best(self) -> float:
        return max(_percent(max(sums), runs * self._images) for runs, sums in self._by_runs.items())

    def _sum(self, index: int) -> int:
        return sum(counts[index] for counts in self._counts)

    def _runs_of(self, index: int) -> int:
        return self._runs[index if len(self._runs) > 1 else 0]

    @cached_property
    def _by_runs(self) -> Mapping[int, Sequence[int]]:
        """For each number of runs the sums of the cells that have so many."""
        sums = self._counts[0] if len(self._counts) == 1 else list(map(sum, zip(*self._counts, strict=True)))
        if len(self._runs) == 1:
            return {self._runs[0]: sums}
        groups = {}
        for runs in set(self._runs):
            chosen = self._runs.translate(bytes(number == runs for number in range(256)))
            groups[runs] = list(compress(sums, chosen))
        return groups


def _percent(count: int, images: int) -> float:
    return 100 * count / images


def encode(measurements: Measurements, what: str) -> bytes:
    """The file of a whole table, the same to the last bit from every source of the same numbers.

    Raises:
        DataError: where numbers are missing that the file has a place for, or an accuracy is no count of images.
    """
    import numpy as np
    import safetensors.numpy

    from data.measurements import MOST_RUNS, ROUNDING

    columns = measurements.columns

    def numbers(name: str) -> NDArray[np.float64]:
        if name not in columns or not np.isfinite(columns[name]).all():
            raise DataError(f"{what} lacks {name}, of some cells or of all, and no table can be made of it")
        return columns[name]

    def runs_of(training: str, epochs: int) -> NDArray[np.float64]:
        """As the source says or, where it says nothing, the fewest that make every accuracy a count."""
        if (name := runs_column(training, epochs)) in columns:
            return numbers(name)
        metrics = [metric for metric, of_metric in TRAINING_OF_METRIC.items() if of_metric == training]
        for runs in range(1, MOST_RUNS + 1):
            counts = [numbers(accuracy_column(metric, epochs)) * runs * IMAGES[metric] / 100 for metric in metrics]
            if all(np.allclose(count, np.rint(count), 0, ROUNDING) for count in counts):
                break
        return np.full(len(NASBENCH201), float(runs))

    def whole(values: NDArray[np.float64], kind: type[np.unsignedinteger[Any]], name: str) -> NDArray[Any]:
        rounded = np.rint(values)
        if np.any(np.abs(values - rounded) > 1e-3) or np.any(rounded < 0) or np.any(rounded > np.iinfo(kind).max):
            raise DataError(f"{what} holds in {name} what is no count of its kind, and no table can be made of it")
        return rounded.astype(kind)

    tensors = {
        "index": whole(numbers(INDEX), np.uint16, INDEX),
        "params": whole(numbers(PARAMS), np.uint32, PARAMS),
        "operations": whole(numbers(FLOPS) * MILLION, np.uint32, FLOPS),
    }
    for training in TIMED:
        name = seconds_column(training, PUBLISHED)
        tensors[name] = numbers(name).round(6)
    for epochs in EPOCHS:
        runs = np.stack([runs_of(training, epochs) for training in TRAININGS])
        if (runs == runs[:, :1]).all():
            runs = runs[:, :1]
        tensors[f"runs_{epochs}"] = whole(runs, np.uint8, f"runs_{epochs}")
        for metric, images in IMAGES.items():
            name = accuracy_column(metric, epochs)
            of_metric = runs[TRAININGS.index(TRAINING_OF_METRIC[metric])]
            sums = whole(numbers(name) * of_metric * images / 100, np.uint32, name)
            if epochs == PUBLISHED and metric in RUN_BY_RUN:
                counts = {}
                for seed in SEEDS:
                    run = columns.get(accuracy_column(metric, epochs, seed), np.full(len(NASBENCH201), np.nan))
                    counts[f"{name}_seed{seed}"] = whole(np.nan_to_num(run) * images / 100, np.uint16, f"{name}_seed")
                together = np.stack(list(counts.values()))
                if np.any(together.sum(0) != sums) or np.any((together > 0).sum(0) != of_metric):
                    raise DataError(
                        f"{what} holds in {name} what is not the mean of the runs {', '.join(counts)}, and no table "
                        "can be made of it"
                    )
                tensors |= counts
            else:
                tensors[f"{name}_sum"] = whole(sums, np.uint16, name)
    return safetensors.numpy.save(tensors)
