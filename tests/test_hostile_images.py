"""Images and split files from nobody knows where: refused in one sentence, nothing run."""

import dataclasses
import functools
import hashlib
import json
import os
import pickle
import random

import numpy as np
import pytest
from hostile import answer, damaged, prepared, write

from data import cifar, imagenet16, images
from data.cifar import CIFAR100

NUMBERS = np.random.default_rng(0)


def batch(count, side, keys):
    pixels = NUMBERS.integers(256, size=(count, 3 * side * side), dtype=np.uint8)
    labels = (1 + np.arange(count) % 100).tolist()
    return pickle.dumps({"data": pixels} | dict.fromkeys(keys, labels), 2)


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """`publish(form, files)`: CIFAR-100 of these files' hashes, out of anyone's reach; they lie in the data folder."""

    def make(form, files):
        layout = getattr(CIFAR100, form)
        hashes = {name: hashlib.new(layout.algorithm, content).hexdigest() for name, content in files.items()}
        for name, content in files.items():
            write(tmp_path / layout.folder / name, content)
        (train,), (test,) = layout.training, layout.test
        layout = dataclasses.replace(layout, training={train: hashes[train]}, test={test: hashes[test]})
        published = dataclasses.replace(
            CIFAR100,
            **{form: layout},
            url="http://127.0.0.1:9/cifar-100-binary.tar.gz",
        )
        source = dataclasses.replace(images._SOURCES["cifar100"], read=functools.partial(cifar.read_cifar, published))
        monkeypatch.setitem(images._SOURCES, "cifar100", source)
        return tmp_path / layout.folder

    return make


def good_files(form):
    if form == "python":
        return {name: batch(count, 32, ["fine_labels"]) for name, count in (("train", 40), ("test", 20))}
    return {name: NUMBERS.bytes(3074 * count) for name, count in (("train.bin", 40), ("test.bin", 20))}


@pytest.mark.parametrize("form", ["binary", "python"])
def test_damaged_images_are_refused_by_their_hash(tmp_path, publish, form):
    files = good_files(form)
    folder = publish(form, files)
    assert prepared(tmp_path)
    for name, content in files.items():
        for spoilt in damaged(content, 40):
            (folder / name).write_bytes(spoilt)
            assert not prepared(tmp_path) or spoilt == content
            assert (folder / name).read_bytes() == spoilt
        (folder / name).unlink()
        assert not prepared(tmp_path)  # it would be fetched, but the site cannot be reached
        (folder / name).write_bytes(content)
    (folder / name).unlink()
    (folder / name).mkdir()
    assert not prepared(tmp_path)
    (folder / name).rmdir()
    (folder / name).symlink_to(name)
    assert not prepared(tmp_path)


class Call:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def harmful(marker):
    for protocol in range(6):
        for call in (
            (os.system, (f"touch {marker}",)),
            (eval, (f"open({str(marker)!r}, 'w')",)),
            (os.mkdir, (str(marker),)),
        ):
            for key in ("data", "fine_labels", "labels"):
                yield pickle.dumps({"data": 1, "fine_labels": 1, "labels": 1, key: Call(*call)}, protocol)


@pytest.mark.parametrize("known", [False, True])
def test_no_batch_runs_anything_even_if_its_hash_were_right(tmp_path, publish, known):
    for content in harmful(tmp_path / "ran"):
        folder = publish("python", {"train": content if known else b"x", "test": b""})
        (folder / "train").write_bytes(content)
        assert not prepared(tmp_path)
        assert not (tmp_path / "ran").exists()


