"""What is in the data folder, what is missing, and how to get it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data import DOWNLOADS, IMPORTED, imagenet16, nasbench201
from data.analognas import DISTRIBUTION, find_file
from data.cifar import CIFAR10, CIFAR100, Publication, fetch_cifar
from data.folder import DataError, Progress
from data.nasbench201 import RELEASE, RELEASE_PAGE, download_nasbench201
from data.shipped import read_shipped
from data.splits import FILE as FILE_OF_SPLIT
from data.splits import PAGE, official_split


@dataclass(frozen=True)
class Status:
    """One thing that the data folder can hold."""

    what: str
    state: Literal["there", "incomplete", "damaged", "missing", "optional"]
    """Files of images are checked by hash when they are opened, not here."""
    details: str
    """What is there and where, or how to get it."""


def download(name: str, folder: Path, progress: Progress | None = None) -> Path:
    """Fetch a table or data set from its canonical site into `folder`, unless it is there.

    Returns:
        Where it is: a file of the table, or the folder of the images.

    Raises:
        DataError: for an unknown name, or where it cannot be had; says which file to put where.
    """
    if name not in DOWNLOADS:
        raise DataError(f"there is nothing called {name!r} to download; choose one of {', '.join(DOWNLOADS)}")
    if name == "nb201":
        return download_nasbench201(folder, progress)
    publication = CIFAR10 if name == "cifar10" else CIFAR100
    if publication.python.lies_in(folder) and not publication.binary.lies_in(folder):
        return folder / publication.python.folder
    fetch_cifar(publication, folder, progress)
    return folder / publication.binary.folder


def status(folder: Path) -> list[Status]:
    """Everything the program can use, in the order in which it is wanted."""
    return [
        _nasbench201(),
        _release(folder),
        _analognas(),
        _cifar(CIFAR10, "cifar10", folder),
        _cifar(CIFAR100, "cifar100", folder),
        _imagenet16(folder),
        _split(folder),
        Status("digits", "there", "comes with scikit-learn"),
    ]


def _nasbench201() -> Status:
    what = "NAS-Bench-201"
    try:
        read_shipped()
    except DataError as error:
        return Status(what, "damaged", str(error))
    return Status(what, "there", "comes with the program, all 15,625 cells; check it: python -m benchmark data verify")


def _release(folder: Path) -> Status:
    """What is imported of an official release, which nobody needs."""
    what, path = "its release", folder / IMPORTED
    if path.exists():
        try:
            _, provenance = nasbench201.read_table(path)
        except DataError as error:
            return Status(what, "damaged", str(error))
        compared = provenance.compared or "imported by an earlier version; import it again to see its numbers"
        return Status(what, "there", f"{path}, from {provenance.source}: {compared}")
    if (folder / RELEASE).exists():
        return Status(
            what, "incomplete", f"downloaded, not imported: python -m benchmark data import {folder / RELEASE}"
        )
    get = f"python -m benchmark data download nb201 (5 GB), or get {RELEASE} from {RELEASE_PAGE} and data import it"
    missing = _missing(what, folder / RELEASE, get)
    if missing.state == "incomplete":
        return missing
    return Status(what, "optional", f"it adds single test runs, and runs of 12 epochs: {get}")


def _analognas() -> Status:
    what = "AnalogNAS-Bench"
    try:
        find_file()
    except DataError as error:
        return Status(what, "missing", str(error))
    return Status(what, "there", f"comes with {DISTRIBUTION}; a second opinion, or --truth analognas")


def _cifar(publication: Publication, name: str, folder: Path) -> Status:
    for layout in (publication.binary, publication.python):
        if layout.lies_in(folder):
            return Status(publication.title, "there", str(folder / layout.folder))
    get = f"python -m benchmark data download {name}, or {publication.by_hand(folder)}"
    return _missing(publication.title, folder / publication.archive, get)


def _imagenet16(folder: Path) -> Status:
    if imagenet16.lies_in(folder):
        return Status("ImageNet16-120", "there", str(folder / imagenet16.FOLDER))
    return Status("ImageNet16-120", "missing", imagenet16.by_hand(folder))


def _split(folder: Path) -> Status:
    try:
        split = official_split(folder)
    except DataError as error:
        return Status(FILE_OF_SPLIT, "damaged", str(error))
    if split is not None:
        return Status(FILE_OF_SPLIT, "there", f"{split.path}: the halves of CIFAR-10 in `paper`")
    return Status(FILE_OF_SPLIT, "missing", f"get it from {PAGE} and run python -m benchmark data import FILE")


def _missing(what: str, target: Path, get: str) -> Status:
    """How to get it, and how much a broken-off download brought already."""
    partial = target.with_name(f"{target.name}.part")
    if partial.exists():
        return Status(what, "incomplete", f"{partial.stat().st_size:,} bytes arrived; go on with {get}")
    return Status(what, "missing", get)
