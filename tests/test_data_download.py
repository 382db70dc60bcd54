"""Downloads from a server of our own: whole, broken off, resumed, refused."""

import dataclasses
import hashlib
import http.server
import io
import tarfile
import threading

import numpy as np
import pytest
from serving import serving

from data import cifar, inventory, nasbench201
from data.cifar import CIFAR100
from data.download import Unreachable, fetch
from data.folder import DataError
from data.inventory import Status, download, status

CONTENT = np.random.default_rng(0).bytes(3_500_000)
HASH = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves what its server holds, with ranges, and counts the bytes it sent."""

    def do_GET(self):
        server = self.server
        server.requests.append(self.headers.get("Range"))
        content = server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = 0
        if server.ranges and (asked := self.headers.get("Range")):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", server.kind)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:][: server.break_after]
        server.sent += len(body)
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with serving(Handler) as server:
        server.files, server.requests, server.sent = {"/file.bin": CONTENT}, [], 0
        server.ranges, server.kind, server.break_after = True, "application/octet-stream", None
        yield server


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_file_arrives_whole_with_progress(server, tmp_path):
    news = []
    fetch(f"{server.url}/file.bin", HASH, tmp_path / "new" / "file.bin", lambda *args: news.append(args))
    assert (tmp_path / "new" / "file.bin").read_bytes() == CONTENT
    assert visible(tmp_path / "new") == ["file.bin"]
    done = [at for _, at, _ in news]
    assert done == sorted(done) and done[-1] == len(CONTENT)
    assert {(what, total) for what, _, total in news} == {("file.bin", len(CONTENT))}


def test_a_file_that_is_there_is_not_fetched_again(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(CONTENT)
    fetch(f"{server.url}/file.bin", HASH, tmp_path / "file.bin")
    assert server.requests == []


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path):
    server.break_after = 1_000_000
    for arrived in (1_000_000, 2_000_000, 3_000_000):
        with pytest.raises(Unreachable, match=r"file\.bin"):
            fetch(f"{server.url}/file.bin", HASH, tmp_path / "file.bin")
        assert visible(tmp_path) == ["file.bin.part"]
        assert (tmp_path / "file.bin.part").stat().st_size == arrived
    fetch(f"{server.url}/file.bin", HASH, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.requests == [None, "bytes=1000000-", "bytes=2000000-", "bytes=3000000-"]
    assert server.sent == len(CONTENT)
    assert visible(tmp_path) == ["file.bin"]


def test_an_interrupt_keeps_what_arrived(server, tmp_path):
    def stop(what, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(f"{server.url}/file.bin", HASH, tmp_path / "file.bin", stop)
    assert visible(tmp_path) == ["file.bin.part"]
    fetch(f"{server.url}/file.bin", HASH, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.requests[1] == f"bytes={1 << 18}-"


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.ranges = False
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:1000])
    fetch(f"{server.url}/file.bin", HASH, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_whole_partial_file_only_needs_its_name(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    fetch(f"{server.url}/file.bin", HASH, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.sent == 0


@pytest.mark.parametrize("spoil", ["content", "part"])
def test_a_wrong_checksum_leaves_nothing(server, tmp_path, spoil):
    if spoil == "content":
        server.files["/file.bin"] = CONTENT[:-1] + b"?"
    else:
        (tmp_path / "file.bin.part").write_bytes(b"?" * 1000)
    with pytest.raises(DataError, match=r"sent something other than file\.bin \(wrong checksum\)"):
        fetch(f"{server.url}/file.bin", HASH, tmp_path / "file.bin")
    assert visible(tmp_path) == []


def test_a_web_page_in_place_of_the_file_does_not_spoil_what_arrived(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:1000])
    server.kind, server.ranges = "text/html; charset=utf-8", False
    with pytest.raises(Unreachable, match="a web page in place of the file"):
        fetch(f"{server.url}/file.bin", HASH, tmp_path / "file.bin")
    assert (tmp_path / "file.bin.part").read_bytes() == CONTENT[:1000]


def test_errors_of_the_site_are_told_apart(server, tmp_path):
    with pytest.raises(Unreachable, match=r"/none cannot be fetched: the site answers 404 Not Found"):
        fetch(f"{server.url}/none", HASH, tmp_path / "none")
    with pytest.raises(Unreachable, match="there is no connection to the site"):
        fetch("http://127.0.0.1:9/file.bin", HASH, tmp_path / "file.bin")


def test_two_at_once_fetch_once(server, tmp_path):
    jobs = [
        threading.Thread(target=fetch, args=(f"{server.url}/file.bin", HASH, tmp_path / "file.bin")) for _ in range(4)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert len(server.requests) == 1


@pytest.fixture
def cifar100(server, monkeypatch):
    """A small CIFAR-100 on the server in place of the real one; the content of its files."""
    records = np.random.default_rng(1).integers(100, size=(40, 3074), dtype=np.uint8)
    files = {"train.bin": records[:30].tobytes(), "test.bin": records[30:].tobytes()}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-100-binary/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    server.files["/cifar-100-binary.tar.gz"] = buffer.getvalue()
    hashes = {name: hashlib.sha1(content).hexdigest() for name, content in files.items()}
    small = dataclasses.replace(
        CIFAR100,
        url=f"{server.url}/cifar-100-binary.tar.gz",
        archive_hash=f"md5:{hashlib.md5(buffer.getvalue()).hexdigest()}",
        binary=dataclasses.replace(
            CIFAR100.binary, training={"train.bin": hashes["train.bin"]}, test={"test.bin": hashes["test.bin"]}
        ),
    )
    monkeypatch.setattr(inventory, "CIFAR100", small)
    return small, files


def test_images_are_downloaded_unpacked_and_found(cifar100, server, tmp_path):
    small, files = cifar100
    assert status(tmp_path)[4].state == "missing"
    place = download("cifar100", tmp_path)
    assert place == tmp_path / "cifar-100-binary"
    assert {path.name: path.read_bytes() for path in place.iterdir()} == files
    assert visible(tmp_path) == ["cifar-100-binary"]
    assert download("cifar100", tmp_path) == place and len(server.requests) == 1
    assert status(tmp_path)[4] == Status("CIFAR-100", "there", str(place))
    assert cifar.read_cifar(small, tmp_path, None).images.shape == (30, 3, 32, 32)


def test_a_broken_off_download_shows_in_the_status(cifar100, server, tmp_path):
    server.break_after = 5000
    with pytest.raises(DataError, match=r"unpack cifar-100-binary\.tar\.gz so that .*train\.bin exists"):
        download("cifar100", tmp_path)
    entry = status(tmp_path)[4]
    assert entry.state == "incomplete"
    assert entry.details.startswith("5,000 bytes arrived; go on with python -m benchmark data download cifar100")


def test_many_readers_at_once_fetch_once(cifar100, server, tmp_path):
    small, _ = cifar100
    read = []
    jobs = [threading.Thread(target=lambda: read.append(cifar.read_cifar(small, tmp_path, None))) for _ in range(4)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert len(read) == 4 and len(server.requests) == 1


def test_the_benchmark_is_downloaded_then_imported(server, tmp_path, monkeypatch):
    monkeypatch.setattr(nasbench201, "RELEASE_URL", f"{server.url}/file.bin")
    monkeypatch.setattr(nasbench201, "RELEASE_HASH", HASH)
    with pytest.raises(DataError, match=r"NAS-Bench-201-v1_1-096897\.pth holds the pickle instruction"):  # random bytes
        download("nb201", tmp_path)
    release = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    assert release.read_bytes() == CONTENT
    assert status(tmp_path)[1].details == f"downloaded, not imported: python -m benchmark data import {release}"


def test_without_a_network_one_sentence_says_where_the_benchmark_is(tmp_path, monkeypatch):
    monkeypatch.setattr(nasbench201, "RELEASE_URL", "http://127.0.0.1:9/file.bin")
    with pytest.raises(DataError, match=r"no connection .* get NAS-Bench-201-v1_1-096897\.pth .* data import FILE"):
        download("nb201", tmp_path)


def test_an_unknown_download_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(DataError, match="'mnist' to download; choose one of nb201, cifar10, cifar100"):
        download("mnist", tmp_path)


def test_an_empty_folder_lacks_all_that_does_not_come_along(tmp_path):
    states = {entry.what: entry.state for entry in status(tmp_path / "none")}
    assert states == {
        "NAS-Bench-201": "there",
        "its release": "optional",
        "AnalogNAS-Bench": "there",
        "CIFAR-10": "missing",
        "CIFAR-100": "missing",
        "ImageNet16-120": "missing",
        "cifar-split.txt": "missing",
        "digits": "there",
    }
    assert not (tmp_path / "none").exists()
    (tmp_path / "nasbench201.parquet").write_bytes(b"nonsense")
    assert status(tmp_path)[1].state == "damaged"