def test_batches_of_another_layout_are_refused_even_if_their_hash_were_right(tmp_path, publish):
    good = good_files("python")
    for content in damaged(good["test"], 60):
        publish("python", good | {"test": content})
        prepared(tmp_path)
    pixels = NUMBERS.integers(256, size=(4, 3072), dtype=np.uint8)
    for odd in (
        None,
        1,
        "x",
        [],
        {},
        [[1], [2, 3]],
        ["x"] * 4,
        np.zeros(7),
        np.array([None] * 4),
        [300] * 4,
        [-1] * 4,
        [1],
    ):
        for key in ("data", "fine_labels"):
            publish("python", good | {"test": pickle.dumps({"data": pixels, "fine_labels": [1] * 4, key: odd}, 2)})
            assert not prepared(tmp_path), (key, odd)
    for odd in (None, [], {}, 1, b"x" * 3073):
        publish("python", good | {"test": pickle.dumps(odd, 2)})
        assert not prepared(tmp_path)
    for odd in (b"x", bytes(3073)):
        publish("binary", good_files("binary") | {"test.bin": odd})
        assert not prepared(tmp_path)


def test_damaged_imagenet16_is_refused(tmp_path, monkeypatch):
    names = [*imagenet16.TRAINING_MD5, *imagenet16.TEST_MD5]
    files = {name: batch(12, 16, ["labels"]) for name in names}
    for name, content in files.items():
        write(tmp_path / "ImageNet16" / name, content)
    hashes = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(imagenet16, "TEST_MD5", {"val_data": hashes.pop("val_data")})
    monkeypatch.setattr(imagenet16, "TRAINING_MD5", hashes)
    monkeypatch.setattr(imagenet16, "TRAINING_IMAGES", 120)
    monkeypatch.setattr(imagenet16, "TEST_IMAGES", 12)
    assert prepared(tmp_path, "imagenet16-120")
    path = tmp_path / "ImageNet16" / "val_data"
    for spoilt in damaged(files["val_data"], 40):
        path.write_bytes(spoilt)
        assert not prepared(tmp_path, "imagenet16-120") or spoilt == files["val_data"]
    marker = tmp_path / "ran"
    labels = [
        pickle.dumps({"data": np.zeros((1, 768), np.uint8), "labels": odd}, 2) for odd in (None, "x", {}, [[1]], [1, 2])
    ]
    for content in (*harmful(marker), *labels, pickle.dumps([]), pickle.dumps({"data": 3, "labels": [1]})):
        path.write_bytes(content)
        monkeypatch.setattr(imagenet16, "TEST_MD5", {"val_data": hashlib.md5(content).hexdigest()})
        assert not prepared(tmp_path, "imagenet16-120")
        assert not marker.exists()


def splits():
    numbers = random.Random(5)
    order = [str(number) for number in numbers.sample(range(1500), 1500)]
    right = json.dumps({"train": ["int", order[:750]], "valid": ["int", order[750:]]}).encode()
    yield right
    yield from damaged(right, 50)
    for odd in (
        None,
        1,
        "x",
        [],
        {},
        [[]],
        ["int"],
        ["int", None],
        ["int", [None]],
        ["int", [1.5]],
        ["int", ["1e9"]],
        [1, 2],
    ):
        yield json.dumps({"train": odd, "valid": ["int", order[750:]]}).encode()
        yield json.dumps(odd).encode()
    for number in ("9" * 30, "9" * 5000, "-1", "NaN", "1_0", "Infinity", "1e400"):
        yield b'{"train": ["int", [' + number.encode() + b']], "valid": ["int", []]}'
        yield b'{"train": ["int", ["' + number.encode() + b'"]], "valid": ["int", []]}'
    yield b"[" * 100_000
    yield b'{"a":' * 100_000
    yield b"\xff\xfe"
    yield b" " * (17 << 20)


def test_damaged_split_files_are_used_or_refused(tmp_path):
    path = tmp_path / "split.txt"
    used = 0
    for content in splits():
        path.write_bytes(content)
        used += prepared(tmp_path, "digits", split=str(path))
    assert 1 <= used < 20
    for odd in ("/dev/zero", ".", "", "x" * 5000, "/nowhere", "zero \0 byte"):
        assert not prepared(tmp_path, "digits", split=odd)
    options = ("--methods", "random", "--seeds", "1", "--preset", "smoke", "--set", "problem.training_images=all")
    code, said = answer("run", *options, "--set", f"problem.split={path}", "--out", str(tmp_path / "out"))
    assert code == 2 and "split.txt" in said
